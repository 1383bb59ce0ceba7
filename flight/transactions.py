"""Transactions of Flight SQL clients: which session each belongs to, and what became of it."""

import threading
from dataclasses import dataclass

from engine.errors import Busy, Invalid, LakehouseError, NotFound
from engine.session import Session
from flight.messages import Ending


@dataclass
class _Open:
    session: Session
    failed: bool = False  # its commit failed: it is gone, but the client still has to say rollback


class Transactions:
    """The open transactions, in the order they were begun."""

    def __init__(self, limit: int) -> None:
        """At most `limit` may be open."""
        self._limit = limit
        self._open: dict[str, _Open] = {}
        self._lock = threading.Lock()

    def begin(self, session: Session) -> str:
        """Begin one. Raises Busy at the limit."""
        if len(self._open) >= self._limit:
            raise Busy(f"{self._limit} transactions are open", "commit or roll back some of them")
        transaction = session.begin()
        with self._lock:
            self._open[transaction] = _Open(session)
        return transaction

    def find(self, session: Session, transaction_id: bytes | None) -> tuple[Session, str | None]:
        """The session and the transaction that a statement runs in. Raises NotFound for one that is not open."""
        if transaction_id is None:
            return session, None
        transaction = transaction_id.decode("ascii", "replace")
        return self._get(session, transaction).session, transaction

    def find_or_current(self, session: Session, transaction_id: bytes | None) -> tuple[Session, str | None]:
        """As `find`, for a prepared statement that outlived its transaction: in the current one, or in none.

        ADBC keeps the prepared statement of a cursor over commit and rollback.
        """
        try:
            return self.find(session, transaction_id)
        except NotFound:
            return session, self.current(session)

    def current(self, session: Session) -> str | None:
        """The transaction that was begun last in `session` and is open, if any."""
        with self._lock:
            mine = [key for key, found in self._open.items() if found.session is session and not found.failed]
        return mine[-1] if mine else None

    def end(self, session: Session, transaction_id: bytes, how: int) -> None:
        """Commit or roll back. After a failed commit nothing is kept, and a rollback is accepted."""
        transaction = transaction_id.decode("ascii", "replace")
        if how not in (Ending.COMMIT, Ending.ROLLBACK):
            raise Invalid("a transaction ends with commit or rollback", "name one of them")
        found = self._get(session, transaction, failed_too=how == Ending.ROLLBACK)
        with self._lock:
            self._open.pop(transaction, None)
        if found.failed:
            return
        if how == Ending.ROLLBACK:
            found.session.rollback(transaction)
            return
        try:
            found.session.commit(transaction)
        except LakehouseError:
            with self._lock:
                self._open[transaction] = _Open(found.session, failed=True)
            raise

    def forget(self, session: Session | None = None) -> None:
        """Forget the transactions of a session that was closed, or all."""
        with self._lock:
            kept = {key: one for key, one in self._open.items() if session is not None and one.session is not session}
            self._open = kept

    def _get(self, session: Session, transaction: str, *, failed_too: bool = False) -> _Open:
        found = self._open.get(transaction)
        if found is None or found.session.profile != session.profile or (found.failed and not failed_too):
            raise NotFound("the transaction is not open (any more)", "begin a new one")
        return found
