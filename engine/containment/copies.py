"""Frozen copies of the catalog of the primary bucket, for workers: nobody else can open the file that the server has.

A copy is consistent and cheap (the catalog only, not the data), made when the lake has changed since the last one.
"""

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from engine import duck

METADATA = "__ducklake_metadata_primary"
FROZEN = "__ducklake_metadata_frozen"  # a name that clients do not see


class Copies:
    """The copies in `folder`, each with its users. One is made at a time."""

    def __init__(self, cursor: Callable[[], duck.Cursor], folder: Path, version: Callable[[], int]) -> None:
        """`version` tells one state of the lake from the next. What a former process left in `folder` is removed."""
        self._cursor, self._folder, self._version = cursor, folder, version
        self._lock = threading.Lock()
        self._users: dict[Path, set[object]] = {}
        self._newest: tuple[int, Path] | None = None
        self._made = 0
        shutil.rmtree(folder, ignore_errors=True)

    def use(self, user: object) -> Path:
        """The copy of the lake as it is now, or newer, kept until `user` uses another one or leaves."""
        with self._lock:
            version = self._version()  # before the copy: what is written meanwhile makes another one
            if self._newest is None or self._newest[0] != version:
                self._newest = (version, self._make())
            path = self._newest[1]
            self._leave(user)
            self._users.setdefault(path, set()).add(user)
            self._remove_unused()
            return path

    def leave(self, user: object) -> None:
        """Forget a user."""
        with self._lock:
            self._leave(user)
            self._remove_unused()

    def _make(self) -> Path:
        self._made += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._made}.duckdb"
        path.unlink(missing_ok=True)
        with closing(self._cursor()) as cursor:
            cursor.execute(f"attach {duck.literal(str(path))} as {FROZEN}")
            try:
                cursor.execute(f"copy from database {METADATA} to {FROZEN}")
            finally:
                cursor.execute(f"detach {FROZEN}")
        return path

    def _leave(self, user: object) -> None:
        for users in self._users.values():
            users.discard(user)

    def _remove_unused(self) -> None:
        newest = self._newest[1] if self._newest else None
        for path in [path for path, users in self._users.items() if not users and path != newest]:
            del self._users[path]
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove every copy."""
        shutil.rmtree(self._folder, ignore_errors=True)
