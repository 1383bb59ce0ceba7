"""Open things by an unguessable handle, bounded in number and in age."""

import secrets
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from engine.errors import Busy, NotFound
from engine.session import Session


class Entry(Protocol):
    """What a registry holds."""

    @property
    def session(self) -> Session:
        """Whose it is."""

    @property
    def busy(self) -> bool:
        """Whether it works at the moment: it is neither aged out nor evicted then."""

    @property
    def disposable(self) -> bool:
        """Whether it may go when room is needed: it was used up, or holds nothing that cannot be made again."""

    def close(self) -> None:
        """Give everything back."""


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """At most `limit` entries, each for `seconds` after it was added, renewed or last busy."""

    def __init__(self, what: str, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        """`what`: the plural shown in errors. `clock`: seconds since the epoch."""
        self._what, self._limit, self._seconds, self._clock = what, limit, seconds, clock
        self._entries: dict[bytes, tuple[E, float]] = {}
        self._lock = threading.Lock()

    def add(self, entry: E) -> bytes:
        """Keep `entry` and return its handle. Raises Busy when `limit` entries are in use."""
        handle = secrets.token_bytes(16)
        with self._lock:
            gone = self._expired() if len(self._entries) >= self._limit else []
            if len(self._entries) >= self._limit:
                gone += self._evicted()
            full = len(self._entries) >= self._limit
            if not full:
                self._entries[handle] = (entry, self._clock() + self._seconds)
        for one in gone:
            one.close()
        if full:
            raise Busy(f"{self._limit} {self._what} are open", "read or close some of them")
        return handle

    def get(self, handle: bytes, session: Session) -> E:
        """The entry of `handle`. Raises NotFound when there is none, or when it belongs to another profile."""
        with self._lock:
            found = self._entries.get(handle)
            if found is None or self._is_over(*found) or found[0].session.profile != session.profile:
                raise NotFound(f"it is not among the open {self._what} (any more)", "run the statement again")
            return found[0]

    def renew(self, handle: bytes, session: Session) -> float:
        """Start the age of an entry again; returns when it ends, in seconds since the epoch."""
        entry = self.get(handle, session)
        expires = self._clock() + self._seconds
        with self._lock:
            if handle in self._entries:
                self._entries[handle] = (entry, expires)
        return expires

    def remove(self, handle: bytes, session: Session) -> None:
        """Close and forget an entry. Raises NotFound as `get` does."""
        entry = self.get(handle, session)
        with self._lock:
            self._entries.pop(handle, None)
        entry.close()

    def sweep(self) -> None:
        """Close what is too old."""
        with self._lock:
            gone = self._expired()
        for entry in gone:
            entry.close()

    def forget(self, session: Session | None = None) -> None:
        """Close everything of `session`, or everything."""
        with self._lock:
            gone = {key: one for key, (one, _) in self._entries.items() if session is None or one.session is session}
            for handle in gone:
                del self._entries[handle]
        for entry in gone.values():
            entry.close()

    def busy(self) -> list[E]:
        """The entries that work at the moment."""
        with self._lock:
            return [entry for entry, _ in self._entries.values() if entry.busy]

    def __len__(self) -> int:
        """How many are open."""
        return len(self._entries)

    def _is_over(self, entry: E, expires: float) -> bool:
        return self._clock() > expires and not entry.busy

    def _expired(self) -> list[E]:
        return self._pop([handle for handle, found in self._entries.items() if self._is_over(*found)])

    def _evicted(self) -> list[E]:
        """The oldest tenth of what is disposable."""
        able = [handle for handle, (entry, _) in self._entries.items() if entry.disposable and not entry.busy]
        return self._pop(able[: max(1, self._limit // 10)])

    def _pop(self, handles: list[bytes]) -> list[E]:
        return [self._entries.pop(handle)[0] for handle in handles]
