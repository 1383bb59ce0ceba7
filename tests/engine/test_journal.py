"""Nothing that happened is lost, nothing is told twice, and what must be on disk is on disk."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine import duck
from engine.errors import Busy
from engine.instance import migrate
from engine.journal import Journal
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from sql import scripts
from tests.asking import session_of
from tests.conftest import FAST

TABLE = "select entry, epoch(ts), kind, subject, actor, statement_id, body from control.journal order by entry"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[duck.Cursor]:
    """A control plane alone."""
    connection = duckdb.connect()
    connection.execute(f"attach '{tmp_path / 'lake.duckdb'}' as control")
    migrate(connection, scripts("schema"))
    yield connection
    connection.close()


def journal(root: duck.Cursor, **changes: Any) -> Journal:
    return Journal(root.cursor, **{"flush_seconds": 60.0, "buffer": 100, **changes})


def written(root: duck.Cursor) -> list[tuple[Any, ...]]:
    return root.cursor().execute(TABLE).fetchall()


def until(condition: Callable[[], object]) -> None:
    """Wait for what a background thread does; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_entry_is_seen_at_once_and_written_soon(root: duck.Cursor) -> None:
    quick = journal(root, flush_seconds=0.02)
    number = quick.record("note", "s", {"a": 1}, actor="x", statement_id="y")
    assert [entry.entry for entry in quick.in_memory()] == [number]
    until(lambda: written(root))
    assert written(root)[0][2:] == ("note", "s", "x", "y", '{"a": 1}')
    quick.close()


def test_a_durable_entry_is_on_disk_when_it_returns_with_all_before_it(root: duck.Cursor) -> None:
    slow = journal(root)
    slow.record("note", "first")
    assert written(root) == []
    slow.record("note", "second", durable=True)
    assert [row[3] for row in written(root)] == ["first", "second"]
    slow.close()


def test_closing_writes_the_rest(root: duck.Cursor) -> None:
    slow = journal(root)
    slow.record("note", "late")
    slow.close()
    assert [row[3] for row in written(root)] == ["late"]


def test_numbers_grow_although_the_clock_stands_or_goes_back(root: duck.Cursor) -> None:
    clock = iter([100.0, 100.0, 50.0])
    first = journal(root, clock=lambda: next(clock))
    numbers = [first.record("note") for _ in range(3)]
    first.close()
    second = journal(root, clock=lambda: 1.0)
    numbers.append(second.record("note", durable=True))
    second.close()
    assert numbers == sorted(set(numbers))
    assert [row[0] for row in written(root)] == numbers
    assert [row[1] for row in written(root)] == [100.0, 100.0, 50.0, 1.0]


def test_a_full_buffer_is_written_by_who_fills_it(root: duck.Cursor) -> None:
    small = journal(root, buffer=5)
    for number in range(5):
        small.record("note", str(number))
    assert len(written(root)) == 5
    small.close()


def test_a_disk_that_fails_loses_nothing_and_is_tried_again(root: duck.Cursor) -> None:
    broken = threading.Event()

    def cursor() -> duck.Cursor:
        if broken.is_set():
            raise duckdb.IOException("IO Error: No space left on device")
        return root.cursor()

    failing = Journal(cursor, flush_seconds=0.01, buffer=5)
    broken.set()
    for number in range(4):
        failing.record("note", str(number))
    with pytest.raises(duckdb.IOException):
        failing.record("note", "4", durable=True)
    for number in range(5, 10):
        with pytest.raises(duckdb.IOException):
            failing.record("note", str(number))
    with pytest.raises(Busy, match="cannot be written as fast"):
        failing.record("note", "too much")
    assert [entry.subject for entry in failing.in_memory()] == [str(number) for number in range(10)]
    broken.clear()
    until(lambda: len(written(root)) == 10)
    assert [row[3] for row in written(root)] == [str(number) for number in range(10)]
    failing.close()


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"a": float("nan"), "b": [float("inf"), -float("inf")]}, {"a": None, "b": [None, None]}),
        ({"a": "NaN and Infinity"}, {"a": "NaN and Infinity"}),
        ({"a": "half \ud800 pair"}, {"a": "half ? pair"}),
        ({"a": Path("x")}, {"a": "x"}),
        ({"a": 'quote " and \\ and \n'}, {"a": 'quote " and \\ and \n'}),
        (None, {}),
    ],
)
def test_any_body_is_json_that_the_engine_reads(root: duck.Cursor, body: dict[str, Any] | None, kept: object) -> None:
    odd = journal(root)
    odd.record("note", "sub\ud800ject", body, actor="\udfff", durable=True)
    [row] = root.cursor().execute("select body::json::varchar, subject, actor from control.journal").fetchall()
    assert json.loads(row[0]) == kept
    assert row[1:] == ("sub?ject", "?")
    odd.close()


def test_an_entry_within_a_transaction_is_kept_with_it_or_not_at_all(root: duck.Cursor) -> None:
    kept = journal(root)
    for how in ("rollback", "commit"):
        cursor = root.cursor()
        cursor.execute("begin")
        kept.record_within(cursor, "note", how, {}, None)
        cursor.execute(how)
    assert [row[3] for row in written(root)] == ["commit"]
    kept.close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake whose journal is written all the time."""
    settings = {**FAST, "journal.flush_seconds": 0.001, "journal.buffer": 50}
    opened = open_lake(tmp_path_factory.mktemp("busy") / "home", settings=settings)
    yield opened
    opened.close()


def test_readers_miss_nothing_and_see_nothing_twice_while_it_is_written(busy: Lake) -> None:
    writers, each = 4, 300
    recorded = [0] * writers
    done = threading.Event()
    wrong: list[str] = []

    def write(writer: int) -> None:
        for number in range(1, each + 1):
            busy.journal.record("stress", str(writer), {"number": number}, durable=number % 50 == 0)
            recorded[writer] = number

    def read(session: Session) -> None:
        sql = "select subject, (body ->> 'number')::integer as number from lake.journal where kind = 'stress'"
        while not (done.is_set() or wrong):
            least = list(recorded)
            numbers: dict[str, list[int]] = {str(writer): [] for writer in range(writers)}
            for row in session.run(sql).read_all().to_pylist():
                numbers[row["subject"]].append(row["number"])
            for writer, seen in numbers.items():
                if sorted(seen) != list(range(1, len(seen) + 1)) or len(seen) < least[int(writer)]:
                    wrong.append(f"{writer}: {len(seen)} of at least {least[int(writer)]}, {len(set(seen))} different")

    readers = [threading.Thread(target=read, args=(busy.session(),)) for _ in range(3)]
    writing = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in [*readers, *writing]:
        thread.start()
    for thread in writing:
        thread.join(60)
    done.set()
    for thread in readers:
        thread.join(60)
    assert wrong == []
    assert recorded == [each] * writers
    [row] = busy.session().run("select count(*) as n from lake.journal where kind = 'stress'").rows()
    assert row["n"] == writers * each


def test_the_views_read_what_was_recorded(busy: Lake) -> None:
    session = session_of(busy, "ann")
    with pytest.raises(Exception, match="nothing_like_this"):
        session.run("select * from nothing_like_this")
    [row] = session.run("select code, message, sql, actor from lake.errors where sql like '%like_this%' limit 1").rows()
    assert row["code"] == "NOT_FOUND"
    assert str(row["message"]).startswith("Table with name nothing_like_this")
    assert (row["sql"], row["actor"]) == ("select * from nothing_like_this", "ann")


def test_a_statement_with_half_a_pair_does_not_stop_the_journal(busy: Lake) -> None:
    session = busy.session()
    with pytest.raises(Exception, match="surrogate"):
        session.run("select '\ud83d'")
    busy.journal.record("note", "after", durable=True)
    subjects = [row["subject"] for row in session.run("select subject from lake.journal where kind = 'note'").rows()]
    assert subjects == ["after"]
    assert session.run("select count(*) as n from lake.errors where message like '%surrogate%'").rows() == [{"n": 1}]
