"""Stopping what runs: by the caller, by the time limit, by closing; soon, and without touching anything else."""

import gc
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.errors import LakehouseError, TimedOut
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.conftest import assert_idle
from tests.engine.patience import Task, until

SLOW = "select count(*) as n from range(1_000_000_000_000) t(a) where hash(a) % 7 = 1"
ENDLESS = "select * from range(1_000_000_000_000)"


def runs(lake: Lake, name: str) -> bool:
    return any(one.statement_id == name for one in lake.running.values())


def start(session: Session, lake: Lake, sql: str, name: str) -> "Task[list[dict[str, object]]]":
    """Run `sql` in a thread, and wait until the engine has it."""
    task = Task(lambda: session.run(sql, statement_id=name).rows())
    until(lambda: runs(lake, name) or task.done)
    return task


@pytest.mark.parametrize(
    "sql",
    [
        SLOW,
        ENDLESS,
        "select * from range(10_000_000_000) order by hash(range), random()",
        "with recursive r as (select 1 as n union all select n + 1 from r) select max(n) from r",
        "create table never as " + SLOW,
    ],
)
def test_a_running_statement_stops_within_a_second(guest: Session, house: Lake, sql: str) -> None:
    task = start(guest, house, sql, "running")
    assert not task.done
    started = time.monotonic()
    assert guest.cancel("running")
    with pytest.raises(TimedOut, match=r"\[TIMEOUT\] the statement was cancelled; repeat it"):
        task.result()
    assert time.monotonic() - started < 1
    assert_idle(house)


def test_a_cancellation_that_comes_before_the_engine_begins_is_not_lost(guest: Session, house: Lake) -> None:
    for _ in range(8):
        task = Task(lambda: guest.run(SLOW, statement_id="early").rows())
        until(lambda: guest.cancel("early"))
        with pytest.raises(TimedOut):
            task.result()
    assert_idle(house)


def test_only_the_own_statements_are_cancelled(guest: Session, house: Lake) -> None:
    other = house.session()
    task = start(guest, house, SLOW, "mine")
    assert not other.cancel("mine")
    assert not guest.cancel("unknown")
    assert not task.done
    assert house.cancel("mine")
    with pytest.raises(TimedOut):
        task.result()
    assert not guest.cancel("mine")


def test_a_cancellation_does_not_hit_the_next_statement_on_the_cursor(guest: Session, house: Lake) -> None:
    stop = threading.Event()

    def harass() -> None:
        while not stop.is_set():
            for statement in house.statements(guest):
                if statement.sql == "select 1 as x":
                    statement.cancel()

    harassing = Task(harass)
    unhurt = house.session()
    for _ in range(30):
        with suppress(TimedOut):
            guest.run("select 1 as x").read_all()
        assert unhurt.run("select sum(range)::bigint as s from range(1000)").rows() == [{"s": 499500}]
    stop.set()
    harassing.result()


def test_a_stream_can_be_cancelled_between_two_batches(guest: Session) -> None:
    result = guest.run(ENDLESS)
    batches = result.batches()
    next(batches)
    result.cancel()
    with pytest.raises(TimedOut):
        for _ in batches:
            pass


def test_a_result_that_was_closed_gives_everything_back(guest: Session, house: Lake) -> None:
    result = guest.run(ENDLESS)
    assert len(house.executions) == 1
    result.close()
    result.close()
    assert_idle(house)
    with pytest.raises(TimedOut):
        next(result.batches())
    with guest.run(ENDLESS) as another:
        next(another.batches())
    assert_idle(house)


def test_a_result_that_nobody_reads_is_taken_back(guest: Session, house: Lake) -> None:
    results = [guest.run(ENDLESS) for _ in range(5)]
    begun = results[0].batches()
    next(begun)
    running = len(house.executions)
    del begun
    results.clear()
    gc.collect()
    assert running == 5
    until(lambda: not house.executions)
    assert_idle(house)


def test_a_result_can_be_closed_while_another_thread_reads_it(guest: Session, house: Lake) -> None:
    for _ in range(10):
        result = guest.run(ENDLESS)
        read = threading.Event()

        def drain(result: "object" = result, read: threading.Event = read) -> None:
            for _ in result.batches():  # type: ignore[attr-defined]
                read.set()

        task = Task(drain)
        read.wait(10)
        result.close()
        with pytest.raises(TimedOut):
            task.result()
    assert_idle(house)


def test_who_waits_for_the_write_lock_can_be_cancelled(guest: Session, house: Lake) -> None:
    with house.writing("another"):
        task = Task(lambda: guest.run("create table waiting (a integer)", statement_id="waiting"))
        until(lambda: any(one.statement_id == "waiting" for one in house.statements()))
        assert guest.cancel("waiting")
        with pytest.raises(TimedOut):
            task.result()
    assert_idle(house)
    guest.run("create table waiting (a integer)")


def test_closing_a_session_stops_its_statements_only(guest: Session, house: Lake) -> None:
    other = house.session()
    tasks = [start(other, house, SLOW, f"other{n}") for n in range(2)]
    mine = start(guest, house, SLOW, "mine")
    other.close()
    for task in tasks:
        with pytest.raises(TimedOut):
            task.result()
    assert not mine.done
    guest.cancel("mine")
    with pytest.raises(TimedOut):
        mine.result()


def test_an_interrupt_from_the_keyboard_gives_everything_back(guest: Session, house: Lake) -> None:
    for act in ("create table half as select * from range(10)", "select * from range(10)"):
        result = None

        class Stop(BaseException):
            pass

        def stopped(*_: object) -> None:
            raise Stop

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("engine.duck.reader", stopped)
            with pytest.raises(Stop):
                result = guest.run(act)
        assert result is None
        assert_idle(house)


ASKING = [
    "select * from playbook_lift(sample := 10000)",
    "select * from playbook_import('from judged')",
    f"select * from playbook_import($$select * from judged where ({SLOW}) > 0$$)",
    f"select * from create_corpus('never', 'select id, text from notes where ({SLOW}) > 0', 'id', 'text')",
    "select count(*) from (select 'word ' || range as q from range(1_000_000)) t, lateral (from matrix_search(t.q))",
    "select count(*) from (select 'word ' || range as q from range(1_000_000)) t, lateral (from text_search(t.q))",
    "select embed('word ' || range) from range(10_000_000)",
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake with a corpus and judgements."""
    opened = open_lake(tmp_path_factory.mktemp("asked") / "home", settings=FAST)
    session = opened.session()
    session.run("create table notes as select range as id, 'word ' || range as text from range(3000)")
    session.run("create table judged as select text as query, 'notes' as corpus, id, 1.0 as score from notes")
    session.run("select * from create_corpus('notes', 'notes', 'id', 'text')").read_all()
    session.run("select * from playbook_import('from judged limit 300')").read_all()
    yield opened
    opened.close()


@pytest.mark.parametrize("sql", ASKING)
def test_whatever_notices_a_cancellation_it_says_what_to_do_next(asked: Lake, sql: str) -> None:
    session = asked.session()
    task = start(session, asked, sql, "asking")
    assert session.cancel("asking")
    started = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        task.result()
    assert str(caught.value) == "[TIMEOUT] the statement was cancelled; repeat it"
    assert time.monotonic() - started < 5
    assert_idle(asked)
    assert session.run("select corpus from lake.corpora").rows() == [{"corpus": "notes"}]
    assert session.run("select count(*)::integer as n from lake.outcomes").rows() == [{"n": 300}]


@pytest.mark.parametrize("sql", [sql for sql in ASKING if "from judged'" not in sql])
def test_whatever_notices_a_limit_names_it(asked: Lake, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, limits = asked.config.engine, asked.config.limits
    config = asked.config.model_copy(
        update={
            "engine": engine.model_copy(update={"statement_seconds": 0.15}),
            "limits": limits.model_copy(update={"acting_seconds": 0.15}),
        }
    )
    session = asked.session()
    monkeypatch.setattr(asked, "config", config)
    with pytest.raises(TimedOut) as caught:
        session.run(sql).read_all()
    setting = r"(\[engine\] statement_seconds|\[limits\] acting_seconds)"
    told = r"\[TIMEOUT\] the statement took longer than it may; narrow it or raise "
    assert re.fullmatch(told + setting, str(caught.value))


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake in which a statement that reads has half a second."""
    folder: Path = tmp_path_factory.mktemp("hasty")
    opened = open_lake(folder / "home", settings={**FAST, "engine.statement_seconds": 0.5})
    yield opened
    opened.close()


def test_the_time_limit_stops_a_long_query(hasty: Lake) -> None:
    session = hasty.session()
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"took longer than it may; narrow it or raise \[engine\] statement_seconds"):
        session.run(SLOW).rows()
    assert 0.5 <= time.monotonic() - started < 1.5
    assert session.run("select code from lake.errors").rows() == [{"code": "TIMEOUT"}]
    assert_idle_but_reader(hasty)


def test_the_limit_of_what_writes_is_named_too(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", settings={**FAST, "limits.acting_seconds": 0.3})
    with pytest.raises(TimedOut, match=r"took longer than it may; narrow it or raise \[limits\] acting_seconds"):
        lake.session().run(f"create table slow as {SLOW}")
    lake.close()


def test_the_time_limit_stops_a_stream_and_a_statement_in_a_transaction(hasty: Lake) -> None:
    session = hasty.session()
    with pytest.raises(TimedOut, match="took longer"):
        for _ in session.run(ENDLESS).batches():
            pass
    transaction = session.begin()
    with pytest.raises(TimedOut, match="took longer"):
        session.run(SLOW, transaction=transaction)
    with pytest.raises(LakehouseError):
        session.commit(transaction)
    assert_idle_but_reader(hasty)


def test_a_statement_that_writes_has_no_time_limit(hasty: Lake) -> None:
    session = hasty.session()
    waiting = Task(lambda: session.run("create table slow as select 1 as a"))
    with hasty.writing("another"):
        until(lambda: session._lake.statements(session))
        started = time.monotonic()
        until(lambda: time.monotonic() - started > 0.8)
    waiting.result()
    assert session.run("from slow").rows() == [{"a": 1}]


def assert_idle_but_reader(lake: Lake) -> None:
    until(lambda: not lake.executions)
    assert_idle(lake)
