"""What statements that change something may change, and what may only look as if it read."""

from collections.abc import Iterator

import pytest

from engine.errors import Forbidden, Invalid, LakehouseError, NotFound
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


@pytest.mark.parametrize(
    "sql",
    [
        "drop view lake.journal",
        "drop view if exists lake.main.journal",
        "/* c */ drop view lake.journal",
        "drop view lake . journal",
        'drop view "lake"."journal"',
        "drop view LAKE.journal cascade",
        "create view lake.mine as select 1",
        "create or replace view lake.journal as select 1",
        "create table lake.mine (a integer)",
        "create table fn.mine as select 1",
        "create type lake.mine as enum ('a')",
        "create schema lake.mine",
        "create schema fn.mine",
        "drop schema lake.main cascade",
        "alter view lake.journal rename to mine",
        "comment on view lake.journal is 'x'",
        "comment on column lake.journal.ts is 'x'",
        "comment on macro fn.embed is 'x'",
        "comment on macro table fn.ask is '@effect reads'",
        "create macro fn.mine() as 1",
        "create or replace macro fn.embed(text) as 1",
        "drop macro fn.embed",
        "drop macro table fn.main.ask",
        "create table system.main.mine (a integer)",
        "create table temp.mine (a integer)",
        "create table temp.main.mine (a integer)",
        'create table "primary".lakehouse.mine (a integer)',
        "create table lakehouse.mine (a integer)",
        "delete from lakehouse.ingest",
        'insert into "primary".lakehouse.ingest select 1',
        "drop schema lakehouse cascade",
    ],
)
def test_what_is_ours_cannot_be_changed(guest: Session, sql: str) -> None:
    error = refused(guest, sql)
    assert isinstance(error, Forbidden), error
    assert error.hint


@pytest.mark.parametrize("place", ["lake", "fn", "fn.main", '"primary".lakehouse'])
def test_nothing_is_written_where_ours_is(guest: Session, place: str) -> None:
    guest.run(f"use {place}")
    for sql in ("create table mine (a integer)", "drop view journal", "create view journal as select 1"):
        assert isinstance(refused(guest, sql), Forbidden)
    guest.set_option("catalog", "primary")
    assert guest.run("select count(*) as n from t").rows() == [{"n": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        "create macro matrix_search(query) as table select 1 as x",
        "create or replace macro ask(question) as table select 1 as x",
        "create function embed(text) as 1",
        'create /* c */ macro\n"Embed"(text) as 1',
        "create macro other.embed(text) as 1",
        'create macro "primary".main.embed(text) as 1',
        "create macro lower(x) as 'shadow'",
        "create macro duckdb_functions() as table select 1 as x",
        "create macro to_json(x) as 1",
        "create macro _embed(text, call) as 1",
        "drop macro embed",
        "drop macro if exists embed",
        "drop macro table ask",
        "drop function embed",
        "comment on macro embed is 'x'",
    ],
)
def test_our_functions_cannot_be_shadowed_or_dropped(guest: Session, sql: str) -> None:
    assert "is a function of the lake" in str(refused(guest, sql))


@pytest.mark.parametrize("name", ["lake", "Control", "fn", "primary", "system", "temp", "lakehouse", '"LAKE"'])
def test_reserved_schemas(guest: Session, name: str) -> None:
    for sql in ("create schema {}", "/**/ create schema if not exists {}", 'create schema "primary".{}'):
        quoted = f'"{name}"' if name == "primary" else name
        assert isinstance(refused(guest, sql.format(quoted)), Invalid | NotFound)


@pytest.mark.parametrize(
    "sql",
    [
        "create temp table mine (a integer)",
        "create temporary table mine as select 1",
        "create or replace temp view t as select 1",
        "create local temporary table mine (a integer)",
        "create temp macro mine() as 1",
        "create /* c */ temp table mine (a integer)",
    ],
)
def test_temporary_objects_would_be_lost_or_shared(guest: Session, sql: str) -> None:
    assert str(refused(guest, sql)).startswith("[INVALID] temporary objects are not served")


def test_an_explain_runs_nothing(guest: Session) -> None:
    for sql in (
        "explain delete from t",
        "explain insert into t values (3, 'z')",
        "/* c */ explain (format json) delete from t",
        "explain/* c */select * from t",
        "explain select * from playbook_record('q', 'c', 'i', 1.0)",
        "explain create table never (a integer)",
    ):
        assert guest.describe(sql).effect == "reads"
        assert [row["explain_key"] for row in guest.run(sql).rows()] == ["physical_plan"], sql


@pytest.mark.parametrize(
    "head",
    [
        "explain analyze",
        "explain (analyze)",
        "explain (analyze, format json)",
        "explain analyse",
        "/* c */ explain /* c */ analyze /* c */",
        "EXPLAIN (FORMAT json, ANALYZE)",
    ],
)
def test_an_analyze_only_reads(guest: Session, head: str) -> None:
    acting = "select * from playbook_record('q', 'c', 'i', 1.0)"
    for act in ("delete from t", "insert into t values (3, 'z')", "create table never (a integer)", acting):
        assert str(refused(guest, f"{head} {act}")).startswith("[FORBIDDEN] explain analyze would run"), head
    assert [row["explain_key"] for row in guest.run(f"{head} select * from t").rows()] == ["analyzed_plan"]


def test_what_acts_cannot_hide_in_a_view_or_a_macro(guest: Session) -> None:
    acting = "select * from playbook_record('q', 'c', 'i', 1.0)"
    for sql in (
        f"create view v as {acting}",
        f"create macro m() as table {acting}",
        f"create macro m() as (from ({acting}))",
    ):
        assert "may not hold a function that acts" in str(refused(guest, sql))
    guest.run("create view answers as select * from text_search('x')")
    guest.run("create macro answers_of(q) as table select * from text_search(q)")
    assert guest.run("select * from answers").rows() == guest.run("select * from answers_of('x')").rows() == []
    guest.run("drop view answers")
    guest.run("drop macro table answers_of")


@pytest.mark.parametrize(
    ("sql", "effect", "is_query"),
    [
        ("select 1", "reads", True),
        ("select * from text_search('x')", "reads", True),
        ("select * from playbook_record('q', 'c', 'i', 1.0)", "records", True),
        ("select * from t, lateral (select * from playbook_record('q', 'c', b, 1.0))", "records", True),
        ("select * from ingest('x', 'y')", "writes", True),
        ("with c as (select * from ingest('x', 'y')) select 1", "writes", True),
        ("insert into t select 1, 'x'", "writes", False),
        ("insert into t select 1, 'returning'", "writes", False),
        ('update t set b = "b" where "b" = \'returning\'', "writes", False),
        ("delete from t returning a", "writes", True),
        ("create table x (a integer)", "writes", False),
        ("pivot (select * from playbook_record('q', 'c', 'i', 1.0)) on status using count(*)", "records", True),
        ("show tables", "reads", True),
        ("use other", "reads", False),
    ],
)
def test_what_a_statement_does_is_known_before(house: Lake, sql: str, effect: str, is_query: bool) -> None:
    checked = house.check(sql)
    assert (checked.effect, checked.is_query) == (effect, is_query)
