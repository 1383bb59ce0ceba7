"""The write lock of a lake: one writer at a time, known by its statement, with a bound on the wait.

DuckLake's commits are optimistic on one global snapshot; with many writers and no lock they starve each other.
"""

import threading
import time
from collections.abc import Callable

from engine.errors import Busy

LOOK_SECONDS = 0.05  # how soon a writer that waits notices that it was cancelled


class WriteLock:
    """A lock owned by a statement, not by a thread: kernels of that statement run on other threads and enter again."""

    def __init__(self, wait_seconds: float) -> None:
        """`wait_seconds`: how long `acquire` waits before it raises Busy."""
        self._wait = wait_seconds
        self._condition = threading.Condition()
        self._owner: str | None = None
        self._depth = 0

    def acquire(self, owner: str, check: Callable[[], None] = lambda: None) -> None:
        """Wait for the lock, or enter it again. Raises Busy after the wait, and what `check` raises meanwhile."""
        deadline = time.monotonic() + self._wait
        with self._condition:
            while self._owner not in (None, owner):
                if time.monotonic() >= deadline:
                    raise Busy("another statement writes for long", "try again, or raise [engine] lock_seconds")
                self._condition.wait(LOOK_SECONDS)
                check()
            self._owner = owner
            self._depth += 1

    def release(self, owner: str) -> None:
        """Leave the lock once."""
        with self._condition:
            assert self._owner == owner, "the write lock is released by its owner only"
            self._depth -= 1
            if self._depth == 0:
                self._owner = None
                self._condition.notify()
