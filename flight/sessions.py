"""From a call to its session: by the cookie when the client keeps cookies, by its connection otherwise.

Stock ADBC keeps no cookies, so that the connection is what keeps its catalog and schema; transactions and prepared
statements are found by their handles from any session of the same profile.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from engine.errors import Busy
from engine.session import Session, SessionSource

COOKIE = "arrow_flight_session_id"


def _same(session: Session, profile: str, token_id: str | None) -> bool:
    return session.profile == profile and session.token_id == token_id and not session.closed


@dataclass
class _Known:
    session: Session
    peer: str
    used: float


class Sessions:
    """The sessions of the clients, closed when they were idle for long."""

    def __init__(
        self,
        source: SessionSource,
        *,
        limit: int,
        idle_seconds: float,
        clock: Callable[[], float],
        closed: Callable[[Session], None],
    ) -> None:
        """`closed` is called with each session after it was closed."""
        self._source, self._limit, self._idle_seconds = source, limit, idle_seconds
        self._clock, self._closed = clock, closed
        self._by_id: dict[str, _Known] = {}
        self._by_peer: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def of(
        self, profile: str, peer: str, cookie: str | None = None, token_id: str | None = None
    ) -> tuple[Session, str | None]:
        """The session of a call, and the cookie to set when it is new. Raises Busy at the limit.

        `token_id`: the token of the caller; another token of the profile does not find the session.
        """
        now = self._clock()
        with self._lock:
            session_id = self._cookie_id(cookie) if cookie else None
            known = self._by_id.get(session_id or self._by_peer.get((profile, peer), ""))
            if known is not None and _same(known.session, profile, token_id):
                known.used = now
                return known.session, None
            if len(self._by_id) >= self._limit:
                raise Busy(f"{self._limit} sessions are open", "close some connections")
            session = self._source.session(profile, token_id)
            self._by_id[session.id] = _Known(session, peer, now)
            self._by_peer[(profile, peer)] = session.id
        return session, f"{COOKIE}={session.id}"

    def _cookie_id(self, cookie: str) -> str | None:
        try:
            found = SimpleCookie(cookie).get(COOKIE)
        except CookieError:
            return None
        return found.value if found and found.value in self._by_id else None

    def close(self, session: Session) -> None:
        """Close a session; harmless when it is closed already."""
        with self._lock:
            known = self._by_id.pop(session.id, None)
            if known is not None:
                self._by_peer.pop((session.profile, known.peer), None)
        if known is not None:
            session.close()
            self._closed(session)

    def sweep(self, busy: Collection[Session]) -> None:
        """Close the sessions that nobody used for long, but for those that are `busy` now."""
        before = self._clock() - self._idle_seconds
        with self._lock:
            idle = [one.session for one in self._by_id.values() if one.used < before and one.session not in busy]
        for session in idle:
            self.close(session)

    def close_all(self) -> None:
        """Close every session."""
        with self._lock:
            sessions = [known.session for known in self._by_id.values()]
        for session in sessions:
            self.close(session)
