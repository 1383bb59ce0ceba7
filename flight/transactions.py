"""Transactions of Flight SQL clients: which session each belongs to, and what became of it."""

import threading
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from engine.errors import Busy, Conflict, Invalid, LakehouseError, NotFound
from engine.session import Session
from flight.messages import Ending


@dataclass
class _Open:
    session: Session
    used: float
    failed: bool = False  # its commit failed: it is gone, but the client still has to say rollback


@dataclass
class _Abandoned:
    """What is remembered of a transaction that was rolled back because nobody used it."""

    transaction: str
    profile: str


class Transactions:
    """The open transactions, in the order they were begun."""

    def __init__(self, limit: int, idle_seconds: float, clock: Callable[[], float]) -> None:
        """At most `limit` may be open; one that nobody uses for `idle_seconds` of `clock` is rolled back."""
        self._limit, self._idle_seconds, self._clock = limit, idle_seconds, clock
        self._open: dict[str, _Open] = {}
        self._abandoned: deque[_Abandoned] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def begin(self, session: Session) -> str:
        """Begin one. Raises Busy at the limit."""
        if len(self._open) >= self._limit:
            raise Busy(f"{self._limit} transactions are open", "commit or roll back some of them")
        transaction = session.begin()
        with self._lock:
            self._open[transaction] = _Open(session, self._clock())
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
        """Commit or roll back. After a failed commit nothing is kept, and a rollback is accepted.

        So it is for one that was rolled back because nobody used it; its rollback is also the last that is heard of it.
        """
        transaction = transaction_id.decode("ascii", "replace")
        if how not in (Ending.COMMIT, Ending.ROLLBACK):
            raise Invalid("a transaction ends with commit or rollback", "name one of them")
        if how == Ending.ROLLBACK and self._forget_abandoned(session, transaction):
            return
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
                self._open[transaction] = _Open(found.session, self._clock(), failed=True)
            raise

    def forget(self, session: Session | None = None) -> None:
        """Forget the transactions of a session that was closed, or all."""
        with self._lock:
            kept = {key: one for key, one in self._open.items() if session is not None and one.session is not session}
            self._open = kept

    def sweep(self, busy: Collection[Session]) -> None:
        """Roll back what nobody used for long, but for the transactions of sessions that are `busy` now."""
        now = self._clock()
        with self._lock:
            for found in self._open.values():
                if found.session in busy:
                    found.used = now
            idle = {key: one for key, one in self._open.items() if now - one.used > self._idle_seconds}
            for key, found in idle.items():
                del self._open[key]
                self._abandoned.append(_Abandoned(key, found.session.profile))
        for key, found in idle.items():
            if not found.failed:
                with suppress(LakehouseError):  # its session was closed meanwhile, and it with it
                    found.session.rollback(key)

    def _forget_abandoned(self, session: Session, transaction: str) -> bool:
        with self._lock:
            mine = [one for one in self._abandoned if self._is_of(one, session, transaction)]
            for one in mine:
                self._abandoned.remove(one)
        return bool(mine)

    @staticmethod
    def _is_of(one: _Abandoned, session: Session, transaction: str) -> bool:
        return (one.transaction, one.profile) == (transaction, session.profile)

    def _get(self, session: Session, transaction: str, *, failed_too: bool = False) -> _Open:
        with self._lock:
            found = self._open.get(transaction)
            if found is not None and found.session.profile == session.profile and (failed_too or not found.failed):
                found.used = self._clock()
                return found
            abandoned = any(self._is_of(one, session, transaction) for one in self._abandoned)
        if abandoned:  # not NotFound: a cached prepared statement would then run outside of any transaction
            raise Conflict(
                f"the transaction was rolled back, because it was idle for {self._idle_seconds:g} seconds",
                "roll back and repeat it from its beginning",
            )
        raise NotFound("the transaction is not open (any more)", "begin a new one")
