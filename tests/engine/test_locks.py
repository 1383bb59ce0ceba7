import threading
import time
from collections.abc import Callable

import pytest

from engine.errors import Busy, TimedOut
from engine.locks import WriteLock


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_one_owner_at_a_time() -> None:
    lock, inside, most = WriteLock(30), [0], [0]

    def work(owner: str) -> None:
        for _ in range(50):
            lock.acquire(owner)
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1
            lock.release(owner)

    threads = [in_thread(lambda name=f"s{number}": work(name)) for number in range(8)]  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert most == [1]


def test_an_owner_enters_again_from_any_thread() -> None:
    lock = WriteLock(0.01)
    lock.acquire("a")
    thread = in_thread(lambda: lock.acquire("a"))
    thread.join(5)
    lock.release("a")
    with pytest.raises(Busy):
        lock.acquire("b")
    lock.release("a")
    lock.acquire("b")


def test_the_wait_is_bounded_and_the_error_says_what_to_do() -> None:
    lock = WriteLock(0.1)
    lock.acquire("a")
    started = time.monotonic()
    with pytest.raises(Busy, match=r"\[BUSY\] another statement writes for long; .*lock_seconds"):
        lock.acquire("b")
    assert time.monotonic() - started >= 0.1
    lock.release("a")
    lock.acquire("b")


def test_who_waits_can_be_stopped() -> None:
    lock, stop, seen = WriteLock(60), threading.Event(), []

    def check() -> None:
        if stop.is_set():
            raise TimedOut

    def work() -> None:
        try:
            lock.acquire("b", check)
        except TimedOut:
            seen.append("stopped")

    lock.acquire("a")
    thread = in_thread(work)
    stop.set()
    thread.join(5)
    assert seen == ["stopped"]
    lock.release("a")
    lock.acquire("c")


def test_only_the_owner_releases() -> None:
    lock = WriteLock(1)
    lock.acquire("a")
    with pytest.raises(AssertionError):
        lock.release("b")
