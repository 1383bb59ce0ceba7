"""Transactions of a session: all or nothing, one statement at a time, and no cursor or lock left behind."""

import itertools
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import Busy, Conflict, LakehouseError, NotFound
from engine.lake import Lake
from engine.session import Session
from tests.engine.patience import Task, until

NAMES = (f"x{number}" for number in itertools.count())
SLOW = "select count(*) as n from range(1_000_000_000_000) t(a) where hash(a) % 7 = 1"


@pytest.fixture
def table(guest: Session) -> str:
    """A new table with the numbers 0 to 9."""
    name = next(NAMES)
    guest.run(f"create table {name} as select range as a from range(10)")
    return name


def count(session: Session, table: str, transaction: str | None = None) -> int:
    [row] = session.run(f"select count(*) as n from {table}", transaction=transaction).rows()
    return int(str(row["n"]))


def test_what_a_transaction_did_is_seen_by_itself_then_by_all(guest: Session, house: Lake, table: str) -> None:
    transaction = guest.begin()
    guest.run(f"insert into {table} values (10)", transaction=transaction)
    guest.run(f"delete from {table} where a < 3", transaction=transaction)
    assert count(guest, table, transaction) == 8
    assert count(guest, table) == count(house.session(), table) == 10
    guest.commit(transaction)
    assert count(guest, table) == 8


def test_what_it_made_can_be_described_within_it(guest: Session) -> None:
    transaction, name = guest.begin(), next(NAMES)
    guest.run(f"create table {name} as select 'x' as b, 1 as a", transaction=transaction)
    for sql in (f"from {name}", f"describe {name}", f"pivot {name} on b using sum(a)"):
        assert guest.describe(sql, transaction=transaction).schema
    guest.rollback(transaction)


def test_a_rollback_leaves_nothing(guest: Session, table: str) -> None:
    transaction = guest.begin()
    guest.run(f"drop table {table}", transaction=transaction)
    guest.run("create table never as select 1 as a", transaction=transaction)
    guest.rollback(transaction)
    assert count(guest, table) == 10
    with pytest.raises(NotFound):
        guest.run("from never")


def test_a_transaction_reads_one_state(guest: Session, house: Lake, table: str) -> None:
    transaction = guest.begin()
    assert count(guest, table, transaction) == 10
    house.session().run(f"insert into {table} values (10)")
    assert count(guest, table, transaction) == 10
    guest.commit(transaction)
    assert count(guest, table) == 11


def test_the_slower_of_two_writers_is_told_and_keeps_nothing(guest: Session, house: Lake, table: str) -> None:
    transaction = guest.begin()
    guest.run(f"update {table} set a = a + 100", transaction=transaction)
    house.session().run(f"update {table} set a = a + 1000")
    with pytest.raises(Conflict):
        guest.commit(transaction)
    [row] = guest.run(f"select min(a)::integer as least from {table}").rows()
    assert row["least"] == 1000
    with pytest.raises(NotFound):
        guest.run("select 1", transaction=transaction)


def test_after_a_failure_only_a_rollback_is_left(guest: Session, table: str) -> None:
    transaction = guest.begin()
    guest.run(f"insert into {table} values (10)", transaction=transaction)
    with pytest.raises(LakehouseError):
        guest.run(f"insert into {table} select error('no')", transaction=transaction)
    with pytest.raises(LakehouseError, match="aborted"):
        guest.run(f"insert into {table} values (11)", transaction=transaction)
    with pytest.raises(Conflict, match="aborted"):
        guest.commit(transaction)
    assert count(guest, table) == 10


@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_a_transaction_ends_once(guest: Session, how: str) -> None:
    transaction = guest.begin()
    getattr(guest, how)(transaction)
    for act in (guest.commit, guest.rollback):
        with pytest.raises(NotFound, match="the transaction is not open"):
            act(transaction)
    with pytest.raises(NotFound):
        guest.run("select 1", transaction=transaction)


def test_a_transaction_belongs_to_its_session(guest: Session, house: Lake) -> None:
    transaction = guest.begin()
    with pytest.raises(NotFound):
        house.session().run("select 1", transaction=transaction)
    guest.rollback(transaction)


def test_use_holds_within_a_transaction_too(guest: Session, table: str) -> None:
    schema = next(NAMES)
    guest.run(f"create schema {schema}")
    guest.run(f"create table {schema}.{table} as select 'there' as a")
    transaction = guest.begin()
    assert count(guest, table, transaction) == 10
    guest.run(f"use {schema}", transaction=transaction)
    assert guest.run(f"from {table}", transaction=transaction).rows() == [{"a": "there"}]
    guest.run(f"insert into {table} values ('more')", transaction=transaction)
    guest.commit(transaction)
    assert guest.run(f"select count(*) as n from {table}").rows() == [{"n": 2}]
    assert guest.run(f"select count(*) as n from main.{table}").rows() == [{"n": 10}]


def test_loads_and_many_rows_are_part_of_it(guest: Session, table: str) -> None:
    transaction = guest.begin()
    rows = pa.table({"a": [20, 21]})
    assert guest.load(rows.to_reader(), table, mode="append", transaction=transaction) == 2
    assert guest.run_many(f"insert into {table} values (?)", rows, transaction=transaction) == 2
    assert count(guest, table, transaction) == 14
    guest.rollback(transaction)
    assert count(guest, table) == 10


def test_a_function_commits_on_its_own_and_its_effect_is_seen(guest: Session, house: Lake) -> None:
    name = next(NAMES)
    guest.run(f"create table {name} as select 1 as id, 'forklift' as body")
    transaction = guest.begin()
    assert guest.run("select count(*) as n from lake.corpora", transaction=transaction).rows()
    guest.run(f"select * from create_corpus('{name}', '{name}', 'id', 'body')", transaction=transaction)
    seen = f"select corpus from lake.corpora where corpus = '{name}'"
    assert guest.run(seen, transaction=transaction).rows() == house.session().run(seen).rows() == [{"corpus": name}]
    guest.rollback(transaction)
    assert guest.run(seen).rows() == [{"corpus": name}]


def test_statements_of_one_transaction_wait_for_each_other(guest: Session, house: Lake, table: str) -> None:
    transaction = guest.begin()
    tasks = [
        Task(lambda n=n: guest.run(f"insert into {table} values ({n})", transaction=transaction).rows_affected)  # type: ignore[misc]
        for n in range(10, 30)
    ]
    assert [task.result() for task in tasks] == [1] * 20
    guest.commit(transaction)
    assert count(guest, table) == 30


def test_a_commit_waits_for_the_statement_that_runs_in_it(guest: Session, house: Lake, table: str) -> None:
    transaction = guest.begin()
    guest.run(f"insert into {table} values (10)", transaction=transaction)
    slow = Task(lambda: guest.run(SLOW, transaction=transaction, statement_id="slow"))
    until(lambda: any(one.statement_id == "slow" for one in house.running.values()))
    commit = Task(lambda: guest.commit(transaction))
    late = Task(lambda: guest.run("select 1", transaction=transaction))
    until(lambda: len(house.statements(guest)) == 3)
    assert not commit.done
    assert guest.cancel("slow")
    with pytest.raises(LakehouseError, match=r"\[TIMEOUT\] the statement was cancelled"):
        slow.result()
    ends = [_code(commit), _code(late)]
    assert "TIMEOUT" not in ends
    with pytest.raises(NotFound):
        guest.run("select 1", transaction=transaction)


def _code(task: Task[Any]) -> str:
    try:
        task.result()
    except LakehouseError as error:
        return error.code
    return "ok"


def test_of_two_commits_one_ends_it(guest: Session, table: str) -> None:
    transaction = guest.begin()
    guest.run(f"insert into {table} values (10)", transaction=transaction)
    ends = sorted(_code(task) for task in [Task(lambda: guest.commit(transaction)) for _ in range(4)])
    assert ends == ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "ok"]
    assert count(guest, table) == 11


def test_a_commit_that_gets_no_lock_keeps_nothing(guest: Session, house: Lake, table: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(house._write_lock, "_wait", 0.05)
    transaction = guest.begin()
    guest.run(f"insert into {table} values (10)", transaction=transaction)
    with house.writing("another"), pytest.raises(Busy):
        guest.commit(transaction)
    assert count(guest, table) == 10
    with pytest.raises(NotFound):
        guest.rollback(transaction)


def test_a_transaction_that_only_reads_needs_no_lock(guest: Session, house: Lake, table: str) -> None:
    transaction = guest.begin()
    assert count(guest, table, transaction) == 10
    with house.writing("another"):
        guest.commit(transaction)


def test_closing_a_session_rolls_back_and_stops_what_runs_in_it(guest: Session, house: Lake, table: str) -> None:
    other = house.session()
    transaction = other.begin()
    other.run(f"insert into {table} values (10)", transaction=transaction)
    slow = Task(lambda: other.run(SLOW, transaction=transaction))
    until(lambda: len(house.statements(other)) == 1)
    waiting = Task(lambda: other.run("select 1", transaction=transaction))
    until(lambda: len(house.statements(other)) == 2)
    other.close()
    for task in (slow, waiting):
        with pytest.raises(LakehouseError, match=r"\[(TIMEOUT|NOT_FOUND)\]"):
            task.result()
    assert count(guest, table) == 10
