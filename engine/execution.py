"""A statement on its cursor: from taking the cursor, through success or failure, to giving it back."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine import annex, duck, faults, guard, keyboard, turns
from engine.bounds import Measure
from engine.cursors import Held
from engine.errors import LakehouseError, NotFound, TimedOut
from engine.parameters import Parameters
from engine.statement import Statement

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.session import Session
    from engine.stream import Stream

ENDINGS = ("COMMIT", "ROLLBACK")
LOOK_SECONDS = 0.05  # how soon a statement that waits for another notices that it was cancelled


@dataclass(eq=False)
class Transaction:
    """An open transaction: a cursor of its own, used by one statement at a time."""

    held: Held
    transaction_id: str = field(default_factory=lambda: secrets.token_hex(8))
    lock: threading.Lock = field(default_factory=threading.Lock)
    wrote: bool = False
    over: bool = False


class Execution:
    """One statement on one cursor. Whoever makes it calls `finish` or raises what `fail` returns, once."""

    held: Held

    def __init__(
        self,
        lake: "Lake",
        session: "Session",
        sql: str,
        checked: guard.Checked,
        transaction: Transaction | None,
        statement_id: str | None = None,
    ) -> None:
        """Takes a cursor (that of `transaction` when there is one), and the write lock when the statement writes.

        Raises LakehouseError, recorded, when it cannot begin; then nothing is held.
        """
        self.lake, self.checked, self.transaction = lake, checked, transaction
        self.stream: Stream | None = None
        self._exits = ExitStack()
        reads = checked.effect == "reads"
        limit = lake.config.engine.statement_seconds if reads else lake.config.limits.acting_seconds
        deadline = time.monotonic() + limit
        self.statement = Statement(statement_id or secrets.token_hex(8), session, sql, deadline, self._interrupt)
        if not reads:
            self.statement.limit = "[limits] acting_seconds"
        self._began = self._apart = self._annexed = False
        self._instance = lake.revival.number
        with self._failing():
            self._begin(session)

    def _begin(self, session: "Session") -> None:
        lake, statement, transaction = self.lake, self.statement, self.transaction
        self._exits.callback(lake.executions.pop, statement, None)
        lake.executions[statement] = self
        lake.refuse_closed(session, self.checked.kind)
        caller = turns.caller()
        if caller is not None:
            self._exits.enter_context(caller.interrupting(statement.cancel))
        if transaction is not None:
            self._join(transaction)
            if transaction.held.path != session.search_path:
                lake.cursors.move(transaction.held, session.search_path)
        else:
            self._annexed = lake.annex.takes(self.checked)
            cursors = lake.annex.cursors(self.checked) if self._annexed else lake.cursors
            self.held = cursors.take(annex.PATH if self._annexed else session.path_of_statement(self.checked))
            self._exits.callback(cursors.give, self.held)
            self.held.dirty = self.checked.leaves_traces
        if self.checked.kind not in ENDINGS and not self.checked.placeless:
            session.temporary.show(self.held, self.transaction_id)
        if self._writes_now():
            self._exits.enter_context(lake.writing(statement.statement_id))
        lake.running[self.held.token] = statement
        self._exits.callback(lake.running.pop, self.held.token, None)

    def _join(self, transaction: Transaction) -> None:
        while not transaction.lock.acquire(timeout=LOOK_SECONDS):
            self.statement.check()
        self._exits.callback(transaction.lock.release)
        if transaction.over:
            raise NotFound("the transaction is not open", "begin a new one")
        transaction.wrote = transaction.wrote or self.checked.is_write
        self.held = transaction.held

    def measure(self) -> Measure:
        """Counts the rows of its result against what the role may read."""
        role, limits = self.statement.session.role, self.lake.config.limits
        who, rows, size = f"the role {role!r}", 0, 0
        if role == "editor":
            rows, size = limits.editor_rows, limits.editor_bytes
        elif role != "admin":
            rows, size = limits.reader_rows, limits.reader_bytes
        kept = self.lake.config.engine.contained_result if self._apart else 0  # its rows are kept until they are read
        if kept and (not size or kept < size):
            who, size = "a contained statement", kept
        return Measure(who, rows, size)

    @property
    def transaction_id(self) -> str | None:
        """The transaction that it runs in, if any."""
        return None if self.transaction is None else self.transaction.transaction_id

    def _writes_now(self) -> bool:
        """Whether it changes tables for all to see: what a transaction wrote becomes visible when it commits."""
        if self.transaction is None:
            return self.checked.is_write
        return self.checked.kind == "COMMIT" and self.transaction.wrote

    def _interrupt(self) -> None:
        held = getattr(self, "held", None)
        if held is not None:
            with suppress(duck.Error):  # the lake may have been closed
                held.cursor.interrupt()

    def reader(self, params: Parameters | None) -> Any:
        """Start the statement with these values; returns its rows as a reader of Arrow batches."""
        self._apart = self.lake.containment.takes(self.checked, params)
        if self._apart:
            return self.lake.containment.run(self, self.checked.text, params)
        if self._annexed:
            return self.lake.annex.reader(self.held, self.checked, params)
        return duck.reader(self.cursor, self.checked.text, params)

    def guard_with(self, interrupt: Callable[[], None], close: Callable[[], None]) -> None:
        """Call `interrupt` when the statement is cancelled, again and again, and `close` at its end."""
        self._exits.callback(close)
        self._exits.enter_context(self.statement.interrupting(interrupt))

    @property
    def cursor(self) -> duck.Cursor:
        """The cursor of the statement."""
        return self.held.cursor

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Do a part of the statement when its turn comes. What is raised in it ends the statement; see `fail`."""
        begun, self._began = self._began, True
        with self._failing(), keyboard.heeded(self.statement):
            if self._goes_first:
                yield
            else:
                with self.lake.turns.turn(self.statement.check, begun=begun):
                    yield

    @property
    def _goes_first(self) -> bool:
        """Whether it needs no turn: others wait for who holds the write lock, and for the end of a transaction."""
        return self._writes_now() or self.checked.kind in ENDINGS or self.statement.session.urgent

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever is raised inside ends the statement; a caller sees LakehouseError, or his own KeyboardInterrupt."""
        try:
            yield
        except Exception as error:
            raise self.fail(error) from None
        except BaseException:
            self._break_off()
            raise

    def _break_off(self) -> None:
        """End the statement because the caller does not wait for it any more."""
        try:
            if not self.statement.ended and hasattr(self, "held"):
                self.held.dirty = True
                duck.break_off(self.held.cursor)
        finally:
            self.finish(self.statement.stopped())

    def finish(self, error: LakehouseError | None = None) -> None:
        """Give everything back and record the end of the statement. Harmless when done twice."""
        if self.statement.end():
            try:
                if error is None and self.checked.kind == "DROP":
                    self.statement.session.temporary.drop_what_is_gone(self.held, self.transaction_id)
                self._exits.close()
            finally:
                self.lake.record_statement(self.statement, self.checked.kind, error)

    def fail(self, error: Exception) -> LakehouseError:
        """End the statement with `error`; returns what the user is to see, recorded in the journal.

        Raises KeyboardInterrupt for what the engine has made of it.
        """
        try:
            fault = self._translate(error)
        except KeyboardInterrupt:
            self._break_off()
            raise
        if not self.statement.ended:
            if self.transaction is None and hasattr(self, "held"):
                self.held.dirty = True
            self.finish(fault)
            statement = self.statement
            self.lake.record_error(fault, statement.session.profile, statement.sql, statement.statement_id)
        return fault

    def _translate(self, error: Exception) -> LakehouseError:
        statement = self.statement
        if statement.broken_off:
            raise KeyboardInterrupt from None
        fault = self.lake.fault(error)
        told = statement.failure if faults.KERNEL_FAILED in str(error) else None
        ours = told or (error if isinstance(error, LakehouseError) else None)
        if statement.cancelled.is_set() and (ours is None or isinstance(ours, TimedOut)):
            return statement.stopped()  # whoever polls knows neither why nor what to do next
        if told is not None:
            return told
        if faults.ends_the_engine(error):
            self.lake.revival.failed(self._instance, fault)
            return fault
        fault = statement.session.scrubbed(fault, statement.sql)
        return self.lake.with_nearest(fault, statement.session) if isinstance(fault, NotFound) else fault
