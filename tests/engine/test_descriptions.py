"""What a statement would answer is remembered, and never longer than it is true."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.descriptions import KEPT
from engine.errors import Conflict
from engine.lake import Lake
from engine.session import Session
from flight.caller import Caller
from flight.service import Service
from tests.flight.commands import rows


@pytest.fixture(scope="module", autouse=True)
def furnished(house: Lake) -> None:
    house.session().run("create table people (id bigint, name varchar)")


@pytest.fixture
def other(house: Lake) -> Iterator[Session]:
    """A second session of the same lake."""
    session = house.session()
    yield session
    session.close()


def columns(session: Session, sql: str) -> dict[str, str]:
    schema = session.describe(sql).schema
    assert schema is not None
    return {field.name: str(field.type) for field in schema}


def described(house: Lake) -> int:
    house.journal.flush()
    row = (
        house.session()
        .run("select count(*) as n from lake.statements where sql like 'select id, name from people%'")
        .rows()[0]
    )
    return int(str(row["n"]))


def test_the_engine_is_asked_once(house: Lake, guest: Session) -> None:
    sql = "select id, name from people where id = 7"
    first = guest.describe(sql)
    before = described(house)
    assert guest.describe(sql) == first
    assert described(house) == before


def test_another_session_changes_the_table(guest: Session, other: Session) -> None:
    guest.run("create table changing (a integer)")
    assert columns(guest, "from changing") == {"a": "int32"}
    other.run("alter table changing add column b varchar")
    assert columns(guest, "from changing") == {"a": "int32", "b": "string"}
    other.run("drop table changing")
    other.run("create view changing as select 1.5::double as c")
    assert columns(guest, "from changing") == {"c": "double"}


def test_a_macro_is_replaced(guest: Session, other: Session) -> None:
    guest.run("create macro twice(a) as a + a")
    assert columns(guest, "select twice(1) as x") == {"x": "int32"}
    other.run("create or replace macro twice(a) as concat(a, a)")
    assert columns(guest, "select twice(1) as x") == {"x": "string"}


def test_a_commit_counts_and_what_is_not_committed_stays_inside(guest: Session, other: Session) -> None:
    guest.run("create table later (a integer)")
    assert columns(guest, "from later") == {"a": "int32"}
    transaction = other.begin()
    other.run("alter table later add column b varchar", transaction=transaction)
    inside = other.describe("from later", transaction=transaction).schema
    assert inside is not None
    assert inside.names == ["a", "b"]
    assert columns(guest, "from later") == {"a": "int32"}
    other.commit(transaction)
    assert columns(guest, "from later") == {"a": "int32", "b": "string"}


def test_the_place_and_temporary_tables_of_a_session_count(guest: Session, other: Session) -> None:
    guest.run("create schema elsewhere")
    guest.run("create table elsewhere.people as select true as there")
    assert columns(guest, "from people") == {"id": "int64", "name": "string"}
    other.run("use elsewhere")
    assert columns(other, "from people") == {"there": "bool"}
    batch = pa.record_batch({"mine": pa.array([1], pa.int8())})
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    guest.load(reader, "people", mode="create", temporary=True)
    assert columns(guest, "from people") == {"mine": "int8"}


def test_parameters_are_remembered_with_their_types(guest: Session) -> None:
    sql = "select name from people where id = $wanted"
    assert guest.describe(sql).parameters == guest.describe(sql).parameters == pa.schema([("wanted", pa.int64())])


def test_a_bounded_number_is_kept(house: Lake, guest: Session) -> None:
    for number in range(KEPT + 10):
        guest.describe(f"select {number} as n")
    assert len(house.descriptions._known) == KEPT


def test_a_file_that_changed_is_told_and_found_out(house: Lake, guest: Session) -> None:
    path = house.folders[-1] / "shifts.csv"
    path.write_text("a,b\n1,2\n")
    sql = f"from read_csv('{path}')"
    service, caller = Service(), Caller(guest)
    assert columns(guest, sql) == {"a": "int64", "b": "int64"}
    path.write_text("a,c\n1,x\n")
    with pytest.raises(Conflict, match="the columns changed after the statement was planned; run it again"):
        rows(service, caller, sql)
    assert rows(service, caller, sql) == [{"a": 1, "c": "x"}]
