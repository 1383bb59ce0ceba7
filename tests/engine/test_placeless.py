"""Statements that name nothing of a bucket do without one, and those that do find it."""

import pytest

from engine.guard import Checked, check
from engine.lake import Lake
from engine.session import Session


def checked(lake: Lake, sql: str) -> Checked:
    with lake.cursor() as cursor:
        return check(cursor, sql, lake.known, 1_000_000)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "select id, abs(_score) from vector_search('a question', k := 3) order by _rank limit 2",
        "select q, r.id from (values ('a'), ('b')) as t(q), lateral matrix_search(t.q) as r where r._corpus = 'docs'",
        "select '{}'::json ->> 'a', [1, 2]::integer[], {'a': 1}, current_date, interval 1 day, count(*) over ()",
        "select * from (select unnest(range(3)) as n) where n in (1, 2)",
    ],
)
def test_needs_no_bucket(lake: Lake, sql: str) -> None:
    assert checked(lake, sql).placeless


@pytest.mark.parametrize(
    "sql",
    [
        "from docs",
        "select (select count(*) from docs)",
        "select * from vector_search((select text from docs limit 1))",
        "with docs as (select 1) from docs",  # it could name a table elsewhere
        "select 'happy'::mood",
        "select twice(2)",
        "select * from thrice(2)",
        "select current_schema()",
        "select current_schema",
        "select * from duckdb_tables()",
        "describe docs",
        "show tables",
        "insert into docs values ('1', 'a')",
    ],
)
def test_needs_a_bucket(lake: Lake, sql: str) -> None:
    assert not checked(lake, sql).placeless


def test_what_a_bucket_has_is_found_from_any_statement(session: Session) -> None:
    session.run("create table docs as select '1' as id, 'forklift' as text")
    session.run("create macro twice(x) as 2 * x")
    assert session.run("select twice(2) as n").rows() == [{"n": 4}]
    assert session.run("select current_schema() as s").rows() == [{"s": "main"}]
    assert session.run("select abs(-1) as a, (select count(*) from docs) as n").rows() == [{"a": 1, "n": 1}]
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')").read_all()
    assert session.run("select id from vector_search('forklift', filter := $$id = '1'$$)").rows() == [{"id": "1"}]


def test_a_statement_that_needs_none_begins_no_transaction_of_a_bucket(lake: Lake) -> None:
    session = lake.session()
    session.run("select abs(-1)").read_all()
    assert lake.cursors.taken() == []
    held = lake.cursors.take(session.path_of_statement(checked(lake, "select abs(-1)")))
    assert "primary" not in held.path
    lake.cursors.give(held)
