"""The rows of a contained statement as they come from its worker, and every way in which they may not come."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from engine.containment import frames
from engine.containment.frames import Frame, TooLarge
from engine.containment.orders import Order
from engine.containment.process import Process
from engine.errors import Busy, Invalid, LakehouseError
from engine.faults import KERNEL_FAILED

if TYPE_CHECKING:
    from engine.execution import Execution

LATE_SECONDS = 1.0  # what a statement beyond its time limit gets to heed an interrupt
CANCEL_SECONDS = 0.5  # and a cancelled one
CLOSE_SECONDS = 0.5  # and one whose rows are not wanted any more
KILLED = -9
MEMORY_FAULTS = ("MemoryError", "OutOfMemoryException", "ArrowMemoryError", "TooLarge")
UNFIT = ("MemoryError", "ArrowMemoryError", "InternalException", "FatalException")  # what may have left a worker broken
MEMORY_WORDS = ("bad_alloc", "llocation failure", "Out of Memory")
KINDS: dict[str, type[Exception]] = {
    **{name: kind for name, kind in vars(duckdb).items() if isinstance(kind, type) and issubclass(kind, duckdb.Error)},
    **{kind.__name__: kind for kind in (OSError, ValueError, TypeError, OverflowError)},
    "ArrowInvalid": OSError,  # it has lost its class; its text tells
    "FatalException": duckdb.InternalException,  # fatal for the worker only
}


class Answer:
    """What a contained statement answers, read like a reader of the engine. `close` gives the worker back."""

    schema: pa.Schema

    def __init__(self, execution: "Execution", release: Callable[[Process, bool], None]) -> None:
        """`release` takes the worker back, and whether it may be used again."""
        self._execution, self._release = execution, release
        self._process: Process | None = None
        self._run = 0
        self._asked: float | None = None
        self._over = self._fit = self._killed = False

    def interrupt(self) -> None:
        """Ask the worker to stop; once it has had its time, kill it. Called again and again until the end."""
        process = self._process
        if process is None or self._over:
            return
        now = time.monotonic()
        self._asked = self._asked or now
        late = self._execution.statement.timed_out
        if now - self._asked > (LATE_SECONDS if late else CANCEL_SECONDS):
            self._killed = True
            process.kill()
        else:
            process.stop(self._run)

    def begin(self, process: Process, order: Order) -> None:
        """Give the statement to a worker and wait for the schema of its rows. Raises what it raises."""
        self._process, self._run = process, order.run
        try:
            process.order(order)
        except TooLarge:
            raise Invalid("the parameters are too large for a contained statement", "load them into a table") from None
        except OSError:
            raise self._gone() from None
        frame = self._next(frames.SCHEMA)
        assert frame is not None
        self.schema = frames.unpacked(frame.body).schema

    def read_next_batch(self) -> pa.RecordBatch:
        """The next rows. Raises StopIteration at the end."""
        frame = None if self._over else self._next(frames.BATCH)
        if frame is None:
            raise StopIteration
        table = frames.unpacked(frame.body).combine_chunks()
        batches = table.to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=self.schema)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, batch by batch."""
        return self

    def __next__(self) -> pa.RecordBatch:
        """The next rows."""
        return self.read_next_batch()

    def read_all(self) -> pa.Table:
        """All rows."""
        return pa.Table.from_batches(list(self), schema=self.schema)

    def _next(self, wanted: bytes) -> Frame | None:
        """Serve the worker until it sends what is wanted; None at the end of the rows."""
        process = self._process
        assert process is not None
        while (frame := process.receive()) is not None:
            if frame.kind == frames.CALL:
                self._call(process, frame)
            elif frame.kind == frames.FAILED:
                self._end(frame)
                raise _fault(str(frame.head["kind"]), str(frame.head["text"]))
            elif frame.kind == frames.DONE:
                self._end(frame)
                return None
            elif frame.kind == wanted:
                return frame
        raise self._gone()

    def _call(self, process: Process, frame: Frame) -> None:
        """Run a kernel for the worker, as the statement that it stands for."""
        lake, held = self._execution.lake, self._execution.held
        name = str(frame.head["name"])
        try:
            if name not in lake.containment.callable:
                raise Invalid(f"{name} cannot be called by a worker", "call it in a statement of its own")
            columns = frames.unpacked(frame.body)
            given: list[Any] = list(columns.columns[:-1])
            answer = lake.kernels[name][0](*given, pa.chunked_array([[held.token] * columns.num_rows], pa.string()))
            batch = pa.record_batch([answer], names=["answer"])
            process.reply({}, frames.packed([batch], batch.schema))
        except (LakehouseError, TooLarge, duckdb.Error, pa.ArrowException) as error:
            self._refuse(process, str(error))
        except OSError:
            return  # the worker is gone, which the next message tells

    def _refuse(self, process: Process, text: str) -> None:
        try:
            process.reply({"error": text[:10_000]})
        except OSError:
            return

    def _end(self, frame: Frame) -> None:
        kind = str(frame.head.get("kind", ""))
        self._over = True
        broken = kind in UNFIT or "bad_alloc" in str(frame.head.get("text", ""))
        self._fit = not broken and not frame.head.get("spent")

    def _gone(self) -> LakehouseError:
        """The error for a worker that ended before its statement."""
        process, statement = self._process, self._execution.statement
        assert process is not None
        self._over, code = True, process.reap()
        if self._killed or statement.cancelled.is_set():
            return statement.stopped()
        if code == KILLED:
            return Busy("the worker process of the statement was killed", "repeat it")
        return _too_large(f"the statement ended its worker process ({code}): it")

    def close(self) -> None:
        """Give the worker back: at the end of its statement at once, else stopped first. Harmless when done twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if not self._over:
            self._drain(process)
        self._release(process, self._fit)

    def _drain(self, process: Process) -> None:
        """Read what still comes, for as long as the worker needs to heed the interrupt; it is killed if it does not."""
        until = time.monotonic() + CLOSE_SECONDS
        process.stop(self._run)
        while time.monotonic() < until and (frame := process.receive_within(until - time.monotonic())) is not None:
            if frame.kind == frames.CALL:
                self._refuse(process, "the statement has ended")
            elif frame.kind in (frames.DONE, frames.FAILED):
                self._end(frame)
                return
        self._over = True


def _is_memory(text: str) -> bool:
    return any(word in text for word in MEMORY_WORDS)


def _too_large(subject: str) -> Invalid:
    return Invalid(f"{subject} used more memory than a contained statement may", "narrow it")


def _fault(kind: str, text: str) -> Exception:
    """What a worker failed with, as if the engine here had raised it."""
    if KERNEL_FAILED not in text and (kind in MEMORY_FAULTS or _is_memory(text)):
        return _too_large("the statement")
    return KINDS.get(kind, RuntimeError)(text)
