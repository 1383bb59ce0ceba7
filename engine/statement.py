"""A statement while it runs, and its result as a stream of Arrow batches."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from engine.errors import LakehouseError, TimedOut

if TYPE_CHECKING:
    from engine.session import Session


SECRETIVE = re.compile(r"(?i)set_password")
LONGEST_SHOWN = 2000


def shown(sql: str) -> str:
    """A statement as others may read it: cut, and without the text of one that may hold a password."""
    return "select * from set_password(…)" if SECRETIVE.search(sql) else sql[:LONGEST_SHOWN]


@dataclass(eq=False)
class Statement:
    """One running statement. Kernels find it by the token of its cursor."""

    statement_id: str
    session: "Session"
    sql: str
    deadline: float | None  # seconds of time.monotonic
    interrupt: Callable[[], None]
    started: float = field(default_factory=time.monotonic)
    cancelled: threading.Event = field(default_factory=threading.Event)
    timed_out: bool = False
    broken_off: float = 0.0  # when Ctrl-C came, in seconds of time.monotonic; see `engine/keyboard.py`
    limit: str = "[engine] statement_seconds"  # the setting that bounds it
    failure: LakehouseError | None = None  # what a kernel of it raised
    progress: tuple[int, int, str] | None = None  # done, total, of what
    rows: int = 0
    bytes: int = 0
    ended: bool = False
    writer: threading.Lock = field(default_factory=threading.Lock)  # its kernels run side by side; one of them writes
    _nested: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self, *, timed_out: bool = False) -> None:
        """Stop the statement: kernels poll, the engine is interrupted. One that has ended is left alone.

        An interrupt that comes before the engine begins is lost, so that the watch of the lake repeats it.
        """
        with self._lock:
            if self.ended:  # its cursor may serve another statement already
                return
            self.timed_out = self.timed_out or (timed_out and not self.cancelled.is_set())
            self.cancelled.set()
            self.interrupt()
            for interrupt in self._nested:
                interrupt()

    def end(self) -> bool:
        """Mark the end; False when it had ended before."""
        with self._lock:
            first, self.ended = not self.ended, True
        return first

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Let `cancel` call `interrupt` too: that of a cursor on which a kernel runs SQL for this statement."""
        with self._lock:
            self._nested.append(interrupt)
        try:
            self.check()  # it may have been cancelled before
            yield
        finally:
            with self._lock:
                self._nested.remove(interrupt)

    def check(self) -> None:
        """Raise TimedOut when the statement was cancelled. Long kernels call it between steps."""
        if self.cancelled.is_set():
            raise self.stopped()

    def stopped(self) -> TimedOut:
        """The error of a cancelled statement."""
        if self.timed_out:
            return TimedOut("the statement took longer than it may", f"narrow it or raise {self.limit}")
        return TimedOut("the statement was cancelled", "repeat it")

    def shown(self, now: float) -> dict[str, object]:
        """The statement as a row of `lake.statements`; `now` is the wall clock in seconds."""
        seconds = time.monotonic() - self.started
        done, total, what = self.progress or (0, 0, "")
        return {
            "ts": int((now - seconds) * 1e6),
            "statement_id": self.statement_id,
            "status": "cancelled" if self.cancelled.is_set() else "running",
            "sql": shown(self.sql),
            "rows": self.rows,
            "bytes": self.bytes,
            "milliseconds": seconds * 1000,
            "progress": f"{done}/{total} {what}" if self.progress else None,
            "profile": self.session.profile,
            "session_id": self.session.id,
        }


class Result:
    """The answer to one statement: rows as a stream, or a count. Read it to its end, or close it."""

    def __init__(
        self,
        statement_id: str,
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        *,
        rows_affected: int | None = None,
        cancel: Callable[[], None] | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        """`rows_affected`: rows of a DML, 0 for DDL, None for a statement that returns rows."""
        self.statement_id, self.schema, self.rows_affected = statement_id, schema, rows_affected
        self._batches, self._cancel, self._close = batches, cancel, close

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches as the engine makes them. Can be read once; raises LakehouseError only."""
        try:
            yield from self._batches
        finally:
            self.close()

    def read_all(self) -> pa.Table:
        """All rows as one table."""
        return pa.Table.from_batches(list(self.batches()), schema=self.schema)

    def rows(self) -> list[dict[str, object]]:
        """All rows as dictionaries, for small answers."""
        rows: list[dict[str, object]] = self.read_all().to_pylist()
        return rows

    def cancel(self) -> None:
        """Stop the statement if it still runs."""
        if self._cancel:
            self._cancel()

    def close(self) -> None:
        """Give the cursor back. Harmless when done twice."""
        close, self._close = self._close, None
        if close:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def affected(table: pa.Table) -> int:
    """The rows that a DML affected, from what the engine answers to it; 0 for a DDL."""
    if table.num_columns == 1 and table.num_rows == 1 and table.column_names[0] == "Count":
        return int(table.column(0)[0].as_py() or 0)
    return 0
