"""Whose turn it is: so many statements work at once, the others wait in the order in which they came.

A statement has its turn while the engine works for it, not while its client reads: a slow reader keeps nobody waiting.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.errors import Busy
from engine.statement import Statement

LOOK_SECONDS = 0.05  # how soon one that waits notices that it was cancelled

_thread = threading.local()  # `_thread.caller`: the statement that a kernel in this thread works for; it has its turn


class Turns:
    """A bounded number of turns, given first come, first served."""

    def __init__(self, turns: int, queue: int, seconds: float) -> None:
        """`turns` at once; at most `queue` wait, each for `seconds`."""
        self._free, self._queue, self._seconds = turns, queue, seconds
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, check: Callable[[], None], *, begun: bool) -> Iterator[None]:
        """Hold a turn. `check` is called while it waits, and may raise. Raises Busy for a full queue or a long wait.

        `begun`: the statement has had a turn before; it waits for the next one as long as it takes.
        """
        if caller() is not None:
            yield
            return
        self._take(check, begun)
        try:
            yield
        finally:
            self._give()

    def _take(self, check: Callable[[], None], begun: bool) -> None:
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            if not begun and len(self._waiting) >= self._queue:
                raise Busy(f"{self._queue} statements wait for their turn", "try again in a moment")
            mine = threading.Event()
            self._waiting.append(mine)
        try:
            self._wait(mine, check, None if begun else time.monotonic() + self._seconds)
        except BaseException:
            self._leave(mine)
            raise

    def _wait(self, mine: threading.Event, check: Callable[[], None], until: float | None) -> None:
        while not mine.wait(LOOK_SECONDS):
            check()
            if until is not None and time.monotonic() > until:
                raise Busy(f"no turn came within {self._seconds:g} seconds", "try again in a moment")

    def _leave(self, mine: threading.Event) -> None:
        with self._lock:
            if not mine.is_set():
                self._waiting.remove(mine)
                return
        self._give()  # the turn came at the same moment

    def _give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)


def caller() -> Statement | None:
    """The statement that a kernel in this thread works for; None outside of kernels."""
    found: Statement | None = getattr(_thread, "caller", None)
    return found


@contextmanager
def within_a_turn(statement: Statement) -> Iterator[None]:
    """Let the statements that this thread runs meanwhile be part of the one that it works for: they end with it."""
    before = caller()
    _thread.caller = statement
    try:
        yield
    finally:
        _thread.caller = before
