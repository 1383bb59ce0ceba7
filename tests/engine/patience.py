"""Waiting for other threads: for a condition, never for a time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
SECONDS = 20.0


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; fails after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.002)


class Task(Generic[T]):
    """A call in a thread of its own, with what it returns or raises."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer = self._call()
        except BaseException as error:
            self._error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> T:
        """Wait for the end; returns what the call returned and raises what it raised."""
        self._thread.join(SECONDS)
        assert self.done, "it never ended"
        if self._error is not None:
            raise self._error
        return self._answer
