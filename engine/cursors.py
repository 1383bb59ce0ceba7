"""Cursors of the root connection, each with a name that its kernels can be known by.

A statement has a cursor for itself while it runs. Making one costs little, but setting its search path costs more than
a small query, so that clean cursors are kept and reused.
"""

import secrets
import threading
from dataclasses import dataclass, field

from engine import duck

TOKEN_VARIABLE = "lakehouse_call"
KEEP = 16


@dataclass(eq=False)
class Held:
    """A cursor in use. `token` is what kernels get to find the statement that called them."""

    cursor: duck.Cursor
    token: str
    place: tuple[str, str]
    dirty: bool = field(default=False)


class Cursors:
    """A bounded pool of cursors, by the catalog and schema that unqualified names mean."""

    def __init__(self, root: duck.Cursor) -> None:
        """`root` lives as long as the pool."""
        self._root = root
        self._free: list[Held] = []
        self._taken: set[Held] = set()
        self._lock = threading.Lock()
        self._closed = False

    def take(self, catalog: str, schema: str) -> Held:
        """A cursor on which unqualified names mean `catalog`.`schema`, then our functions.

        Raises an error of the engine when there is no such place.
        """
        place = (catalog, schema)
        with self._lock:
            held = next((one for one in reversed(self._free) if one.place == place), None)
            if held is not None:
                self._free.remove(held)
                self._taken.add(held)
                return held
        held = Held(self._root.cursor(), secrets.token_hex(16), place)
        try:
            self.move(held, place)
            held.cursor.execute(f"set variable {TOKEN_VARIABLE} = {duck.literal(held.token)}")
        except BaseException:
            held.cursor.close()
            raise
        with self._lock:
            self._taken.add(held)
        return held

    def move(self, held: Held, place: tuple[str, str]) -> None:
        """Let unqualified names on a cursor mean another catalog and schema."""
        path = f"{duck.qualified(*place)},fn.main"
        held.cursor.execute(f"set search_path = {duck.literal(path)}")
        held.place = place

    def check(self, place: tuple[str, str]) -> None:
        """Raise an error of the engine when there is no such catalog and schema; a kept cursor would not tell."""
        held = Held(self._root.cursor(), "", place)
        try:
            self.move(held, place)
        finally:
            held.cursor.close()

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
