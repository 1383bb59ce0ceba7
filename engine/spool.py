"""Rows that are kept to be served again: in memory while they are few, in a temporary file when they are many."""

import io
import os
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

import pyarrow as pa

from engine.errors import NotFound

MEMORY_BYTES = 1 << 20


class Spool:
    """Written once by one thread, then read any number of times by many. Holds at most about 1 MiB of memory."""

    def __init__(self, schema: pa.Schema, memory_bytes: int = MEMORY_BYTES) -> None:
        """Empty; `memory_bytes` is what it may hold before it goes to a file."""
        self.schema = schema
        self.rows = 0
        self._memory_bytes = memory_bytes
        self._held: list[pa.RecordBatch] = []
        self.bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchWriter | None = None
        self._closed = False
        self._lock = threading.Lock()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        self.rows += batch.num_rows
        self.bytes += batch.nbytes
        if self._writer is None and self.bytes <= self._memory_bytes:
            self._held.append(batch)
            return
        if self._writer is None:
            self._to_file()
        assert self._writer is not None
        self._writer.write_batch(batch)

    def _to_file(self) -> None:
        # Without a name, so that a killed process leaves none behind; `close` closes it.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)  # also when nobody reads the rows, and so nobody closes it
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), self.schema)
        for batch in self._held:
            self._writer.write_batch(batch)
        self._held = []

    def finish(self) -> None:
        """Nothing more is written."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.flush()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, from the start; they can be read to their end also when it is closed meanwhile.

        Raises NotFound when it was closed before.
        """
        with self._lock:
            if self._closed:
                raise NotFound("the rows are not kept any more", "run the statement again")
            held = self._held
            file = None if self._file is None else _FromStart(self._file.fileno())
        return _read(held, file)

    def close(self) -> None:
        """Drop the rows."""
        with self._lock:
            self._closed = True
            self._held = []
            if self._file is not None:
                self._file.close()


class _FromStart(io.RawIOBase):
    """A file with a position of its own, so that many can read it at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer
        count = os.preadv(self._descriptor, [buffer], self._position)
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _read(held: list[pa.RecordBatch], file: _FromStart | None) -> Iterator[pa.RecordBatch]:
    yield from held
    if file is not None:
        with io.BufferedReader(cast(Any, file)) as buffered, pa.ipc.open_stream(buffered) as reader:
            yield from reader


def spooled(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Spool:
    """All of `batches`, kept."""
    spool = Spool(schema)
    try:
        for batch in batches:
            spool.write(batch)
        spool.finish()
    except BaseException:
        spool.close()
        raise
    return spool
