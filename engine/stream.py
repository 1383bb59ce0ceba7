"""The rows of a statement on their way out: read by one thread, and closed by any."""

import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.statement import Result

if TYPE_CHECKING:
    from engine.execution import Execution


class Stream:
    """Batches as the engine makes them. Its end, a failure or `close` gives the cursor of the statement back."""

    def __init__(self, execution: "Execution", reader: pa.RecordBatchReader) -> None:
        """`reader` runs on the cursor of `execution`."""
        self._execution, self._reader = execution, reader
        self._lock = threading.Lock()
        self._closed = self._exhausted = False
        self._measure = execution.measure()
        self.schema: pa.Schema = reader.schema
        execution.stream = self

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows. Raises LakehouseError only, TimedOut when it was closed meanwhile."""
        while (batch := self._next()) is not None:
            yield batch

    def _next(self) -> pa.RecordBatch | None:
        statement = self._execution.statement
        with self._lock, self._execution.acting():
            if self._closed:
                raise statement.stopped()
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                self._exhausted = True
                if statement.cancelled.is_set():  # an interrupted stream may end as if it were complete
                    raise statement.stopped() from None
                return None
            statement.bytes += self._measure.add(batch)
            statement.rows += batch.num_rows
            return batch

    def close(self, wait: float = -1) -> None:
        """End it, once whoever reads has the batch it waits for; give up after `wait` seconds (-1: never)."""
        if not self._lock.acquire(timeout=wait):
            return
        try:
            if not self._closed:
                self._closed = True
                self._execution.held.dirty |= not self._exhausted  # a cursor with an unread result is not used again
                self._reader.close()
                self._execution.finish()
        finally:
            self._lock.release()

    def drop(self) -> None:
        """Stop the statement, whose rows nobody wants, and end it."""
        self._execution.statement.cancel()  # else closing would wait for a kernel that runs for long
        self.close()

    def abandon(self) -> None:
        """Leave the closing to the watch of the lake: the garbage collector may call this, and must not wait."""
        if not self._closed:
            self._execution.lake.abandoned.append(self)


def streamed(execution: "Execution", reader: pa.RecordBatchReader) -> Result:
    """The result whose rows come from `reader` as they are fetched."""
    stream, statement = Stream(execution, reader), execution.statement
    result = Result(
        statement.statement_id, stream.schema, stream.batches(), cancel=statement.cancel, close=stream.close
    )
    weakref.finalize(result, stream.abandon).atexit = False  # rows that nobody reads give their cursor back
    return result


def measured(execution: "Execution", reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The rows of `reader`. Raises Invalid when they are more than the role of the caller may read."""
    measure = execution.measure()
    for batch in reader:
        measure.add(batch)
        yield batch
