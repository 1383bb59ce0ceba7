"""Ctrl-C in a process that uses a lake itself: it ends what runs, reaches the caller, and leaves the lake whole."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import faults, keyboard
from engine.errors import Internal, LakehouseError
from engine.lake import Lake
from engine.session import Session
from engine.statement import Statement
from lakehouse import Connection, connect
from tests.engine.conftest import assert_idle
from tests.engine.patience import Task, until

LONG = "select count(*) as n from range(1_000_000_000_000) t(a) where hash(a) % 7 = 1"
QUESTIONS = "(select 'word ' || range as q from range(1_000_000))"


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Python's own handler, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module", autouse=True)
def furnished(house: Lake) -> None:
    session = house.session()
    session.run("create table notes as select range as id, 'word ' || range as text from range(3000)")
    session.run(f"create view slow as select id, text from notes where ({LONG}) > 0")
    session.run("select * from create_corpus('notes', 'notes', 'id', 'text')").read_all()
    session.run("create table judged as select text as query, 'notes' as corpus, id, 1.0 as score from notes limit 500")
    session.run("select * from playbook_import('from judged limit 300')").read_all()


@contextmanager
def pressed(when: Callable[[], object], times: int = 1, apart: float = 0.0) -> Iterator[None]:
    """Ctrl-C, and KeyboardInterrupt for it. `when`: comes true while the statement runs."""

    def press() -> None:
        until(when)
        for turn in range(times):
            time.sleep(apart if turn else 0.02)  # the engine has begun
            os.kill(os.getpid(), signal.SIGINT)

    task = Task(press)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        yield
    task.result()
    assert time.monotonic() - started < 15
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def tables(session: Session) -> list[object]:
    return [row["name"] for row in session.run("show all tables").rows()]


@pytest.mark.parametrize(
    "sql",
    [
        LONG,
        f"create table never as {LONG}",
        "select * from range(10_000_000_000) order by hash(range), random()",
        f"select count(*) from {QUESTIONS} t, lateral (from matrix_search(t.q, corpora := ['notes']))",
        "select * from create_corpus('never', 'slow', 'id', 'text')",
        f"select * from playbook_import($$select * from judged where ({LONG}) > 0$$)",
        "select * from playbook_lift(sample := 10000)",
        f"select embed(q) from {QUESTIONS}",
    ],
)
def test_it_reaches_the_caller_and_nothing_is_half_done(guest: Session, house: Lake, sql: str) -> None:
    with pressed(lambda: house.running):
        guest.run(sql).read_all()
    assert_idle(house)
    assert "never" not in tables(guest)
    assert guest.run("select corpus from lake.corpora").rows() == [{"corpus": "notes"}]
    assert guest.run("select count(*)::integer as n from lake.outcomes").rows() == [{"n": 300}]
    guest.run("create or replace table after as select 1 as a")


def test_the_home_can_be_opened_again_afterwards(tmp_path: Path) -> None:
    def opened() -> Connection:
        return connect(tmp_path / "home", models__embedder="hash:256")

    with opened() as lake, pressed(lambda: lake._lake.running):
        lake.sql(f"create table never as {LONG}")
    with opened() as lake:
        assert "never" not in tables(lake._session)


def test_what_was_written_in_a_transaction_is_not_committed(guest: Session, house: Lake) -> None:
    guest.run("create or replace table kept (a bigint)")
    transaction = guest.begin()
    guest.run("insert into kept values (1)", transaction=transaction)
    with pressed(lambda: house.running):
        guest.run("insert into kept select a from range(1_000_000_000_000) t(a)", transaction=transaction)
    with pytest.raises(LakehouseError):
        guest.commit(transaction)
    assert guest.run("from kept").rows() == []


def test_another_one_does_not_wait_for_the_end(monkeypatch: pytest.MonkeyPatch, house: Lake) -> None:
    monkeypatch.setattr(keyboard, "PATIENCE", 0.1)
    statement = Statement("s", house.session(), "", None, lambda: None)
    with pressed(lambda: True, times=2, apart=0.3), keyboard.heeded(statement):
        threading.Event().wait(20)  # it polls nothing


def test_one_that_comes_too_late_to_stop_anything_is_not_lost(house: Lake) -> None:
    statement = Statement("s", house.session(), "", None, lambda: None)
    with pytest.raises(KeyboardInterrupt), keyboard.heeded(statement):
        os.kill(os.getpid(), signal.SIGINT)  # what is at work goes on
    assert statement.broken_off


def test_a_handler_of_the_programs_own_stays(guest: Session, house: Lake) -> None:
    heard = threading.Event()

    def press() -> None:
        until(lambda: house.running)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, lambda *_: heard.set())
    task = Task(press)
    guest.run("select count(*) from range(300_000_000) t(a) where hash(a) % 7 = 1").read_all()
    task.result()
    until(heard.is_set)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    stopping = Task(press)
    with pytest.raises(KeyboardInterrupt):
        guest.run(f"create table never as {LONG}")
    stopping.result()
    assert_idle(house)


def test_what_the_engine_makes_of_it_becomes_it_again() -> None:
    error = RuntimeError("Query interrupted")
    assert isinstance(faults.translate(error), Internal)
    error.__cause__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        faults.translate(error)
    texts = (
        "Invalid Input Error: Python exception occurred while executing the UDF: KeyboardInterrupt: <EMPTY MESSAGE>"
        "\n\nAt:\n  x.py(1): f\n",
        "Invalid Error: KeyboardInterrupt: <EMPTY MESSAGE>",
    )
    for text in texts:
        with pytest.raises(KeyboardInterrupt):
            faults.translate(OSError(text))
        elsewhere = Task(lambda text=text: faults.translate(OSError(text)))  # type: ignore[misc]
        assert isinstance(elsewhere.result(), LakehouseError)  # no other thread gets a signal
