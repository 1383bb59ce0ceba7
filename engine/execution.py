"""A statement on its cursor: from taking the cursor, through success or failure, to giving it back."""

import secrets
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine import duck, faults, guard
from engine.cursors import Held
from engine.errors import LakehouseError
from engine.statement import Statement

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.session import Session


@dataclass(eq=False)
class Transaction:
    """An open transaction: a cursor of its own, used by one statement at a time."""

    held: Held
    transaction_id: str = field(default_factory=lambda: secrets.token_hex(8))
    lock: threading.Lock = field(default_factory=threading.Lock)
    wrote: bool = False


class Execution:
    """One statement on one cursor. Whoever makes it calls `finish` or raises what `fail` returns, once."""

    def __init__(
        self,
        lake: "Lake",
        session: "Session",
        sql: str,
        checked: guard.Checked,
        transaction: Transaction | None,
        statement_id: str | None = None,
    ) -> None:
        """Takes the write lock when the statement writes, then a cursor (that of `transaction` when there is one)."""
        self._lake, self.checked, self.transaction = lake, checked, transaction
        self._exits = ExitStack()
        statement_id = statement_id or secrets.token_hex(8)
        if transaction is not None:
            transaction.lock.acquire()
            self._exits.callback(transaction.lock.release)
            transaction.wrote = transaction.wrote or checked.is_write  # it takes the write lock when it commits
            self.held = transaction.held
        else:
            if checked.is_write:
                self._exits.enter_context(lake.writing(statement_id))
            self.held = lake.cursors.take(*session.place)
            self._exits.callback(lake.cursors.give, self.held)
        limit = lake.config.engine.statement_seconds if checked.effect == "reads" else None
        deadline = time.monotonic() + limit if limit else None
        self.statement = Statement(statement_id, session, sql, deadline, self.held.cursor.interrupt)
        lake.running[self.held.token] = self.statement

    @property
    def cursor(self) -> duck.Cursor:
        """The cursor of the statement."""
        return self.held.cursor

    def finish(self, error: LakehouseError | None = None) -> None:
        """Record the end of the statement and give everything back. Harmless when done twice."""
        if self._lake.running.pop(self.held.token, None) is self.statement:
            self._lake.record_statement(self.statement, self.checked.kind, error)
            self._exits.close()

    def fail(self, error: Exception) -> LakehouseError:
        """End the statement with `error`; returns what the user is to see, recorded in the journal."""
        fault = self._translate(error)
        self.finish(fault)
        self._lake.record_error(fault, self.statement.session.profile, self.statement.sql, self.statement.statement_id)
        return fault

    def _translate(self, error: Exception) -> LakehouseError:
        statement = self.statement
        if statement.failure is not None and faults.KERNEL_FAILED in str(error):
            return statement.failure
        if statement.cancelled.is_set() and not isinstance(error, LakehouseError):
            return statement.stopped()
        return faults.translate(error, str(self._lake.home))
