"""Cursors of the root connection, each with a name that its kernels can be known by.

A statement has a cursor for itself while it runs. Making one costs little, but setting its search path costs more than
a small query, so that clean cursors are kept and reused.
"""

import secrets
import threading
from dataclasses import dataclass, field
from functools import lru_cache

from engine import duck
from engine.plans import Plans

TOKEN_VARIABLE = "lakehouse_call"
KEEP = 16
OURS = (("fn", "catalog"), ("fn", "main"))


@dataclass(eq=False)
class Held:
    """A cursor in use. `token` is what kernels get to find the statement that called them."""

    cursor: duck.Cursor
    token: str
    path: str
    dirty: bool = field(default=False)
    plans: Plans = field(init=False)

    def __post_init__(self) -> None:
        """Plans belong to the cursor."""
        self.plans = Plans(self.cursor)


@lru_cache(maxsize=256)
def path_of(*places: tuple[str, str]) -> str:
    """A search path: the given places (catalog and schema) in order, then what we put before the engine's own."""
    return ",".join(duck.qualified(*place) for place in (*places, *OURS))


class Cursors:
    """A bounded pool of cursors, by their search path: where unqualified names are looked up."""

    def __init__(self, root: duck.Cursor) -> None:
        """`root` lives as long as the pool."""
        self._root = root
        self._free: list[Held] = []
        self._taken: set[Held] = set()
        self._lock = threading.Lock()
        self._closed = False

    def take(self, path: str) -> Held:
        """A cursor with the search path `path` (see `path_of`).

        Raises an error of the engine when there is no such place.
        """
        with self._lock:
            held = next((one for one in reversed(self._free) if one.path == path), None)
            if held is not None:
                self._free.remove(held)
                self._taken.add(held)
                return held
        held = Held(self._root.cursor(), secrets.token_hex(16), path)
        try:
            self.move(held, path)
            held.cursor.execute(f"set variable {TOKEN_VARIABLE} = {duck.literal(held.token)}")
        except BaseException:
            held.cursor.close()
            raise
        with self._lock:
            self._taken.add(held)
        return held

    def move(self, held: Held, path: str) -> None:
        """Let unqualified names on a cursor mean something else."""
        held.cursor.execute(f"set search_path = {duck.literal(path)}")
        held.path = path

    def check(self, path: str) -> None:
        """Raise an error of the engine when a place of the path is not there; a kept cursor would not tell."""
        held = Held(self._root.cursor(), "", path)
        try:
            self.move(held, path)
        finally:
            held.cursor.close()

    def taken(self) -> list[Held]:
        """The cursors in use."""
        with self._lock:
            return list(self._taken)

    def give(self, held: Held) -> None:
        """Take a cursor back: keep it when it is clean, and close it or the one that waits longest otherwise."""
        with self._lock:
            self._taken.discard(held)
            if not held.dirty and not self._closed:
                self._free.append(held)
                if len(self._free) <= KEEP:
                    return
                held = self._free.pop(0)
        held.cursor.close()

    def close(self) -> None:
        """Close every cursor, those in use too: an open one would keep the files of the home."""
        with self._lock:
            self._closed = True
            every = [*self._free, *self._taken]
            self._free.clear()
            self._taken.clear()
        for held in every:
            held.cursor.close()
