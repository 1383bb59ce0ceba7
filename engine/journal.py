"""The journal: one append-only table of everything that happened, `lake.journal`.

An entry that nobody waits for is kept in memory for at most `journal.flush_seconds` and is visible to readers at once;
a durable one is on disk when `record` returns. A reader sees the table and the memory together (see
`sql/views/journal.sql`): entries stay in memory for a while after they were written, and the view removes doubles by
their number, so that no reader misses one that moved while it read.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pyarrow as pa

from engine import duck
from engine.errors import Busy

COLUMNS = {
    "entry": pa.int64(),
    "ts": pa.float64(),
    "kind": pa.string(),
    "subject": pa.string(),
    "actor": pa.string(),
    "statement_id": pa.string(),
    "body": pa.string(),
}
BATCH = "journal_batch"
INSERT_BATCH = (
    "insert into control.journal "
    f"select entry, to_timestamp(ts), kind, subject, actor, statement_id, body from temp.main.{BATCH}"
)
INSERT = "insert into control.journal values (?, to_timestamp(?), ?, ?, ?, ?, ?)"
ENCODER = json.JSONEncoder(default=str, ensure_ascii=False)
LINGER_SECONDS = 30.0  # longer than any snapshot of the control plane is held open by a small read


_STATEMENT: ContextVar[str | None] = ContextVar("statement", default=None)


@contextmanager
def told_by(statement_id: str) -> Iterator[None]:
    """What is recorded meanwhile in this thread is the work of a statement, unless it is said of which."""
    before = _STATEMENT.set(statement_id)
    try:
        yield
    finally:
        _STATEMENT.reset(before)


@dataclass(frozen=True)
class Entry:
    """One thing that happened."""

    entry: int
    ts: float
    kind: str
    subject: str | None
    actor: str | None
    statement_id: str | None
    body: str

    def row(self) -> tuple[Any, ...]:
        """The entry in the order of the columns of the table."""
        return (self.entry, self.ts, self.kind, self.subject, self.actor, self.statement_id, self.body)


class Journal:
    """Buffered, ordered writer of `control.journal`."""

    def __init__(
        self,
        cursor: Callable[[], duck.Cursor],
        *,
        flush_seconds: float,
        buffer: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`cursor` gives a fresh cursor for each write; `clock` gives seconds since the epoch."""
        self._cursor, self._clock = cursor, clock
        self._limit = buffer
        self._pending: deque[Entry] = deque()
        self._written: deque[tuple[float, Entry]] = deque()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._last = self._last_written()
        self._wake = threading.Event()
        self._closed = False
        self._flush_seconds = flush_seconds
        self._thread = threading.Thread(target=self._loop, name="journal", daemon=True)
        self._thread.start()

    def _last_written(self) -> int:
        """The number of the last entry on disk: numbers grow also when the clock is set back between two runs."""
        cursor = self._cursor()
        try:
            row = cursor.execute("select coalesce(max(entry), 0) from control.journal").fetchone()
        finally:
            cursor.close()
        return int(row[0]) if row else 0

    def record(
        self,
        kind: str,
        subject: str | None = None,
        body: dict[str, Any] | None = None,
        *,
        actor: str | None = None,
        statement_id: str | None = None,
        durable: bool = False,
    ) -> int:
        """Append one entry and return its number. With `durable` it is on disk when this returns."""
        with self._lock:
            if len(self._pending) >= 2 * self._limit:
                raise Busy("the journal cannot be written as fast as it grows", "look at the disk")
            entry = self._entry(kind, subject, body, actor, statement_id)
            self._pending.append(entry)
            full = len(self._pending) >= self._limit
        if durable or full:
            self.flush()
        return entry.entry

    def record_within(
        self, cursor: duck.Cursor, kind: str, subject: str | None, body: dict[str, Any], actor: str | None
    ) -> None:
        """Append one entry in the caller's transaction on the control plane: both are kept, or neither."""
        with self._lock:
            entry = self._entry(kind, subject, body, actor, None)
        cursor.execute(INSERT, list(entry.row()))

    def record_all_within(
        self, cursor: duck.Cursor, kind: str, told: Sequence[tuple[str | None, dict[str, Any]]], actor: str | None
    ) -> None:
        """Append an entry for each (subject, body) in the caller's transaction on the control plane."""
        with self._lock:
            entries = [self._entry(kind, subject, body, actor, None) for subject, body in told]
        if len(entries) == 1:
            cursor.execute(INSERT, list(entries[0].row()))
        elif entries:
            _insert(cursor, entries)

    def _entry(
        self, kind: str, subject: str | None, body: dict[str, Any] | None, actor: str | None, statement_id: str | None
    ) -> Entry:
        now = self._clock()
        self._last = max(self._last + 1, int(now * 1e9))
        told = statement_id or _STATEMENT.get()
        return Entry(self._last, now, kind, _clean(subject), _clean(actor), _clean(told), _json(body or {}))

    def flush(self) -> None:
        """Write everything that was recorded before this call."""
        with self._flushing:
            with self._lock:
                batch = list(self._pending)
            if not batch:
                return
            cursor = self._cursor()
            try:
                _insert(cursor, batch)
            finally:
                cursor.close()
            self._forget(batch)

    def _forget(self, batch: list[Entry]) -> None:
        now = time.monotonic()
        with self._lock:
            for entry in batch:
                self._pending.popleft()
                self._written.append((now, entry))
            while self._written and (
                now - self._written[0][0] > LINGER_SECONDS or len(self._written) > 2 * self._limit
            ):
                self._written.popleft()

    def in_memory(self) -> list[Entry]:
        """Entries not yet written, and those written a moment ago."""
        with self._lock:
            return [entry for _, entry in self._written] + list(self._pending)

    def close(self) -> None:
        """Write what is left and stop."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        self.flush()

    def _loop(self) -> None:
        while not self._closed:
            self._wake.wait(self._flush_seconds)
            try:
                self.flush()
            except (duck.Error, RuntimeError):
                # The entries stay in memory and readable; the next round tries again (a full disk, say).
                time.sleep(self._flush_seconds)


def _insert(cursor: duck.Cursor, entries: Sequence[Entry]) -> None:
    arrays = [pa.array(list(map(attrgetter(name), entries)), kind) for name, kind in COLUMNS.items()]
    cursor.register(BATCH, pa.table(arrays, names=list(COLUMNS)))
    cursor.execute(INSERT_BATCH)


def _clean(text: str | None) -> str | None:
    """`text` as the engine can keep it: half of a surrogate pair becomes a question mark."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def _json(body: dict[str, Any]) -> str:
    """`body` as JSON that the engine reads: one entry that it cannot read would hide the whole journal."""
    text = ENCODER.encode(body)
    if "NaN" in text or "Infinity" in text:
        text = json.dumps(json.loads(text, parse_constant=lambda name: None), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
