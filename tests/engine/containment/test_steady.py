"""What is steady and what is not, by the parse alone."""

import json

import duckdb
import pytest

from engine import tokens
from engine.containment.acts import unsteady_act
from engine.containment.bounds import bounds
from engine.containment.steady import kinds, unsteady
from engine.errors import Invalid
from tests.engine.containment.ordinary import OTHERS, TPCH


def parse(sql: str) -> dict[str, object]:
    with duckdb.connect() as engine:
        row = engine.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
    tree: dict[str, object] = json.loads(row[0]) if row else {}
    assert not tree["error"], tree
    return tree


def judged(sql: str) -> str | None:
    tree = parse(sql)
    bounds(tree)
    return unsteady(tree, tokens.read(sql), {"matrix_search"})


@pytest.mark.parametrize("sql", TPCH + OTHERS)
def test_ordinary_statements_run_in_the_server(sql: str) -> None:
    assert judged(sql) is None


@pytest.mark.parametrize(
    ("sql", "blamed"),
    [
        ("select repeat('a', 1001)", "repeat"),
        ("select repeat('a', n) from t", "repeat"),
        ("select repeat('a', ?)", "repeat"),
        ("select repeat(repeat(a, 900), 900) from t", "repeat"),
        ("with a as (select repeat(x, 100) x from t) select repeat(x, 100) from a", "repeat"),
        ("select lpad(a, 1000000, 'x') from t", "lpad"),
        ("select range(100000)", "range"),
        ("select unnest(range(n)) from t", "range"),
        ("select generate_series(timestamp '1900-01-01', timestamp '2100-01-01', interval 1 day)", "generate_series"),
        ("select levenshtein(a, b) from t", "levenshtein"),
        ("select list_transform(l, lambda x: x + 1) from t", "list_transform"),
        ("select [x for x in l] from t", "list_apply"),
        ("select replace(a, 'x', 'yyyyyyyyyyyyyyyyyyyyyyyyy') from t", "replace"),
        ("select replace(a, b, '') from t", "replace"),
        ("select regexp_matches(a, b) from t", "regexp_matches"),
        ("select * from t where a like b", "~~"),
        ("select * from t where a like '%x_%y%z'", "~~"),
        ("select * from t where a ilike '%x%y%z'", "~~*"),
        ("select * from t where a glob '*x*y*z'", "~~~"),
        ("select * from t where contains(a, b)", "contains"),
        ("select strftime(d, f) from t", "strftime"),
        ("select printf('%1000000d', 1)", "printf"),
        ("select format('{:{}}', 'x', n) from t", "format"),
        ("select a::integer[100000] from t", "arrays of 100000 elements"),
        ("select a::integer[100][100] from t", "arrays of 10000 elements"),
        ("select a::integer[4000], b::integer[4000] from t", "arrays of 8000 elements"),
        ("select string_agg(a, '') over () from t", "string_agg"),
        ("select mode(a) over (order by b rows 1000000 preceding) from t", "mode"),
        ("select count(distinct a) over (order by b) from t", "count"),
        ("select median(a.x) from a, b", "median"),
        ("select list(range) from range(1000000000)", "list"),
        ("select md5(string_agg(a, '')) from t", "string_agg"),
        ("with b as (select string_agg(a, '') s from t) select s || c from b, u", "string_agg"),
        ("with recursive r(s) as (select 'a' union all select s || s from r) select * from r", "||"),
        ("select 'a' as a1, a1 || a1 as a2, a2 || a2 as a3, a3 || a3 as a4, a4 || a4 as a5", "||"),
        ("select hex(hex(hex(hex(hex(hex(hex(hex(hex(a))))))))) from t", "hex"),
        ("select my_macro(a) from t", "my_macro"),
        ("select system.main.upper(a) from t", "upper"),
        ("select a from t where (select max(repeat('x', n)) from u) > a", "repeat"),
        ("select * from t order by repeat(a, n)", "repeat"),
        ("select * from t limit (select len(repeat('x', 5000)))", "repeat"),
        ("describe select strftime(date '2020-01-01', repeat('%c', 100000))", "strftime"),
        ("select " + ", ".join(["a"] * 3000) + " from t", "3000 columns"),
        ("select concat(" + ", ".join(["a"] * 2000) + ") from t", "concat"),
        (f"select '{'x' * 70_000}' || a from t", "||"),
        (f"select substr('{'x' * 70_000}', a) from t", "substr"),
    ],
)  # fmt: skip
def test_what_could_run_or_grow_without_bound_does_not(sql: str, blamed: str) -> None:
    assert judged(sql) is not None
    assert judged(sql) in (blamed, "repeat", "strftime", "hex")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select " + "+".join(["1"] * 300), "chains more than 250 operators"),
        ("select " + ", ".join("+".join(["a"] * 240) for _ in range(40)) + " from t", "chains more than"),
        ("select " + "nullif(" * 12 + "a" + ", 1)" * 12 + " from t", "the planner copies"),
        ("select " + "(" * 12 + "a" + " between 1 and 2)::int" * 12 + " from t", "the planner copies"),
        ("select " + "list_transform(l, lambda x: " * 12 + "1" + ")" * 12 + " from t", "the planner copies"),
        ("select " + "(select " * 30 + "1" + ")" * 30, "nests more than 16 subqueries"),
        ("select " + ".".join("abcdefghi"), "a name of 9 parts"),
        ("select 1 as a0" + "".join(f", a{k} + a{k} as a{k + 1}" for k in range(14)), "columns on each other"),
        (
            "with a0 as (select 1 x)"
            + "".join(f", a{k + 1} as (select p.x from a{k} p, a{k} q)" for k in range(12))
            + " select * from a12",
            "expands to more than 1000 queries",
        ),
        ("select * from " + "(select *, * from " * 12 + "t" + ")" * 12, "more than 10000 columns"),
        ("select count(*) from " + ", ".join(f"t a{k}" for k in range(60)), "joins 60 tables"),
        ("select * from t where " + " or ".join(f"(a = {k} and b = {k})" for k in range(1000)), "terms of and / or"),
        ("select * from (values " + ", ".join(["(1, 2)"] * 60_000) + ")", "expressions"),
    ],
)
def test_what_would_be_planned_for_long_is_refused(sql: str, told: str) -> None:
    with pytest.raises(Invalid, match="planned for too long") as raised:
        bounds(parse(sql))
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "sql",
    [
        "select " + "+".join(["a"] * 200) + " from t",
        "select * from t where " + " or ".join(f"a = {k}" for k in range(3000)),
        "select * from t where a in (" + ", ".join(map(str, range(20_000))) + ")",
        " union all ".join(["select a from t"] * 1000),
        "with a as (select 1 x), b as (select * from a) select * from a, b, (with a as (select 2 x) select * from a) c",
        "select " + "abs(" * 100 + "a" + ")" * 100 + " from t",
        "select *, t.*, u.* from t join u using (id)",
    ],
)
def test_long_statements_that_are_planned_quickly_are_not_refused(sql: str) -> None:
    bounds(parse(sql))


@pytest.mark.parametrize(
    ("sql", "blamed"),
    [
        ("insert into t values (1, 'a')", None),
        ("insert into t (a, b) select a, upper(b) from u", None),
        ("insert into t (a, b) values (1, repeat('a', 1000000))", "repeat"),
        ("insert into t select list_transform(l, lambda x: x) from u", "list_transform"),
        ("insert into t values (1) returning repeat('a', 1000000)", "repeat"),
        ("update t set a = replace(a, 'x', 'y'), b = 2 where c like '%z%'", None),
        ("update t set a = repeat(a, b)", "repeat"),
        ("delete from t where levenshtein(a, b) > 2", "levenshtein"),
        ("delete from t where a in (1, 2)", None),
        ("merge into t using u on t.id = u.id when matched then update set a = repeat(u.a, 5)", "repeat"),
        ("merge into t using u on t.id = u.id when matched then update set a = upper(u.a)", None),
        ("create table x (a integer, b varchar, c decimal(18, 2))", None),
        ("create or replace table x as select a, sum(b) as b from t group by a", None),
        ("create table x as select repeat('a', n) from t", "repeat"),
        ("create view v as select median(x) from t, u", "median"),
        ("create macro f(a) as a + 1", None),
        ("create macro f(a) as repeat(a, 5000)", "repeat"),
        ("create macro f(a) as table select range(a)", "range"),
        ("drop table t", None),
        ("alter table t add column c integer", None),
    ],
)
def test_statements_that_act_are_judged_too(sql: str, blamed: str | None) -> None:
    assert unsteady_act(sql, tokens.read(sql), (), parse_any) == blamed


def parse_any(sql: str) -> dict[str, object]:
    with duckdb.connect() as engine:
        row = engine.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
    tree: dict[str, object] = json.loads(row[0]) if row else {}
    return tree


def test_a_pivot_that_has_no_parse_is_judged_by_its_words() -> None:
    sql = "pivot t on a using sum(b) group by c"
    assert unsteady({}, tokens.read(sql)) is None
    assert unsteady({}, tokens.read("pivot t on repeat(a, 5) using sum(b)")) == "repeat"
    assert unsteady({}, tokens.read("pivot t on a using string_agg(b, '')")) == "string_agg"
    assert unsteady({}, tokens.read("pivot (select filter(l, lambda x: x) f from t) on f using sum(b)")) == "filter"


def test_the_list_names_functions_of_the_engine_only() -> None:
    with duckdb.connect() as engine:
        rows = engine.execute("select distinct lower(function_name) from duckdb_functions()").fetchall()
    known = {name for (name,) in rows} | {"->"}
    assert set(kinds()) <= known
    assert {kind for kind, _ in kinds().values()} == {"", "text", "joins", "checked", "holds", "collects", "rows"}
