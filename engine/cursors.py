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
        self._free: dict[tuple[str, str], list[Held]] = {}
        self._lock = threading.Lock()

    def take(self, catalog: str, schema: str) -> Held:
        """A cursor on which unqualified names mean `catalog`.`schema`, then our functions."""
        place = (catalog, schema)
        with self._lock:
            free = self._free.get(place)
            if free:
                return free.pop()
        cursor = self._root.cursor()
        path = f"{duck.identifier(catalog)}.{duck.identifier(schema)},fn.main"
        token = secrets.token_hex(16)
        cursor.execute(f"set search_path = {duck.literal(path)}")
        cursor.execute(f"set variable {TOKEN_VARIABLE} = {duck.literal(token)}")
        return Held(cursor, token, place)

    def give(self, held: Held) -> None:
        """Take a cursor back: keep it when it is clean and there is room, close it otherwise."""
        with self._lock:
            free = self._free.setdefault(held.place, [])
            if not held.dirty and len(free) < KEEP:
                free.append(held)
                return
        held.cursor.close()

    def close(self) -> None:
        """Close every cursor that is not in use."""
        with self._lock:
            for free in self._free.values():
                for held in free:
                    held.cursor.close()
            self._free.clear()
