"""The one way in: describe, run, parameters, many rows, bulk loads, USE, and what a session leaves in the journal."""

import datetime
import decimal
import itertools
import math
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import Conflict, Invalid, LakehouseError, NotFound
from engine.lake import Lake
from engine.session import Session
from tests.asking import session_of

NAMES = (f"t{number}" for number in itertools.count())


@pytest.fixture(scope="module", autouse=True)
def furnished(house: Lake) -> None:
    session = house.session()
    session.run("create table t (a integer, b varchar)")
    session.run("insert into t values (1, 'x'), (2, 'y')")
    session.run("create schema Other")
    session.run("create table other.t as select 'other' as a")


@pytest.fixture
def table(guest: Session) -> str:
    """A new table of (a integer, b varchar)."""
    name = next(NAMES)
    guest.run(f"create table {name} (a integer, b varchar)")
    return name


def values(session: Session, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in session.run(sql, params).rows()]


# -- what is known before it runs ------------------------------------------------------------------------------------

TYPES = [
    "1::tinyint", "1::utinyint", "1::smallint", "1::usmallint", "1", "1::uinteger", "1::bigint", "1::ubigint",
    "1::hugeint", "1::uhugeint", "1.5::float", "1.5::double", "1.5::decimal(4, 1)", "1::decimal(38, 10)", "true", "'x'",
    "'x'::blob", "date '2020-01-01'", "time '10:00:00'", "timetz '10:00:00+02'", "timestamp '2020-01-01'",
    "'2020-01-01'::timestamp_s", "'2020-01-01'::timestamp_ms", "'2020-01-01'::timestamp_ns", "timestamptz '2020-01-01'",
    "interval 1 day", "uuid()", "'{}'::json", "'101'::bit", "[1, 2]", "[1.5::float]::float[1]", "{'a': 1, 'b c': 'x'}",
    "map {'a': 1}", "union_value(k := 1)", "'a'::enum('a', 'b')", "null", "[null]", "[{'a': [1]}]", "'1'::bignum",
]  # fmt: skip


@pytest.mark.parametrize("value", TYPES)
def test_the_schema_is_known_before_and_is_that_of_the_rows(guest: Session, value: str) -> None:
    sql = f"select {value} as c"
    described = guest.describe(sql).schema
    assert described is not None
    assert described.equals(guest.run(sql).read_all().schema)


@pytest.mark.parametrize(
    "sql",
    [
        "from t", "from t select a", "(select a from t)", "((select 1))", "values (1, 'x')", "table t", "select 1;",
        "-- c\nselect 1", "/* c */ (from t)", "with q as (select 1 as x) from q", "select * from lake.functions",
        "select * from lake.journal", "from t union all from t", "show tables", "describe t", "summarize t",
        "describe select 1", "explain select 1", "show all tables", "pivot t on b using sum(a)",
        "unpivot t on a into name n value v", "select * from text_search('x')", "select embed('x') as v",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) from r",
    ],
)  # fmt: skip
def test_every_form_of_a_query_can_be_described(guest: Session, sql: str) -> None:
    described = guest.describe(sql)
    assert described.is_query
    assert described.schema is not None
    assert described.schema.equals(guest.run(sql).read_all().schema)


def test_describing_runs_nothing(guest: Session, table: str) -> None:
    for sql in (f"insert into {table} values (1, 'x')", f"drop table {table}", f"truncate {table}"):
        described = guest.describe(sql)
        assert (described.is_query, described.effect, described.schema) == (False, "writes", pa.schema([]))
    acting = guest.describe("select * from playbook_record('q', 'c', 'i', 1.0)")
    assert (acting.is_query, acting.effect) == (True, "records")
    assert acting.schema is not None
    assert acting.schema.names == ["playbook_id", "status"]
    assert values(guest, f"select count(*) from {table}") == [(0,)]
    assert values(guest, "select count(*) from lake.outcomes") == [(0,)]


def test_describing_an_analyze_runs_nothing_either(house: Lake) -> None:
    session = session_of(house, next(NAMES))
    described = session.describe("explain analyze select * from t")
    assert described.schema == session.run("explain analyze select * from t").read_all().schema
    [row] = house.session().run("select count(*) as n from lake.statements where profile = ?", [session.profile]).rows()
    assert row == {"n": 1}


def test_parameters_are_named_in_order(guest: Session) -> None:
    assert guest.describe("select ?, ?").parameters.names == ["1", "2"]
    assert guest.describe("select $b, $a, $b").parameters.names == ["b", "a"]
    assert guest.describe("select " + ", ".join(["?"] * 12)).parameters.names == [str(n) for n in range(1, 13)]
    assert guest.describe("insert into t values (?, $2)").parameters.names == ["1", "2"]


# -- parameters ------------------------------------------------------------------------------------------------------

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("value", "sql_type"),
    [
        (None, '"NULL"'), (True, "BOOLEAN"), (1, "INTEGER"), (2**40, "BIGINT"), (-(2**63), "BIGINT"), (1.5, "DOUBLE"),
        (math.inf, "DOUBLE"), ("é\0x", "VARCHAR"), (b"\0\xff", "BLOB"), ([1, None], "INTEGER[]"),
        ([[1], [2, 3]], "INTEGER[][]"), ([], '"NULL"[]'), ({"a": 1, "b": [1]}, "STRUCT(a INTEGER, b INTEGER[])"),
        ([{"a": 1}, {"a": None}], "STRUCT(a INTEGER)[]"), (decimal.Decimal("12.340"), "DECIMAL(5,3)"),
        (datetime.date(2020, 1, 2), "DATE"), (datetime.time(1, 2, 3), "TIME"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5, 6), "TIMESTAMP"),
        (datetime.datetime(2020, 1, 2, tzinfo=UTC), "TIMESTAMP WITH TIME ZONE"),
    ],
    ids=repr,
)  # fmt: skip
def test_values_of_every_kind_arrive_as_they_are(guest: Session, value: object, sql_type: str) -> None:
    assert values(guest, "select ?, typeof($1)", [value]) == [(value, sql_type)]
    assert values(guest, "select $x, typeof($x)", {"x": value}) == [(value, sql_type)]


def test_not_a_number_is_a_value(guest: Session) -> None:
    [(value,)] = values(guest, "select ?", [math.nan])
    assert math.isnan(value)
    assert values(guest, "select count(*) from t where a = ?", [math.nan]) == [(0,)]
    assert values(guest, "select ?::uuid::varchar", [uuid.UUID(int=1)]) == [(str(uuid.UUID(int=1)),)]


def test_parameters_by_position_and_by_name(guest: Session) -> None:
    assert values(guest, "select $2, $1", ["a", "b"]) == [("b", "a")]
    assert values(guest, "select $b, $a", ["first", "second"]) == [("first", "second")]
    assert values(guest, "select $b, $a", {"a": 1, "b": 2}) == [(2, 1)]
    assert values(guest, "select a from t where b = ? limit ?", ["y", 5]) == [(2,)]
    assert values(guest, "select count(*) from text_search(?, k := ?)", ["x", 3]) == [(0,)]


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("select ?", None), ("select ?", []), ("select ?", [1, 2]), ("select 1", [1]), ("select $a", {"b": 1}),
        ("select $a, $b", [1]), ("select $a", [1, 2]), ("select ?::integer", ["x"]), ("select ?", [object()]),
        ("select ?", ["\ud800"]),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit(guest: Session, sql: str, params: Any) -> None:
    with pytest.raises(Invalid) as caught:
        guest.run(sql, params).read_all()
    assert caught.value.hint


# -- what a statement answers ----------------------------------------------------------------------------------------


def test_counts_of_what_changed(guest: Session, table: str) -> None:
    counts = [
        (f"insert into {table} select range, 'r' from range(10)", 10),
        (f"update {table} set b = 'returning' where a < 3", 3),
        (f"delete from {table} where a = 9", 1),
        (f"create table {table}_copy as from {table}", 9),
        (f"truncate {table}", 9),
        (f"drop table {table}", 0),
        ("create or replace view vanishing as select 1", 0),
        ("drop view vanishing", 0),
    ]
    for sql, count in counts:
        result = guest.run(sql)
        assert (result.rows_affected, result.schema.names) == (count, []), sql
        assert result.rows() == []


def test_rows_come_as_they_are_made(guest: Session) -> None:
    result = guest.run("select * from range(1_000_000_000_000)")
    assert result.rows_affected is None
    assert next(result.batches()).num_rows > 0
    result.close()


def test_large_answers_are_complete(guest: Session) -> None:
    table = guest.run("select range as i, 'row ' || range as t from range(300_000)").read_all()
    assert table.column("i").to_pylist() == list(range(300_000))
    assert table.column("t")[299_999].as_py() == "row 299999"


def test_what_acts_has_acted_when_run_returns(guest: Session, house: Lake) -> None:
    guest.run("create table documents as select 1 as id, 'forklift operator' as body")
    made = guest.run("select * from create_corpus('documents', 'documents', 'id', 'body')")
    assert values(house.session(), "select count(*) from lake.corpora") == [(1,)]
    assert made.rows()[0]["status"] == "created"


# -- where names lead ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "place"),
    [
        ("use other", ("primary", "other")),
        ('USE "Other";', ("primary", "Other")),
        ('/* c */ use "primary" . "other" -- c', ("primary", "other")),
        ('use "primary"', ("primary", "main")),
        ("use lake", ("lake", "main")),
        ("use lake.main", ("lake", "main")),
    ],
)
def test_use(guest: Session, use: str, place: tuple[str, str]) -> None:
    assert guest.run(use).rows_affected == 0
    assert guest.place == place
    assert (guest.option("catalog"), guest.option("schema")) == place
    if place[1].lower() == "other":
        assert values(guest, "select a from t") == [("other",)]
    if place[0] == "lake":
        assert values(guest, "select count(*) > 10 from functions") == [(True,)]
    assert values(guest, "select count(*) from text_search('x')") == [(0,)]  # our functions are there everywhere


@pytest.mark.parametrize("use", ["use nowhere", 'use "primary".nowhere', "use nowhere.main", "use a.b.c", 'use ""'])
def test_use_of_what_is_not_there_changes_nothing(guest: Session, use: str) -> None:
    guest.run("use other")
    with pytest.raises((NotFound, Invalid)):
        guest.run(use)
    assert guest.place == ("primary", "other")


def test_a_schema_that_was_dropped_cannot_be_used(guest: Session) -> None:
    guest.run("create schema brief")
    guest.run("use brief")
    guest.run("create table x as select 1 as a")
    guest.run("use main")
    guest.run("drop schema brief cascade")
    with pytest.raises(NotFound):
        guest.run("use brief")


def test_options(guest: Session) -> None:
    guest.set_option("schema", "other")
    assert values(guest, "select a from t") == [("other",)]
    guest.set_option("catalog", "primary")
    assert guest.option("schema") == "main"
    assert guest.option("nothing") is None
    with pytest.raises(Invalid):
        guest.set_option("nothing", "x")
    for name, value in (("catalog", "control"), ("catalog", "nowhere"), ("schema", "nowhere")):
        with pytest.raises(NotFound):
            guest.set_option(name, value)


def test_sessions_do_not_share_their_place(guest: Session, house: Lake) -> None:
    guest.run("use other")
    assert values(house.session(), "select count(*) from t") == [(2,)]


def test_nothing_of_one_statement_is_left_on_the_cursor_for_another(guest: Session) -> None:
    guest.run("pivot t on b using sum(a)").read_all()
    assert values(guest, "select type_name from duckdb_types() where database_name = 'temp' and not internal") == []


# -- what is recorded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "select * from nothing_here", "selec 1", "checkpoint", "from control.journal", "use nothing_here",
        "select 'x'::integer", "insert into nothing_here values (1)",
    ],
)  # fmt: skip
def test_every_error_is_recorded_once(house: Lake, sql: str) -> None:
    session = session_of(house, next(NAMES))
    with pytest.raises(LakehouseError) as caught:
        session.run(sql).read_all()
    recorded = values(
        house.session(), "select code, message, hint, sql from lake.errors where actor = ?", [session.profile]
    )
    assert recorded == [(caught.value.code, caught.value.message, caught.value.hint, sql)]


def test_every_way_in_records_its_errors(house: Lake) -> None:
    session = session_of(house, next(NAMES))
    attempts: list[Callable[[], object]] = [
        lambda: session.describe("select * from nothing_here"),
        lambda: session.run_many("select ?", pa.table({"a": [1]})),
        lambda: session.run_many("insert into nothing_here values (?)", pa.table({"a": [1]})),
        lambda: session.load(pa.table({"a": [1]}).to_reader(), "t", mode="create"),
        lambda: session.load(pa.table({"a": [1]}).to_reader(), "t", mode="create", catalog="lake"),
        lambda: session.run("select 1", transaction="none"),
        lambda: session.commit("none"),
        lambda: session.rollback("none"),
    ]
    for attempt in attempts:
        with pytest.raises(LakehouseError):
            attempt()
    count = "select count(*) from lake.errors where actor = ?"
    assert values(house.session(), count, [session.profile]) == [(len(attempts),)]


def test_statements_are_recorded_with_their_end(house: Lake) -> None:
    session = session_of(house, next(NAMES))
    session.run("select * from range(5)", statement_id="mine").read_all()
    session.run("insert into t values (7, 'seven')")
    session.run("delete from t where a = 7")
    with pytest.raises(LakehouseError):
        session.run("select error('no')").read_all()
    shown = values(
        house.session(),
        "select kind, outcome, rows, session_id from lake.statements where profile = ? order by ts",
        [session.profile],
    )
    assert [row[:2] for row in shown] == [("SELECT", "ok"), ("INSERT", "ok"), ("DELETE", "ok"), ("SELECT", "INVALID")]
    assert shown[0][2] == 5
    assert {row[3] for row in shown} == {session.id}
    assert values(house.session(), "select sql from lake.statements where statement_id = 'mine'") == [
        ("select * from range(5)",)
    ]


def test_a_closed_session_refuses(house: Lake) -> None:
    session = house.session()
    session.close()
    session.close()
    for act in (
        lambda: session.run("select 1"),
        lambda: session.describe("select 1"),
        lambda: session.load(pa.table({"a": [1]}).to_reader(), "x", mode="create"),
        session.begin,
    ):
        with pytest.raises(Conflict, match="the session is closed"):
            act()
