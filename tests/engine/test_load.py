"""Many rows at once: one statement for each, or a bulk load; all of them or none."""

import decimal
import itertools
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import Conflict, Forbidden, Invalid, LakehouseError, NotFound, TimedOut
from engine.lake import Lake
from engine.session import Session
from tests.engine.patience import Task, until

NAMES = (f"t{number}" for number in itertools.count())


@pytest.fixture
def table(guest: Session) -> str:
    """A new table of (a integer, b varchar)."""
    name = next(NAMES)
    guest.run(f"create table {name} (a integer, b varchar)")
    return name


def values(session: Session, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in session.run(sql, params).rows()]


def test_one_statement_for_many_rows(guest: Session, table: str) -> None:
    rows = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    assert guest.run_many(f"insert into {table} values (?, ?)", rows) == 3
    assert guest.run_many(f"delete from {table} where a = $n", pa.table({"n": [1, 7, 3]})) == 2
    assert guest.run_many(f"insert into {table} values ($x, $y)", pa.table({"x": [9], "y": ["q"]})) == 1
    assert guest.run_many(f"insert into {table} values (?, ?)", rows.slice(0, 0)) == 0
    assert values(guest, f"select * from {table} order by a") == [(2, None), (9, "q")]


def test_many_rows_are_written_all_or_none(guest: Session, table: str) -> None:
    with pytest.raises(Invalid):
        guest.run_many(f"insert into {table} values (?::integer, '')", pa.table({"a": ["1", "2", "three"]}))
    assert values(guest, f"select count(*) from {table}") == [(0,)]


def test_a_cancellation_between_two_rows_keeps_none(guest: Session, house: Lake, table: str) -> None:
    rows = pa.table({"a": list(range(20_000))})
    task = Task(lambda: guest.run_many(f"insert into {table} (a) values (?)", rows, statement_id="many"))
    until(lambda: any(one.statement_id == "many" for one in house.running.values()))
    assert guest.cancel("many")
    with pytest.raises(TimedOut):
        task.result()
    assert values(guest, f"select count(*) from {table}") == [(0,)]


@pytest.mark.parametrize(
    "sql", ["select ?", "use other", "create table many (a integer)", "explain select ?", "show tables"]
)
def test_only_changes_of_data_run_for_many_rows(guest: Session, sql: str) -> None:
    with pytest.raises(Invalid, match="only a statement without rows"):
        guest.run_many(sql, pa.table({"a": [1]}))
    assert guest.place == ("primary", "main")


def test_bulk_loads_in_every_mode(guest: Session) -> None:
    name = next(NAMES)

    def load(mode: Any, **columns: list[Any]) -> int:
        return guest.load(pa.table(columns).to_reader(), name, mode=mode)

    with pytest.raises(NotFound):
        load("append", a=[1])
    assert load("create", a=[1, 2], b=["x", "y"]) == 2
    with pytest.raises(Conflict):
        load("create", a=[1])
    assert load("append", b=["z"], a=[3]) == 1  # by name
    assert load("create_append", a=[4]) == 1
    assert values(guest, f"select * from {name} order by a") == [(1, "x"), (2, "y"), (3, "z"), (4, None)]
    with pytest.raises(Invalid):
        load("append", a=[5], c=[1])
    assert load("replace", c=[1.5]) == 1
    assert values(guest, f"from {name}") == [(1.5,)]


def test_the_case_of_a_table_does_not_matter_to_a_load(guest: Session) -> None:
    name = next(NAMES)
    rows = pa.table({"a": [1]})
    assert guest.load(rows.to_reader(), name, mode="create") == 1
    with pytest.raises(Conflict):
        guest.load(rows.to_reader(), name.upper(), mode="create")
    assert guest.load(rows.to_reader(), name.upper(), mode="append", schema="MAIN") == 1
    assert guest.load(rows.to_reader(), name.upper(), mode="replace") == 1
    assert values(guest, f"select count(*) from {name}") == [(1,)]


def test_a_load_does_not_read_a_table_that_has_the_name_of_its_stream(guest: Session) -> None:
    guest.run("create or replace table lakehouse_stream as select 'wrong' as a")
    assert guest.load(pa.table({"a": ["right"]}).to_reader(), "loaded", mode="replace") == 1
    assert values(guest, "from loaded") == [("right",)]
    guest.run("drop table lakehouse_stream")


def test_a_load_that_breaks_off_leaves_nothing(guest: Session, house: Lake) -> None:
    schema = pa.schema([("a", pa.int64())])

    def broken() -> Any:
        yield pa.record_batch({"a": [1, 2]}, schema=schema)
        raise RuntimeError("the client went away")

    with pytest.raises(LakehouseError):
        guest.load(pa.RecordBatchReader.from_batches(schema, broken()), "half", mode="create")
    with pytest.raises(NotFound):
        guest.run("from half")
    assert guest.run("create table half as select 1 as a").rows_affected == 1  # the write lock is free again
    guest.run("drop table half")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"catalog": "control"}, NotFound), ({"catalog": "lake"}, Forbidden), ({"catalog": "fn"}, Forbidden),
        ({"schema": "lakehouse"}, Forbidden), ({"catalog": "system"}, Forbidden), ({"catalog": "temp"}, Forbidden),
        ({"schema": "nowhere"}, NotFound), ({"catalog": "nowhere"}, NotFound),
        ({"temporary": True, "schema": "main"}, Invalid),
    ],
)  # fmt: skip
def test_places_that_are_not_loaded_into(guest: Session, arguments: dict[str, Any], kind: type[LakehouseError]) -> None:
    with pytest.raises(kind):
        guest.load(pa.table({"a": [1]}).to_reader(), "x", mode="create", **arguments)


@pytest.mark.parametrize(
    "rows",
    [
        pa.table([pa.array([1]), pa.array([2])], names=["a", "A"]),
        pa.table({"a": pa.array([decimal.Decimal("100")], pa.decimal128(3, -2))}),
    ],
    ids=["columns that differ in case", "decimal of negative scale"],
)
def test_schemas_that_are_not_loaded(guest: Session, rows: pa.Table) -> None:
    with pytest.raises(Invalid):
        guest.load(rows.to_reader(), "x", mode="create")


def test_times_of_nanoseconds_do_not_end_the_engine(session: Session) -> None:
    """The engine's Parquet writer does not know TIME_NS and takes everything down with it."""
    times = pa.table({"moment": pa.array([1_000] * 20, pa.time64("ns")), "n": range(20)})
    assert session.load(times.to_reader(), "times", mode="create") == 20
    assert session.run("select distinct typeof(moment) as kind from times").rows() == [{"kind": "TIME"}]
    nested = pa.table({"moment": pa.array([[1_000]] * 20, pa.list_(pa.time64("ns")))})
    with pytest.raises(Invalid, match="nests times of nanoseconds"):
        session.load(nested.to_reader(), "nested", mode="create")
    with pytest.raises(Invalid, match="cannot keep the type TIME_NS"):
        session.run("create table direct as select '10:00:00'::time_ns as moment from range(20)")
    assert session.run("select 1 as one").rows() == [{"one": 1}]
