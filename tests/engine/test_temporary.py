"""Temporary tables: seen by their session in any statement, by no other, and gone with it."""

import datetime
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import Busy, Conflict, Invalid, LakehouseError, NotFound
from engine.lake import Lake
from engine.load import LoadMode
from engine.session import Session
from lakehouse import open_lake

TWO = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", "y"]})


def load(session: Session, table: pa.Table, mode: LoadMode = "create", transaction: str | None = None) -> int:
    return session.load(table.to_reader(), "tmp", mode=mode, temporary=True, transaction=transaction)


def count(session: Session, transaction: str | None = None) -> object:
    return session.run("select count(*) as n from tmp", transaction=transaction).rows()[0]["n"]


def test_every_statement_of_the_session_sees_it(lake: Lake, session: Session) -> None:
    assert load(session, TWO) == 2
    for _ in range(3):
        assert session.run("select b from TMP where a > 1").rows() == [{"b": "y"}]
    streams = [session.run("select * from tmp") for _ in range(5)]
    assert [stream.read_all() for stream in streams] == [TWO] * 5
    assert session.describe("from tmp").schema == TWO.schema
    session.run("create table kept as from tmp")
    session.run("insert into kept select a + (select count(*) from tmp), b from tmp")
    assert session.run("select count(*) as n from kept").rows() == [{"n": 4}]


def test_no_other_session_sees_it(lake: Lake, session: Session) -> None:
    other = lake.session()
    load(session, TWO)
    session.run("from tmp").read_all()
    for _ in range(20):  # whatever cursor of the pool it gets
        with pytest.raises(NotFound):
            other.run("from tmp")
    assert load(other, TWO.slice(1)) == 1
    assert (count(session), count(other)) == (2, 1)


def test_it_goes_with_its_session(lake: Lake, session: Session) -> None:
    load(session, TWO)
    session.close()
    assert session.temporary.bytes == 0


def test_the_modes(session: Session) -> None:
    with pytest.raises(NotFound, match="temporary table 'tmp' does not exist"):
        load(session, TWO, "append")
    assert load(session, TWO, "create_append") == 2
    with pytest.raises(Conflict, match="exists already"):
        load(session, TWO, "create")
    assert load(session, pa.table({"B": ["z"], "A": pa.array([3], pa.int16())}), "append") == 1
    assert session.run("from tmp").read_all().to_pylist()[2] == {"a": 3, "b": "z"}
    assert load(session, pa.table({"a": [9]}), "create_append") == 1
    assert session.run("select b from tmp where a = 9").rows() == [{"b": None}]
    with pytest.raises(Invalid, match="no column 'c'"):
        load(session, pa.table({"c": [9]}), "append")
    with pytest.raises(Invalid, match="does not fit"):
        load(session, pa.table({"a": ["nine"]}), "append")
    assert count(session) == 4
    assert load(session, pa.table({"c": [9]}), "replace") == 1
    assert session.run("from tmp").rows() == [{"c": 9}]


def test_a_transaction_keeps_its_changes_to_itself_until_it_commits(session: Session) -> None:
    load(session, TWO)
    transaction = session.begin()
    load(session, TWO, "append", transaction)
    assert (count(session, transaction), count(session)) == (4, 2)
    session.rollback(transaction)
    assert count(session) == 2
    transaction = session.begin()
    load(session, TWO, "append", transaction)
    session.run("create table kept as from tmp", transaction=transaction)
    session.commit(transaction)
    assert count(session) == 4
    assert session.run("select count(*) as n from kept").rows() == [{"n": 4}]


def test_a_transaction_that_goes_on_with_a_new_snapshot_keeps_it(session: Session) -> None:
    transaction = session.begin()
    load(session, TWO, "create", transaction)
    session.run("create table docs as select 1 as id, 'text' as body")
    session.run(
        "select * from create_corpus('c', source := 'docs', id := 'id', text := 'body')", transaction=transaction
    )
    assert count(session, transaction) == 2
    session.rollback(transaction)


def test_dropping_it(session: Session) -> None:
    load(session, TWO)
    transaction = session.begin()
    session.run("drop view tmp", transaction=transaction)
    with pytest.raises(NotFound):
        session.run("from tmp", transaction=transaction)
    session.rollback(transaction)
    assert count(session) == 2
    session.run("drop view if exists tmp")
    with pytest.raises(NotFound):
        session.run("from tmp")
    assert session.temporary.bytes == 0
    assert load(session, TWO) == 2


def test_it_stands_before_a_table_of_the_same_name(session: Session) -> None:
    session.run("create table tmp (z integer)")
    assert load(session, TWO) == 2
    assert session.run("from tmp").read_all().num_columns == 2
    assert session.run('from "primary".main.tmp').read_all().num_columns == 1


def test_names_are_quoted(session: Session) -> None:
    name = 'Odd "näme"; --'
    session.load(TWO.to_reader(), name, mode="create", temporary=True)
    assert session.run('select a from "odd ""näme""; --"').read_all().num_rows == 2


def test_its_place_cannot_be_chosen(session: Session) -> None:
    with pytest.raises(Invalid, match="no catalog and no schema"):
        session.load(TWO.to_reader(), "tmp", mode="create", temporary=True, schema="main")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Session]:
    lake = open_lake(tmp_path / "small", settings={"models.embedder": "hash:64", "engine.temporary_bytes": 4_000_000})
    yield lake.session()
    lake.close()


def test_bytes_are_bounded(small: Session) -> None:
    three = pa.table({"a": pa.array(range(3_000_000 // 8), pa.int64())})
    assert load(small, three) == len(three)
    modes: list[LoadMode] = ["append", "replace"]
    for mode in modes:
        with pytest.raises(Busy, match="at most 4000000 bytes"):
            load(small, three, mode)
    assert small.run("select sum(a) as s from tmp").rows() == [{"s": sum(range(3_000_000 // 8))}]
    small.run("drop view tmp")
    assert load(small, three) == len(three)


def test_types_come_back(session: Session) -> None:
    sent = pa.table(
        {
            "t": pa.array([1_500, None], pa.time64("ns")),
            "d": pa.array([1, None], pa.decimal128(30, 2)),
            "e": pa.array(["u", None]).dictionary_encode(),
            "l": pa.array([[{"x": 1}], None], pa.list_(pa.struct([("x", pa.int32())]))),
            "v": pa.array(["a long enough string view", None], pa.string_view()),
            "z": pa.array([0, None], pa.timestamp("ns", "UTC")),
        }
    )
    load(session, sent)
    found = session.run("from tmp").read_all().to_pylist()
    assert found[0]["t"] == datetime.time(0, 0, 0, 1)
    assert (found[0]["d"], found[0]["e"], found[0]["l"]) == (sent["d"][0].as_py(), "u", [{"x": 1}])
    assert found[1] == dict.fromkeys(sent.column_names)
    session.run("create table kept as select * from tmp")


@pytest.mark.parametrize(
    "column",
    [pa.array([100], pa.decimal128(5, -2)), pa.array([[1]], pa.list_(pa.time64("ns"))), pa.array([1.0], pa.float16())],
)
def test_an_unusable_type_is_refused_and_harms_nothing(session: Session, column: pa.Array) -> None:
    with pytest.raises(Invalid):
        load(session, pa.table({"a": column}))
    with pytest.raises(NotFound):
        count(session)


def test_large_tables_lie_in_a_file_and_are_right(session: Session) -> None:
    names = pa.array([f"name {n}" for n in range(200_000)])
    large = pa.table(
        {"a": pa.array(range(200_000)), "b": names, "d": pa.array(range(200_000)).cast(pa.decimal128(38, 3))}
    )
    before = pa.total_allocated_bytes()
    reader = pa.RecordBatchReader.from_batches(large.schema, iter(large.to_batches(5000)))
    session.load(reader, "tmp", mode="create", temporary=True)
    assert pa.total_allocated_bytes() - before < 4_000_000
    assert session.run("from tmp").read_all() == large
    answer = session.run("select count(*) as n, sum(x.d) as s from tmp x join tmp y using (a, b)").rows()[0]
    assert answer == {"n": 200_000, "s": sum(range(200_000))}


def test_a_source_that_fails_keeps_nothing(session: Session) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield TWO.to_batches()[0]
        raise NotFound("the source ended", "repeat it")

    with pytest.raises(LakehouseError):
        session.load(pa.RecordBatchReader.from_batches(TWO.schema, batches()), "tmp", mode="create", temporary=True)
    with pytest.raises(NotFound):
        count(session)


def test_side_by_side(lake: Lake, session: Session) -> None:
    load(session, TWO)
    wrong: list[object] = []

    def work(other: Session, expected: int) -> None:
        for _ in range(40):
            try:
                found = count(other)
                if found != expected:
                    wrong.append(found)
            except LakehouseError as error:
                wrong.append(error)

    third = lake.session()
    load(third, TWO.slice(1))
    jobs: list[Callable[[], None]] = [lambda: work(session, 2), lambda: work(session, 2), lambda: work(third, 1)]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
