"""The calls that are being answered, and the one thread that notices when a client has gone away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from engine.session import Session
from flight.caller import Cancel

POLL_SECONDS = 0.05
SWEEP_SECONDS = 5.0


class Context(Protocol):
    """What the transport knows of a call while it lasts."""

    def is_cancelled(self) -> bool:
        """Whether the client has cancelled, hung up or passed its deadline."""


@dataclass(eq=False)
class _Watched:
    context: Context
    session: Session
    cancel: Cancel


class Watch:
    """Polls the calls that run statements, and has old things swept away now and then."""

    def __init__(self, sweep: Callable[[], None]) -> None:
        """`sweep` is called every few seconds from the thread that `start` starts."""
        self._sweep = sweep
        self._watched: set[_Watched] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="flight-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @contextmanager
    def call(self, context: Context, session: Session, cancel: Cancel) -> Iterator[None]:
        """Call `cancel` again and again once the client of `context` has gone, until the block ends."""
        watched = _Watched(context, session, cancel)
        with self._lock:
            self._watched.add(watched)
        self._wake.set()
        try:
            yield
        finally:
            # Under the lock: `context` is not valid after the call, and a later cancel could hit another statement.
            with self._lock:
                self._watched.discard(watched)

    def sessions(self) -> set[Session]:
        """The sessions with a statement that a call waits for."""
        with self._lock:
            return {watched.session for watched in self._watched}

    def cancel_all(self) -> None:
        """Cancel everything that runs."""
        with self._lock:
            for watched in self._watched:
                watched.cancel()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        swept = time.monotonic()
        while not self._closing.is_set():
            self._wake.wait(SWEEP_SECONDS)
            self._wake.clear()
            if not self._closing.wait(POLL_SECONDS) and self._poll():
                self._wake.set()
            if time.monotonic() - swept >= SWEEP_SECONDS:
                swept = time.monotonic()
                self._sweep()

    def _poll(self) -> bool:
        with self._lock:
            for watched in self._watched:
                if watched.context.is_cancelled():
                    watched.cancel()
            return bool(self._watched)
