"""Messages between the server and a worker: frames with a kind, a short head in JSON and a body of bytes.

What the worker sends is read as JSON and Arrow only. What the server sends may hold any value of a parameter, and is
pickled: the worker trusts the server.
"""

import json
import select
import socket
import struct
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

HEADER = struct.Struct(">cII")
MAX_HEAD = 1 << 20
MAX_BODY = 160 << 20
BATCH_BYTES = 4 << 20  # about how much goes into one frame of rows
MAX_ROW = 64 << 20

START, RUN, REPLY, STOP = b"s", b"r", b"a", b"x"  # from the server
READY, SCHEMA, BATCH, CALL, DONE, FAILED = b"R", b"S", b"B", b"C", b"D", b"F"  # from a worker


class Frame(NamedTuple):
    """One message."""

    kind: bytes
    head: dict[str, Any]
    body: memoryview


class TooLarge(Exception):
    """A message is longer than the channel allows."""


class Channel:
    """One end of a socket between the server and a worker. Many threads may send, one receives at a time."""

    def __init__(self, end: socket.socket) -> None:
        """`end` is closed with the channel."""
        self._socket = end
        self._sending = threading.Lock()

    def send(self, kind: bytes, head: dict[str, Any] | None = None, body: bytes | memoryview | pa.Buffer = b"") -> None:
        """Send one message. Raises TooLarge, or OSError when the other end is gone."""
        encoded, view = json.dumps(head or {}).encode(), memoryview(body)
        if len(encoded) > MAX_HEAD or view.nbytes > MAX_BODY:
            raise TooLarge(f"a message of {len(encoded) + view.nbytes} bytes")
        with self._sending:
            self._socket.sendall(HEADER.pack(kind, len(encoded), view.nbytes) + encoded)
            if view.nbytes:
                self._socket.sendall(view)

    def try_send(self, kind: bytes, head: dict[str, Any]) -> None:
        """Send a small message unless that would wait."""
        encoded = json.dumps(head).encode()
        if self._sending.acquire(blocking=False):
            try:
                self._socket.send(HEADER.pack(kind, len(encoded), 0) + encoded, socket.MSG_DONTWAIT)
            except OSError:  # gone, or full: whoever asks for it asks again, and kills in the end
                return
            finally:
                self._sending.release()

    def wait(self, seconds: float) -> bool:
        """Wait so long for something to receive; whether there is, or the other end is gone."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def receive(self) -> Frame | None:
        """The next message; None when the other end is gone or sends what is no message."""
        header = self._exactly(HEADER.size)
        if header is None:
            return None
        kind, head_bytes, body_bytes = HEADER.unpack(header)
        if head_bytes > MAX_HEAD or body_bytes > MAX_BODY:
            return None
        head, body = self._exactly(head_bytes), self._exactly(body_bytes)
        if head is None or body is None:
            return None
        return Frame(kind, json.loads(bytes(head)), body)

    def _exactly(self, count: int) -> memoryview | None:
        view = memoryview(bytearray(count))
        done = 0
        while done < count:
            try:
                got = self._socket.recv_into(view[done:])
            except OSError:
                return None
            if got == 0:
                return None
            done += got
        return view

    def end(self) -> None:
        """Let every receiver see the end, here and there."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other end was faster
            return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def packed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Buffer:
    """Batches as the body of a message."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def unpacked(body: memoryview) -> pa.Table:
    """The rows in the body of a message."""
    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        return reader.read_all()


def slices(batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
    """A batch in parts that fit into messages. Raises TooLarge for a row that does not."""
    if batch.num_rows <= 1:
        if batch.nbytes > MAX_ROW:
            raise TooLarge(f"a row of {batch.nbytes} bytes")
        yield batch
    elif batch.nbytes <= BATCH_BYTES:
        yield batch
    else:
        half = batch.num_rows // 2
        yield from slices(batch.slice(0, half))
        yield from slices(batch.slice(half))
