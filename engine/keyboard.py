"""Ctrl-C in a process that uses a lake itself: it stops what runs, and reaches the caller when that has ended.

Python would raise KeyboardInterrupt wherever the main thread is. Within the engine that stops nobody but who waits for
it: its threads go on, and the files stay open. So the signal marks the statement, which the watch of the lake cancels.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from engine.statement import Statement

PATIENCE = 1.0  # seconds in which another Ctrl-C says nothing new


@contextmanager
def heeded(statement: Statement) -> Iterator[None]:
    """Let Ctrl-C stop `statement` while this thread works for it, and raise KeyboardInterrupt when it has ended.

    A later one does not wait for the end. Only the main thread gets signals, and a handler of the program's own stays,
    as that of the statement whose kernel runs this one does.
    """

    def mark(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if 0 < statement.broken_off < now - PATIENCE:
            signal.default_int_handler(number, frame)
        statement.broken_off = statement.broken_off or now  # and nothing else: this thread may hold any lock

    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, mark)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if statement.broken_off:  # it ended before it noticed
        raise KeyboardInterrupt
