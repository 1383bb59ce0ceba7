"""A lake: one home, one engine, everything in it. Open it once per process, close it at the end."""

import atexit
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine import duck, faults, guard, hints, instance
from engine.access.credentials import Credentials
from engine.access.profiles import ADMIN, Profiles
from engine.access.spaces import Spaces
from engine.annex import Annex
from engine.config import Loaded, load
from engine.containment.containment import Containment
from engine.cursors import Cursors
from engine.descriptions import Descriptions
from engine.errors import Busy, Conflict, Internal, Invalid, LakehouseError
from engine.execution import Execution
from engine.journal import Journal
from engine.locks import WriteLock
from engine.memory.checks import Checks
from engine.memory.judge import Judge
from engine.memory.modes.registry import Registry
from engine.memory.playbooks import Playbooks
from engine.memory.switches import Switches
from engine.models.endpoint import Call
from engine.models.models import Models, means_of
from engine.plans import Forms, shape_of
from engine.revival import Revival
from engine.search.corpora import Corpora
from engine.session import Session
from engine.statement import Statement, shown
from engine.stream import Stream
from engine.turns import Turns

WATCH_SECONDS = 0.1
CLOSE_SECONDS = 10.0  # how long `close` waits for statements that do not heed their cancellation
CACHED_CHARACTERS = 10_000  # longer statements are checked each time: they would fill the memory
KEPT_TYPES = 1000


class Lake:
    """The open home. `session()` is the way in; the rest is for the rooms of the house."""

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, Any] | None = None,
        allowed: list[Path] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open `home`, making it when it is not there.

        `settings` are dotted keys that win over the configuration; `allowed` are further folders to ingest from.
        Raises Conflict when another process has the home open.
        """
        self.home = home.expanduser().resolve()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Invalid(f"the home {home.name!r} cannot be made: {error.strerror}", "choose another --home") from None
        self.loaded: Loaded = load(self.home, settings)
        self.config = self.loaded.config
        self.clock = clock
        self.folders = [folder.expanduser().resolve() for folder in [*self.config.ingest.allowed, *(allowed or [])]]
        self.running: dict[str, Statement] = {}  # by the token of their cursor, for kernels
        self.executions: dict[Statement, Execution] = {}  # all that have begun, those that wait too
        self.abandoned: deque[Stream] = deque()
        self.version = 0  # grows with every write to a bucket
        self.descriptions = Descriptions(self)
        self.known = guard.Known({}, frozenset())
        self.sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self.kernels: dict[str, tuple[instance.Body, tuple[str, ...], str]] = {}  # by name
        self._arrow_types: dict[str, pa.DataType] = {}
        limits = self.config.limits
        turns = limits.statements or max(8, 4 * (os.cpu_count() or 1))
        self.turns = Turns(turns, limits.queue, limits.queue_seconds)
        self._write_lock = WriteLock(self.config.engine.lock_seconds)
        self._closed, self._stopped = threading.Event(), threading.Event()
        self._open()
        atexit.register(self.close)  # a thread within the engine when the interpreter ends would abort the process

    def _open(self) -> None:
        self._kernels: list[instance.Installable] = []
        self.revival = Revival(self)
        self.root = instance.opened(self.home, self.config.engine)
        self.cursors = Cursors(self.root)
        self.checking = lru_cache(maxsize=1024)(self._check)
        self._forms = Forms()
        journal = self.config.journal
        self.journal = Journal(
            self.cursor, flush_seconds=journal.flush_seconds, buffer=journal.buffer, clock=self.clock
        )
        models = self.config.models
        means = means_of(self.home, models, self._record_call)
        self.models = Models(means, models.embedder, models.question_cache, models.cache_bytes)
        self.models.offer_chats(models.chat, models.chat_seconds, models.chat_temperature)
        self.models.offer_rerankers(models.rerank)
        self.corpora = Corpora(self)
        self.playbooks = Playbooks(self)
        self.judge = Judge(self.config.judge, means.reach, lambda error: self.record_error(error, None, "", None))
        self.switches = Switches(self)
        self.checks = Checks(self)
        self.modes = Registry(self)
        self.profiles = Profiles(self)
        self.credentials = Credentials(self)
        self.spaces = Spaces(self)
        self.containment = Containment(self)
        self.annex = Annex(self)
        threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    def _record_call(self, call: Call) -> None:
        with suppress(Busy, duck.Error):  # the journal tries again to write
            self.journal.record("call", call.model, vars(call))

    def start(self) -> None:
        """Open another instance of the engine, in the place of one that has ended."""
        self.root = instance.opened(self.home, self.config.engine)
        self.cursors = Cursors(self.root)
        self.spaces.forget()
        self._dress()

    def install(self, kernels: list[instance.Installable], *, packaged: bool = False) -> None:
        """Dress the engine with these kernels and what is built on them, and close the file system.

        `packaged`: they are those of the package, and nothing else was created before.
        """
        self._kernels, self._packaged = kernels, packaged
        for name, body, parameters, returns in kernels:
            self.kernels[name] = body, tuple(parameters[:-1]), returns  # a collected kernel would crash the process
        self._dress()
        self.corpora.recover()
        self.checks.start()

    def _dress(self) -> None:
        nesting = self.config.limits.nesting
        self.known = instance.dress(self.root, self._kernels, self.home, self.folders, nesting, packaged=self._packaged)

    def session(self, profile: str = ADMIN, token_id: str | None = None) -> Session:
        """A new session of `profile`, opened with a token. Raises Unauthenticated when there is no such profile."""
        self.spaces.profile(profile)
        session = Session(self, profile, token_id)
        self.sessions.add(session)
        return session

    @cached_property
    def mask_key(self) -> str:
        """The key of the mask `hash`, made once a home."""
        with self.control() as cursor:
            cursor.execute(
                "insert or ignore into control.secret (name, value) values ('mask', ?)", [secrets.token_hex(32)]
            )
            row = cursor.execute("select value from control.secret where name = 'mask'").fetchone()
        return str(row[0]) if row else ""

    def cursor(self) -> duck.Cursor:
        """A fresh cursor for the engine's own SQL. Close it; never run SQL on the cursor of a caller."""
        return self.root.cursor()

    @contextmanager
    def control(self) -> Iterator[duck.Cursor]:
        """A transaction on the control plane: committed at the end, rolled back on an error."""
        cursor = self.root.cursor()
        try:
            with duck.transaction(cursor):
                yield cursor
        finally:
            cursor.close()

    @contextmanager
    def writing(self, owner: str) -> Iterator[None]:
        """Hold the one write lock of the lake; a function called by the statement `owner` enters it again.

        Raises Busy after the configured wait, TimedOut when the statement is cancelled meanwhile.
        """
        statement = next((one for one in self.statements() if one.statement_id == owner), None)
        self._write_lock.acquire(owner, *([statement.check] if statement else []))
        try:
            yield
        finally:
            self.version += 1
            self._write_lock.release(owner)
            self.corpora.upkeep.notice()

    def check(self, sql: str) -> guard.Checked:
        """Whether `sql` may run, and what it is. See `guard`."""
        return self.checking(sql) if len(sql) <= CACHED_CHARACTERS else self._check(sql)

    def _check(self, sql: str) -> guard.Checked:
        guard.check_text(sql, self.config.engine.statement_bytes, self.known.nesting)
        self._refuse_unready()
        shape = shape_of(sql, self.annex.tables, ())
        form = shape if shape and shape.slots else None
        known = self._forms.find(form) if form else None
        if known is not None:
            return replace(known, text=sql)
        cursor = self.root.cursor()
        try:
            checked = guard.check(cursor, sql, self.known, self.config.engine.statement_bytes)
        finally:
            cursor.close()
        if form:
            self._forms.keep(form, checked)
        return replace(checked, text=sql)

    def refuse_closed(self, session: Session, kind: str) -> None:
        """Raise Conflict when the lake or the session is closed; a closed session may still roll back."""
        self._refuse_unready()
        if session.closed and kind != "ROLLBACK":
            raise Conflict("the session is closed", "open another one")

    def _refuse_unready(self) -> None:
        if self._closed.is_set():
            raise Conflict("the lake is closed", "open it again")
        self.revival.wait()

    def fault(self, error: Exception) -> LakehouseError:
        """What a user sees of `error`. An engine that was closed to be opened anew is no closed lake."""
        fault = faults.translate(error, str(self.home))
        if isinstance(fault, faults.Closed) and not self._closed.is_set():
            return Busy("the engine was reopened after a fault", "repeat the statement")
        return fault

    def with_nearest(self, fault: LakehouseError, session: Session) -> LakehouseError:
        """`fault`, with the nearest names that the session sees when a table or function is not there."""
        seen = session.visible_tables()
        tables = hints.tables(self.cursor, session.place) if seen is None else seen
        return hints.with_nearest(fault, tables, self.known.ours)

    def arrow_type(self, sql_type: str) -> pa.DataType:
        """The Arrow type of a SQL type; the usual ones are asked of the engine once."""
        found = self._arrow_types.get(sql_type)
        if found is None:
            cursor = self.root.cursor()
            try:
                found = duck.arrow_type(cursor, sql_type)
            finally:
                cursor.close()
            if len(self._arrow_types) < KEPT_TYPES:
                self._arrow_types[sql_type] = found
        return found

    def catalogs(self) -> list[str]:
        """The names of the attached catalogs that clients see."""
        cursor = self.root.cursor()
        try:
            rows = cursor.execute("select database_name from duckdb_databases() where not internal").fetchall()
        finally:
            cursor.close()
        return [name for (name,) in rows if not guard.is_hidden(name)]

    def statements(self, session: Session | None = None) -> list[Statement]:
        """The statements that run or wait now, of one session or of all."""
        return [one for one in list(self.executions) if session is None or one.session is session]

    def cancel(self, statement_id: str, session: Session | None = None) -> bool:
        """Stop a running statement; False when it does not run."""
        found = [one for one in self.statements(session) if one.statement_id == statement_id]
        for statement in found:
            statement.cancel()
        return bool(found)

    def end_sessions(self, which: Callable[[Session], bool]) -> None:
        """Close the sessions that `which` picks: what they run is cancelled."""
        for session in list(self.sessions):
            if not session.closed and which(session):
                session.close()

    def record_error(self, error: LakehouseError, profile: str | None, sql: str, statement_id: str | None) -> None:
        """Put an error into the journal, on disk before this returns."""
        body = {"code": error.code, "message": error.message, "hint": error.hint, "sql": shown(sql)}
        with suppress(Busy, duck.Error):  # the caller's error is the one to show; the entry stays in memory until later
            self.journal.record("error", error.code, body, actor=profile, statement_id=statement_id, durable=True)

    def record_statement(self, statement: Statement, kind: str, error: LakehouseError | None) -> None:
        """Put the end of a statement into the journal."""
        if not self.config.journal.statements or self._closed.is_set():
            return
        body = {
            "sql": shown(statement.sql),
            "rows": statement.rows,
            "bytes": statement.bytes,
            "milliseconds": round((time.monotonic() - statement.started) * 1000, 3),
            "outcome": error.code if error else "ok",
            "session_id": statement.session.id,
        }
        actor = statement.session.profile
        with suppress(Busy, duck.Error):  # what the statement did stands; the journal tries again to write
            self.journal.record("statement", kind, body, actor=actor, statement_id=statement.statement_id)

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            now = time.monotonic()
            for statement in self.statements():
                late = statement.deadline is not None and now > statement.deadline
                if late or statement.broken_off or statement.cancelled.is_set():
                    statement.cancel(timed_out=late)
            while self.abandoned:
                self.abandoned.popleft().drop()
            self.containment.pool.tidy()

    def close(self) -> None:
        """Refuse new statements, stop those that run, write what is buffered and close the engine.

        Raises Internal when the last entries of the journal could not be written; all is closed then, too.
        """
        if self._stopped.is_set():
            return
        atexit.unregister(self.close)
        self.corpora.upkeep.close()
        self._closed.set()
        with suppress(LakehouseError):  # what is being opened anew is closed then, too
            self.revival.wait()
        with ExitStack() as exits:
            exits.callback(self._stopped.set)
            exits.callback(self.root.close)
            exits.callback(self.cursors.close)
            exits.callback(self.annex.close)
            exits.callback(self.containment.close)
            exits.callback(self.models.close)
            exits.callback(self.judge.close)
            exits.callback(self.corpora.close)
            exits.callback(self._close_journal)
            exits.callback(self.checks.close)
            self._stop_statements()

    def _close_journal(self) -> None:
        try:
            self.journal.close()
        except duck.Error as error:
            reason = self.revival.failure or self.fault(error).message
            raise Internal(f"the end of the journal is lost: {reason}", "look at the disk") from None

    def _stop_statements(self) -> None:
        until = time.monotonic() + CLOSE_SECONDS
        while self.executions and time.monotonic() < until:
            for statement, execution in list(self.executions.items()):
                statement.cancel()
                if execution.stream is not None:
                    execution.stream.close(wait=0)
            self._stopped.wait(0.01)
