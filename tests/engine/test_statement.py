"""A statement while it runs, as others see it, and its result."""

import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.errors import TimedOut
from engine.lake import Lake
from engine.session import Session
from engine.statement import Result, Statement
from tests.engine.patience import Task, until

SLOW = "select count(*) as n from range(1_000_000_000_000) t(a) where hash(a) % 7 = 1"


def statement(guest: Session, interrupts: list[str], deadline: float | None = None) -> Statement:
    return Statement("s1", guest, "select 1", deadline, lambda: interrupts.append("cursor"))


def test_cancelling_reaches_the_cursor_and_those_of_kernels(guest: Session) -> None:
    seen: list[str] = []
    one = statement(guest, seen)
    one.check()
    with one.interrupting(lambda: seen.append("nested")):
        one.cancel()
    assert seen == ["cursor", "nested"]
    with pytest.raises(TimedOut, match="was cancelled"):
        one.check()
    with pytest.raises(TimedOut), one.interrupting(lambda: seen.append("late")):
        raise AssertionError("work that begins after the cancellation must not begin")
    one.cancel()
    assert seen == ["cursor", "nested", "cursor"]


def test_a_statement_that_has_ended_is_left_alone(guest: Session) -> None:
    seen: list[str] = []
    one = statement(guest, seen)
    assert one.end()
    assert not one.end()
    one.cancel()
    assert seen == []
    one.check()


def test_who_was_first_to_stop_it_is_told(guest: Session) -> None:
    late, early = statement(guest, []), statement(guest, [])
    late.cancel(timed_out=True)
    late.cancel()
    early.cancel()
    early.cancel(timed_out=True)
    assert "took longer" in str(late.stopped())
    assert "was cancelled" in str(early.stopped())


def test_how_far_it_is_is_shown(guest: Session) -> None:
    one = statement(guest, [])
    one.progress, one.rows = (3, 10, "documents"), 7
    shown = one.shown(time.time())
    assert (shown["progress"], shown["rows"], shown["status"]) == ("3/10 documents", 7, "running")
    one.cancel()
    assert one.shown(time.time())["status"] == "cancelled"


def test_a_running_statement_is_in_lake_statements(guest: Session, house: Lake) -> None:
    task = Task(lambda: guest.run(SLOW, statement_id="seen").rows())
    until(lambda: any(one.statement_id == "seen" for one in house.running.values()))
    sql = "select status, sql, profile, session_id, milliseconds > 0 as ran, outcome from lake.statements"
    [row] = house.session().run(f"{sql} where statement_id = 'seen'").rows()
    expected = {
        "status": "running",
        "sql": SLOW,
        "profile": "admin",
        "session_id": guest.id,
        "ran": True,
        "outcome": None,
    }
    assert row == expected
    guest.cancel("seen")
    with pytest.raises(TimedOut):
        task.result()
    [row] = house.session().run(f"{sql} where statement_id = 'seen'").rows()
    assert (row["status"], row["outcome"]) == ("done", "TIMEOUT")


def batches(count: int, closed: list[str]) -> Result:
    schema = pa.schema([("a", pa.int64())])
    rows: Iterator[pa.RecordBatch] = (pa.record_batch({"a": [n]}, schema=schema) for n in range(count))
    return Result("s1", schema, rows, close=lambda: closed.append("closed"))


def test_a_result_that_was_read_is_closed(guest: Session) -> None:
    closed: list[str] = []
    assert batches(3, closed).rows() == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert closed == ["closed"]


def test_a_result_closes_once_however_it_ends() -> None:
    closed: list[str] = []
    with batches(3, closed) as result:
        for _ in result.batches():
            break
        result.cancel()
        result.close()
    assert closed == ["closed"]


def test_an_empty_result_has_its_schema() -> None:
    table = batches(0, []).read_all()
    assert (table.num_rows, table.schema.names) == (0, ["a"])


def test_many_threads_ask_for_the_same_end(guest: Session) -> None:
    for _ in range(50):
        one, gate = statement(guest, []), threading.Barrier(4)

        def end(one: Statement = one, gate: threading.Barrier = gate) -> bool:
            gate.wait(10)
            return one.end()

        tasks = [Task(end) for _ in range(4)]
        assert sorted(task.result() for task in tasks) == [False, False, False, True]
