"""A statement on its cursor: from taking the cursor, through success or failure, to giving it back."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine import duck, faults, guard
from engine.cursors import Held
from engine.errors import LakehouseError, NotFound
from engine.statement import Statement

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.session import Session
    from engine.stream import Stream

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
        limit = lake.config.engine.statement_seconds if checked.effect == "reads" else None
        deadline = time.monotonic() + limit if limit else None
        self.statement = Statement(statement_id or secrets.token_hex(8), session, sql, deadline, self._interrupt)
        with self.acting():
            self._begin(session)

    def _begin(self, session: "Session") -> None:
        lake, statement, transaction = self.lake, self.statement, self.transaction
        self._exits.callback(lake.executions.pop, statement, None)
        lake.executions[statement] = self
        lake.refuse_closed(session, self.checked.kind)
        if transaction is not None:
            self._join(transaction)
            if transaction.held.place != session.place:
                lake.cursors.move(transaction.held, session.place)
        else:
            self.held = lake.cursors.take(*session.place)
            self._exits.callback(lake.cursors.give, self.held)
            self.held.dirty = self.checked.leaves_traces
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

    @property
    def cursor(self) -> duck.Cursor:
        """The cursor of the statement."""
        return self.held.cursor

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Do a part of the statement. Whatever is raised in it ends the statement; a caller sees LakehouseError."""
        try:
            yield
        except Exception as error:
            raise self.fail(error) from None
        except BaseException:
            self.finish(self.statement.stopped())
            raise

    def finish(self, error: LakehouseError | None = None) -> None:
        """Give everything back and record the end of the statement. Harmless when done twice."""
        if self.statement.end():
            try:
                self._exits.close()
            finally:
                self.lake.record_statement(self.statement, self.checked.kind, error)

    def fail(self, error: Exception) -> LakehouseError:
        """End the statement with `error`; returns what the user is to see, recorded in the journal."""
        fault = self._translate(error)
        if not self.statement.ended:
            if self.transaction is None and hasattr(self, "held"):
                self.held.dirty = True
            self.finish(fault)
            statement = self.statement
            self.lake.record_error(fault, statement.session.profile, statement.sql, statement.statement_id)
        return fault

    def _translate(self, error: Exception) -> LakehouseError:
        statement = self.statement
        if statement.failure is not None and faults.KERNEL_FAILED in str(error):
            return statement.failure
        if statement.cancelled.is_set() and not isinstance(error, LakehouseError):
            return statement.stopped()
        fault = faults.translate(error, str(self.lake.home))
        return self.lake.with_nearest(fault, statement.session.place)
