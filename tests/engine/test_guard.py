"""What a statement may do. Every attempt here is made on a real lake, which must be as it was afterwards."""

import re
from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.errors import Forbidden, Invalid, LakehouseError, NotFound
from engine.guard import FIRST_WORDS
from engine.lake import Lake
from engine.session import Session

OURS = 'select "function", kind, effect, signature from lake.functions order by all'
VIEWS = "select view_name, sql from duckdb_views() where database_name = 'lake' order by all"


@pytest.fixture(scope="module", autouse=True)
def furnished(house: Lake) -> Iterator[None]:
    """A table to work on; at the end the house is as it was."""
    session = house.session()
    session.run("create table t (a integer, b varchar)")
    session.run("insert into t values (1, 'x'), (2, 'y')")
    session.run("create schema other")
    before = session.run(OURS).rows(), session.run(VIEWS).rows()
    yield
    assert (session.run(OURS).rows(), session.run(VIEWS).rows()) == before
    assert session.run("select * from t order by a").rows() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def refused(session: Session, sql: str) -> LakehouseError:
    """The error of a statement that must not run."""
    with pytest.raises(LakehouseError) as caught:
        session.run(sql)
    return caught.value


def test_what_may_not_run_may_not_be_described_or_run_for_many(guest: Session) -> None:
    for sql in (
        "from control.journal",
        "insert into t select 1, _embed('x', 'y')",
        "drop view lake.journal",
        "checkpoint",
    ):
        error = refused(guest, sql)
        with pytest.raises(LakehouseError) as caught:
            guest.describe(sql)
        assert str(caught.value) == str(error)
        with pytest.raises(LakehouseError) as caught:
            guest.run_many(sql, pa.table({"a": [1]}))
        assert str(caught.value) == str(error)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from control.journal",
        "select * from control.main.journal",
        "from control.main.journal",
        "table control.main.journal",
        "select * from CONTROL.Main.Journal",
        'select * from "control" . "journal"',
        "select * from control/* c */./* c */journal",
        "select * from control -- c\n . journal",
        "select * from control\u00a0.\u2003journal",
        "select * from (select * from control.journal)",
        "select * from t where b in (select body from control.journal)",
        "select exists (from control.journal)",
        "select (select count(*) from control.journal)",
        "with c as (from control.journal) select * from c",
        "with c as materialized (select 1), d as (from control.journal) select * from c",
        "select 1 union all select entry from control.journal",
        "select * from t, lateral (select * from control.journal)",
        "select * from t positional join control.journal",
        "pivot control.journal on kind using count(*)",
        "select * from (pivot control.journal on kind using count(*))",
        "unpivot control.journal on entry into name n value v",
        "describe control.journal",
        "summarize control.journal",
        "select * from (describe control.journal)",
        "show tables from control",
        "explain select * from control.journal",
        "explain analyze select * from control.journal",
        "select * from __ducklake_metadata_primary.ducklake_table",
        'select * from "__DuckLake_Metadata_primary".ducklake_table',
        "insert into t select 1, body from control.journal",
        "insert into t select 1, body from control /* c */ . /* c */ journal",
        "insert into t select 1, body from control\n-- c\n.journal",
        'insert into t select 1, body from "control".journal',
        "insert into t select 1, body from control\u00a0.\u00a0journal",
        "insert into t select 1, body from control\u200b.\u2060journal",
        "insert into control.journal select * from control.journal",
        "update control.journal set body = ''",
        "delete from control.journal",
        "delete from only control.journal",
        "truncate control.journal",
        "merge into control.journal using t on a = entry when matched then delete",
        "with c as (select 1) delete from control /**/ . journal",
        "create table c as from control.journal",
        "create view c as from control.journal",
        "create macro c() as table from control.journal",
        "create macro c() as (select count(*) from control.journal)",
        "create table control.c (a integer)",
        "create view control.main.c as select 1",
        "create schema control.c",
        "drop table control.journal",
        "alter table control.journal add column c integer",
        "alter table control\u00a0.\u00a0journal add column c integer",
        "comment on table control.journal is 'c'",
        "create index c on control.journal (entry)",
        "drop table __ducklake_metadata_primary.ducklake_table",
        "use control.main",
        'use /* c */ "Control" . main',
    ],
)
def test_the_control_plane_is_out_of_reach(guest: Session, sql: str) -> None:
    assert str(refused(guest, sql)).startswith(("[NOT_FOUND] catalog '", "[NOT_FOUND] table '")), sql


@pytest.mark.parametrize("name", ["journal", "control.journal", "control.main.journal"])
def test_a_string_is_no_way_to_the_control_plane(guest: Session, name: str) -> None:
    for sql in (f"select * from '{name}'", f"insert into t select 1, body from '{name}'"):
        with pytest.raises(NotFound, match="Table with name"):
            guest.run(sql)


@pytest.mark.parametrize(
    "call",
    [
        "_embed('x', 'y')",
        "_EMBED('x', 'y')",
        "\"_embed\"('x', 'y')",
        "_embed /* c */ ('x', 'y')",
        "_embed -- c\n ('x', 'y')",
        "_embed\u00a0('x', 'y')",
        "system.main._embed('x', 'y')",
        "('x')._embed('y')",
        "list_transform(['x'], lambda v: _embed(v, 'y'))",
        "coalesce(null, case when true then _embed('x', 'y') end)",
        "getvariable('lakehouse_call')",
        "current_setting('temp_directory')",
        "getenv('PATH')",
        "json_execute_serialized_sql('x')",
        "nextval('s')",
    ],
)
def test_kernels_and_closed_functions_cannot_be_called(guest: Session, call: str) -> None:
    places = [
        f"select {call}",
        f"select * from t where {call} is null",
        f"select * from t order by {call}",
        f"insert into t select 1, ({call})::varchar",
        f"update t set b = ({call})::varchar",
        f"delete from t where {call} is null",
        f"create view closed as select {call} as c",
        f"create macro closed() as {call}",
        f"create table closed as select {call} as c",
        f"create table closed (a varchar default {call})",
        f"pivot (select {call} as c) on c using count(*)",
        f"explain select {call}",
    ]
    for sql in places:
        assert str(refused(guest, sql)).startswith("[FORBIDDEN] the function "), sql


@pytest.mark.parametrize(
    "source",
    [
        "query('select 1')",
        "query_table('t')",
        "query_table(['control.main.journal'])",
        "duckdb_secrets()",
        "ducklake_snapshots('primary')",
        "ducklake_expire_snapshots('primary')",
        "pragma_table_info('control.main.journal')",
        "checkpoint()",
        "json_execute_serialized_sql('x')",
        "read_duckdb('x')",
        "arrow_scan(1, 2, 3)",
        "pandas_scan(1)",
        "seq_scan('x')",
        "duckdb_variables()",
        "postgres_query('x', 'y')",
        "sqlite_scan('x', 'y')",
        "which_secret('x', 'y')",
    ],
)
def test_closed_table_functions(guest: Session, source: str) -> None:
    for sql in (
        f"select * from {source}",
        f"insert into t select 1, 'x' from {source}",
        f"create view c as from {source}",
    ):
        assert str(refused(guest, sql)).startswith("[FORBIDDEN] the function "), sql


@pytest.mark.parametrize(
    "sql",
    [
        "attach ':memory:' as x",
        'detach "primary"',
        "copy t to 'x.csv'",
        "copy t from 'x.csv'",
        "copy (select 1) to 'x.csv'",
        "export database 'x'",
        "import database 'x'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "set variable lakehouse_call = 'x'",
        "set search_path = 'control.main'",
        "set schema = 'control.main'",
        "reset threads",
        "pragma database_size",
        "/* c */ pragma table_info('t')",
        "/* /* */ select */ pragma database_size",
        "call pragma_version()",
        "call checkpoint('control')",
        "checkpoint",
        "force checkpoint",
        "vacuum",
        "analyze",
        "prepare p as select 1",
        "execute p",
        "deallocate p",
        "create secret s (type s3)",
        "/* c */ create or replace persistent secret s (type s3)",
        "drop secret s",
    ],
)
def test_statements_that_are_not_served(guest: Session, sql: str) -> None:
    error = refused(guest, sql)
    assert isinstance(error, Forbidden)
    assert error.hint


@pytest.mark.parametrize(
    "sql", ["begin", "begin transaction read only", "commit", "rollback", "abort", "start transaction"]
)
def test_transactions_are_the_connections(guest: Session, sql: str) -> None:
    error = refused(guest, sql)
    assert str(error).startswith(f"[INVALID] {sql.split()[0]} is no statement here: each statement stands for itself")
    assert error.hint == "to keep or forget several together, use commit() and rollback() of a Flight SQL client"


@pytest.mark.parametrize("sql", ["call f()", "prepare x as select 1", "attach 'x' as y", "set threads = 1"])
def test_what_is_served_is_told_where_something_is_not(guest: Session, sql: str) -> None:
    error = refused(guest, sql)
    assert error.message == f"statements of the kind {sql.split()[0].upper()} are not served"
    assert str(error.hint).startswith("served: select, values, pivot, ")
    assert set(re.findall(r"[a-z]+", str(error.hint))) - {"served", "and"} <= FIRST_WORDS


@pytest.mark.parametrize("sql", ["", "   ", "-- nothing", "/* nothing */", ";", ";;", "\n"])
def test_no_statement(guest: Session, sql: str) -> None:
    assert str(refused(guest, sql)).startswith("[INVALID] there is no statement")


@pytest.mark.parametrize(
    "sql",
    [
        "select 1; select 2",
        "select 1; drop table t",
        "select 1 /* ; */ ; delete from t",
        "select ';'; delete from t",
        "explain select 1; delete from t",
        "select 1;;; delete from t -- ;",
    ],
)
def test_one_statement_at_a_time(guest: Session, sql: str) -> None:
    assert str(refused(guest, sql)).startswith("[INVALID] the text holds 2 statements")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select 1 as x;", [{"x": 1}]),
        ("select 1 as x;;  ;", [{"x": 1}]),
        ("-- c\nselect 1 as x -- ; drop table t", [{"x": 1}]),
        ("/* ; */ (select 1 as x)", [{"x": 1}]),
        ("/* /* */ */ select 1 as x", [{"x": 1}]),
        ("select $$;control.journal query('x')$$ as x", [{"x": ";control.journal query('x')"}]),
        ("select '_embed(' as \"getvariable(\"", [{"getvariable(": "_embed("}]),
        ("with control as (select 1 as x) select control.x from control", [{"x": 1}]),
        ("from (values (1)) controls(x) select controls.x", [{"x": 1}]),
        ("pivot (select 1 as a, 2 as b) on a using sum(b)::integer", [{"1": 2}]),
        ("select x[1] as x from (values ([1])) v(x)", [{"x": 1}]),
        ("select '{\"a\": {\"b\": 1}}'::json -> 'a' ->> 'b' as x", [{"x": "1"}]),
        ("select list_transform([1, 2], lambda v: v + 1) as x", [{"x": [2, 3]}]),
        ("select \u00a01 as x", [{"x": 1}]),
    ],
)
def test_what_looks_odd_and_is_right(guest: Session, sql: str, rows: list[dict[str, object]]) -> None:
    assert guest.run(sql).rows() == rows


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("vector_search()", "vector_search() needs the argument 'query'"),
        ("vector_search('x', kk := 1)", "vector_search() has no argument 'kk'; did you mean 'k'?"),
        ("vector_search('x', k := 1, K => 2)", "vector_search() got the argument"),
        ("vector_search('x', query := 'y')", "vector_search() got the argument 'query' twice"),
        ("vector_search('x', null, 1, null, false, 5, 'g', 'part', 6)", "vector_search() takes at most 8 arguments"),
    ],
)
def test_arguments_of_our_functions(guest: Session, call: str, message: str) -> None:
    error = refused(guest, f"select * from {call}")
    assert str(error).startswith(f"[INVALID] {message}")
    assert "usage: vector_search(query" in str(error)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select '\0'", "holds a NUL character"),
        ("select '\ud800'", "holds half of a surrogate pair"),
        ("select " + "(" * 201 + "1" + ")" * 201, "nests brackets 201 deep"),
        ("select " + "[" * 250 + "]" * 250, "nests brackets 250 deep"),
        ("select " + "+".join(["1"] * 900), "is nested too deeply"),
        ("select " + "+".join(["1"] * 5000), "is nested too deeply"),
        ("select " + "not " * 900 + "true", "is nested too deeply"),
        ("select x" + "->'a'" * 40, "holds more than 20 arrows"),
        ("insert into t select 1, x" + "->'a'" * 40, "holds more than 20 arrows"),
        ("select " + "lambda x: " * 40 + "1", "holds more than 20 arrows"),
        ("selec 1", "syntax error at or near"),
        ("select (", "syntax error at end of input"),
        ("insert into t pivot t on a using sum(a)", "a PIVOT that writes must name its values"),
    ],
)
def test_texts_that_must_not_reach_the_engine(guest: Session, sql: str, message: str) -> None:
    error = refused(guest, sql)
    assert isinstance(error, Invalid)
    assert message in str(error)
    assert error.hint


def test_comments_are_passed_over(guest: Session) -> None:
    assert guest.run("/*" * 100 + "*/" * 100 + "/* c */" * 1000 + "select 1 as x").rows() == [{"x": 1}]
    assert "nests comments 300 deep" in str(refused(guest, "/*" * 300 + "*/" * 300 + "select 1"))


def test_the_length_is_counted_in_bytes(guest: Session, house: Lake) -> None:
    limit = house.config.engine.statement_bytes
    text = "select '" + "é" * ((limit - 20) // 2) + "' as x"
    assert len(text) < limit
    assert guest.run(text).read_all().num_rows == 1
    assert "is longer than" in str(refused(guest, text + " " * 40))


def test_long_statements_do_not_stay_in_memory(guest: Session, house: Lake) -> None:
    before = house.checking.cache_info().currsize
    guest.run("select '" + "x" * 20_000 + "' as x").read_all()
    assert house.checking.cache_info().currsize == before
