import threading
import time
from collections.abc import Callable

import pytest

from engine.errors import Busy, Invalid, TimedOut
from engine.lake import Lake
from engine.statement import Statement
from engine.turns import Turns, within_a_turn
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST

ENDLESS = "select count(*) from range(100_000_000_000) as a(i), range(1000) as b(j) where hash(i + j) = 1"


def calm() -> None:
    """A check that finds nothing."""


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def hold(turns: Turns, release: threading.Event, order: list[int], number: int) -> threading.Thread:
    def work() -> None:
        with turns.turn(calm, begun=False):
            order.append(number)
            release.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def refused(turns: Turns) -> None:
    with pytest.raises(Busy), turns.turn(calm, begun=False):
        pass


def test_first_come_first_served() -> None:
    turns, release, order = Turns(1, 10, 10), threading.Event(), list[int]()
    threads = [hold(turns, release, order, 0)]
    wait_for(lambda: order == [0])
    for number in range(1, 5):
        threads.append(hold(turns, release, order, number))
        wait_for(lambda number=number: turns.waiting == number)  # type: ignore[misc]
    release.set()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]


def test_a_full_queue_and_a_long_wait_are_busy() -> None:
    turns, release, order = Turns(1, 1, 0.2), threading.Event(), list[int]()
    first = hold(turns, release, order, 0)
    wait_for(lambda: order == [0])
    with pytest.raises(Busy, match=r"no turn came within 0.2 seconds; try again"), turns.turn(calm, begun=False):
        pass
    second = threading.Thread(target=refused, args=(turns,))
    second.start()
    wait_for(lambda: turns.waiting == 1)
    with pytest.raises(Busy, match="1 statements wait for their turn"), turns.turn(calm, begun=False):
        pass
    second.join(10)
    release.set()
    first.join(10)
    with turns.turn(calm, begun=False):
        assert turns.waiting == 0


def test_one_that_waits_can_be_cancelled_and_leaves_its_place() -> None:
    turns, release, order = Turns(1, 5, 10), threading.Event(), list[int]()
    first = hold(turns, release, order, 0)
    wait_for(lambda: order == [0])

    def cancelled() -> None:
        raise TimedOut("the statement was cancelled", "repeat it")

    with pytest.raises(TimedOut), turns.turn(cancelled, begun=True):
        pass
    assert turns.waiting == 0
    release.set()
    first.join(10)


def test_what_runs_for_one_that_has_a_turn_needs_none(lake: Lake) -> None:
    turns, statement = Turns(1, 0, 0.1), Statement("one", lake.session(), "", None, lambda: None)
    with turns.turn(calm, begun=False):
        with within_a_turn(statement), turns.turn(calm, begun=False):
            pass
        with pytest.raises(Busy), turns.turn(calm, begun=False):
            pass


@pytest.fixture
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    settings = {
        **FAST,
        "limits.statements": 1,
        "limits.queue": 1,
        "limits.queue_seconds": 0.5,
        "limits.reader_rows": 100,
    }
    return open_lake(tmp_path_factory.mktemp("narrow") / "home", settings=settings)


def test_statements_wait_for_their_turn(narrow: Lake) -> None:
    session = narrow.session()

    def run_for_long() -> None:
        with pytest.raises(TimedOut):
            session.run(ENDLESS, statement_id="long").rows()

    thread = threading.Thread(target=run_for_long)
    thread.start()
    wait_for(lambda: bool(narrow.running))
    time.sleep(0.1)
    started = time.monotonic()
    with pytest.raises(Busy, match="no turn came"):
        session.run("select 1").rows()
    assert 0.4 < time.monotonic() - started < 3
    urgent = narrow.session()
    urgent.urgent = True
    assert urgent.run("select 1 as x").rows() == [{"x": 1}]
    assert session.cancel("long")
    thread.join(10)
    assert session.run("select 1 as x").rows() == [{"x": 1}]
    narrow.close()


def test_a_slow_reader_keeps_nobody_waiting(narrow: Lake) -> None:
    session = narrow.session()
    results = [session.run("from range(1_000_000)") for _ in range(5)]
    for result in results:
        next(result.batches())
    assert session.run("select 1 as x").rows() == [{"x": 1}]
    for result in results:
        result.close()
    narrow.close()


def test_a_function_that_asks_the_engine_needs_no_turn_of_its_own(narrow: Lake) -> None:
    session = narrow.session()
    session.run("create table notes as select i as id, 'note ' || i as text from range(5) as r(i)")
    made = session.run("select rows from create_corpus('notes', source := 'notes', id := 'id', text := 'text')").rows()
    assert made == [{"rows": 5}]
    narrow.close()


def test_a_result_is_bounded_by_the_role(narrow: Lake) -> None:
    reader = session_of(narrow, "ann", "reader")
    assert len(reader.run("from range(100)").rows()) == 100
    with pytest.raises(Invalid, match=r"more than the 100 rows that the role 'reader' may read at once; aggregate it"):
        reader.run("from range(10_000)").rows()
    assert reader.run("select count(*) as n from range(10_000)").rows() == [{"n": 10_000}]
    assert len(narrow.session().run("from range(10_000)").rows()) == 10_000
    narrow.close()
