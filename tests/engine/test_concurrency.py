"""Sixteen threads at once, over one session and over many: every answer is its own, and nothing is left behind."""

import threading
from collections.abc import Callable

import pytest

from engine.lake import Lake
from engine.session import Session
from tests.asking import session_of
from tests.engine.patience import Task

THREADS = 16
EACH = 15


@pytest.fixture(scope="module", autouse=True)
def furnished(house: Lake) -> None:
    session = house.session()
    session.run("create table numbers as select range as n, 'row ' || range as t from range(5000)")
    session.run("create table log (worker integer, turn integer)")
    session.run("create table documents as select range as id, 'number ' || range as body from range(20)")
    session.run("select * from create_corpus('documents', 'documents', 'id', 'body')")


def side_by_side(work: Callable[[int], None]) -> None:
    """Run `work` in every thread, all from one moment on."""
    gate = threading.Barrier(THREADS)

    def run(worker: int) -> None:
        gate.wait(20)
        work(worker)

    tasks = [Task(lambda worker=worker: run(worker)) for worker in range(THREADS)]  # type: ignore[misc]
    for task in tasks:
        task.result()


def ask(session: Session, worker: int) -> None:
    """Questions whose answers differ with the worker."""
    for turn in range(EACH):
        key = worker * 100 + turn
        assert session.run("select n, t from numbers where n = ?", [key]).rows() == [{"n": key, "t": f"row {key}"}]
        [row] = session.run(f"select sum(n)::bigint as s from numbers where n <= {key}").rows()
        assert row["s"] == key * (key + 1) // 2
        if turn % 5 == 0:
            table = session.run(f"select n from numbers where n % {THREADS} = {worker} order by n").read_all()
            assert table.column("n").to_pylist() == list(range(worker, 5000, THREADS))
            rows = session.run("select id from text_search(?, k := 1)", [f"number {worker}"]).rows()
            assert rows == [{"id": str(worker)}]
            assert session.describe(f"select {key} as x{key}").schema.names == [f"x{key}"]  # type: ignore[union-attr]


def test_one_session(guest: Session) -> None:
    side_by_side(lambda worker: ask(guest, worker))


def test_a_session_each(guest: Session, house: Lake) -> None:
    def work(worker: int) -> None:
        session = session_of(house, f"worker-{worker}")
        ask(session, worker)
        session.close()

    side_by_side(work)


def test_readers_see_whole_transactions_while_others_write(guest: Session, house: Lake) -> None:
    def work(worker: int) -> None:
        session = house.session()
        for turn in range(5):
            if worker < 4:
                transaction = session.begin()
                for _ in range(2):
                    session.run(f"insert into log values ({worker}, {turn})", transaction=transaction)
                if turn == 2:
                    session.rollback(transaction)
                else:
                    session.commit(transaction)
            else:
                rows = session.run("select worker, turn, count(*) as n from log group by all").rows()
                assert {row["n"] for row in rows} <= {2}

    side_by_side(work)
    rows = guest.run("select worker, list(turn order by turn) as turns from log group by worker order by worker").rows()
    assert rows == [{"worker": worker, "turns": [0, 0, 1, 1, 3, 3, 4, 4]} for worker in range(4)]


def test_every_statement_is_in_the_journal_once(guest: Session, house: Lake) -> None:
    def work(worker: int) -> None:
        for turn in range(10):
            guest.run(f"select {worker} as marked, {turn}").rows()

    side_by_side(work)
    [row] = guest.run(
        "select count(*) as n, count(distinct statement_id) as ids from lake.statements where sql like '%as marked%'"
        " and status = 'done'"
    ).rows()
    assert row == {"n": THREADS * 10, "ids": THREADS * 10}
