"""Grants: what of an object is seen, and that the rest cannot be told from nothing."""

from pathlib import Path
from typing import Any

import pytest

from engine.access.masks import expression
from engine.access.objects import read
from engine.errors import LakehouseError
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.asking import session_of
from tests.conftest import FAST

PEOPLE = """
create or replace table people as
select * from (values
    (1, 'ada', 'mine', '100', '{"a": 1}', '2020-01-01', 2),
    (2, 'bob', 'theirs', 'not a number', 'not json', 'not a date', 0),
    (3, 'cay', 'mine', '300', '{"a": 3}', '2020-03-01', 3)
) as person(id, name, tenant, number, document, day, divisor)
"""
# Each of these fails on the hidden row, were it evaluated there.
FAILING = [
    "cast(number as integer) > 0",
    "number::integer > 0",
    "json(document) is not null",
    "document::json ->> '$.a' > '0'",
    "strptime(day, '%Y-%m-%d') > '2000-01-01'",
    "day::date > '2000-01-01'",
    "10 // divisor > 0 or if(divisor = 0, cast(name as integer), 1) > 0",
    "if(name = 'bob', cast(name as integer), 1) = 1",
    "regexp_matches(name, if(name = 'bob', '[', '.'))",
    "date_part(if(name = 'bob', 'nonsense', 'year'), day::date) > 0",
    "list_extract([1], if(name = 'bob', 'x', '1')::integer) = 1",
    "repeat('x', number::integer) <> ''",
]


@pytest.fixture
def ann(house: Lake) -> Session:
    """A reader who sees the rows of one tenant."""
    owner = house.session()
    owner.run(PEOPLE)
    session = session_of(house, "ann", "reader", ())
    for granted in ("people", "*"):
        owner.run("select * from revoke_access('ann', ?)", [granted]) if _has(house, granted) else None
    owner.run("select * from grant_access('ann', 'people', filter := $$tenant = 'mine'$$)").rows()
    return session


def _has(lake: Lake, object: str) -> bool:
    return any(grant.object == object for grant in lake.profiles.get("ann").grants)


def grant(house: Lake, object: str, **what: Any) -> None:
    house.session().run(
        "select * from grant_access('ann', ?, filter := ?, columns := ?, masks := ?)",
        [object, what.get("filter"), what.get("columns"), what.get("masks")],
    ).rows()


def answer(session: Session, sql: str) -> str:
    try:
        return str(session.run(sql).rows())
    except LakehouseError as error:
        return str(error)


@pytest.mark.parametrize("predicate", FAILING)
@pytest.mark.parametrize(
    "frame",
    [
        "select count(*) as n from people where {p}",
        "select count(*) filter (where {p}) as n from people",
        "select count(*) as n from (select * from people) where {p}",
        "with q as (from people) select count(*) as n from q where {p}",
        "select count(*) as n from people as a join people as b on a.id = b.id and ({q})",
        "select count(*) as n from (select *, row_number() over () as r from people qualify {p})",
        "select count(*) as n from people group by all having count(*) > 0 and count(*) filter (where {p}) >= 0",
        "select sum(case when {p} then 1 else 0 end)::bigint as n from people",
        "select count(*) as n from (select * from people order by id limit 10) where {p}",
    ],
)
def test_an_expression_is_never_evaluated_on_a_hidden_row(ann: Session, predicate: str, frame: str) -> None:
    named = predicate
    for column in ("number", "document", "day", "divisor", "name"):
        named = named.replace(column, f"a.{column}")
    found = answer(ann, frame.replace("{p}", predicate).replace("{q}", named))
    assert "bob" not in found
    assert "not a" not in found
    assert "theirs" not in found
    assert "'n': 2" in found


SAME = [
    "from {t}", "select count(*) from main.{t}", 'from "primary".main.{t}', 'from "primary".{t}', "describe {t}",
    "summarize {t}", "with x as (from {t}) from x", "from people join {t} on true", "select (select count(*) from {t})",
    "from {t} at (version => 1)", "explain from {t}", "select {t}.secret from people",
]  # fmt: skip


@pytest.mark.parametrize("sql", SAME)
def test_what_is_hidden_cannot_be_told_from_what_does_not_exist(house: Lake, ann: Session, sql: str) -> None:
    house.session().run("create or replace table hidden_one as select 'x' as secret")
    found = answer(ann, sql.replace("{t}", "hidden_one"))
    assert found == answer(ann, sql.replace("{t}", "missing_on")).replace("missing_on", "hidden_one")
    assert found.startswith("["), found


def test_hidden_corpora_look_like_missing_ones(house: Lake, ann: Session) -> None:
    owner = house.session()
    owner.run("select * from create_corpus('hid_corpus', source := 'people', id := 'id', text := 'name')").rows()
    for sql in (
        "from matrix_search('ada', corpora := ['{c}'])",
        "from ask('ada', corpora := ['{c}'])",
        "select * from matrix_search('ada', weights := {'{c}': 2.0})",
    ):
        hidden, missing = (answer(ann, sql.replace("{c}", name)) for name in ("hid_corpus", "mis_corpus"))
        assert hidden == missing.replace("mis_corpus", "hid_corpus")
        assert "NOT_FOUND" in hidden or "INVALID" in hidden
    owner.run("select * from drop_corpus('hid_corpus')").rows()


def test_a_corpus_in_part_answers_as_one_of_that_part(house: Lake, ann: Session) -> None:
    """Ranks, scores by words, counts: nothing of the hidden documents shows."""
    owner = house.session()
    owner.run(
        "create or replace table papers as select i as id, if(i % 3 = 0, 'mine', 'theirs') as tenant, "
        "'paper ' || i || ' on ' || if(i % 2 = 0, 'welding', 'nursing') "
        "|| if(i % 3 = 0, ' here', ' welding there') as text "
        "from range(60) as r(i)"
    )
    for name, source in (("papers", "papers"), ("own", "select * from papers where tenant = 'mine'")):
        owner.run(
            "select * from create_corpus(?, source := ?, id := 'id', text := 'text', metadata := ['tenant'])",
            [name, source],
        ).rows()
    grant(house, "papers", filter="tenant = 'mine'")
    grant(house, "own")
    shown = "_rank, id, content, metadata, _distance"
    for function in ("vector_search", "hybrid_search", "matrix_search"):
        rows = [
            ann.run(f"select {shown} from {function}(?, corpora := [?])", [question, corpus]).rows()
            for question in ("welding here", "paper 12")
            for corpus in ("papers", "own")
        ]  # fmt: skip
        assert rows[0] == rows[1]
        assert rows[2] == rows[3]
    corpora = ann.run("select rows, chunks, source from lake.corpora where corpus = 'papers'").rows()
    assert corpora == [{"rows": None, "chunks": None, "source": None}]
    for name in ("papers", "own"):
        owner.run("select * from drop_corpus(?)", [name]).rows()
        owner.run("select * from revoke_access('ann', ?)", [name]).rows()


def test_masks(house: Lake, ann: Session) -> None:
    grant(
        house,
        "people",
        masks={"name": "hash", "number": "null", "day": "mask(4, 0)", "tenant": "mask(0,1)"},
    )
    rows = ann.run("select name, number, day, tenant, typeof(number) as kind from people order by id").rows()
    assert [row["number"] for row in rows] == [None, None, None]
    assert [row["day"] for row in rows] == ["2020******", "not ******", "2020******"]
    assert [row["tenant"] for row in rows] == ["***e", "*****s", "***e"]
    assert {len(str(row["name"])) for row in rows} == {64}
    assert rows[0]["kind"] == "VARCHAR"
    assert ann.run("select count(*) as n from people where name = 'ada'").rows() == [{"n": 0}]
    described = {row["column_name"]: row["column_type"] for row in ann.run("describe people").rows()}
    assert described["name"] == "VARCHAR"


@pytest.mark.parametrize(
    ("value", "mask", "shown"),
    [
        ("1234567890", "mask(2, 3)", "12*****890"),
        ("12345", "mask(2, 3)", "***"),
        ("1", "mask(0, 0)", "*"),
        ("", "mask(0, 0)", "***"),
        (None, "mask(1, 1)", None),
        (None, "hash", None),
        ("x", "null", None),
        ("äöüß€", "mask(1, 1)", "ä***€"),
        ("x" * 500, "mask(1, 1)", "x" + "*" * 64 + "x"),
    ],
)
def test_a_mask_shows_what_it_says(guest: Session, value: str | None, mask: str, shown: str | None) -> None:
    sql = f"select {expression('v', 'VARCHAR', mask, 'key')} from (select cast(? as varchar) as v)"
    assert guest.run(sql, [value]).rows() == [{"v": shown}]


@pytest.mark.parametrize(
    ("object", "table", "matches"),
    [
        ("workers", ("primary", "main", "workers"), True),
        ("WORKERS", ("primary", "main", "Workers"), True),
        ("workers", ("primary", "sales", "workers"), False),
        ("primary", ("primary", "sales", "x"), True),
        ("primary.sales", ("primary", "sales", "x"), True),
        ("primary.sales", ("primary", "main", "sales"), False),
        ("primary.sales.x", ("primary", "sales", "x"), True),
        ("sales.x", ("primary", "sales", "x"), True),
        ("primary.sales.*", ("primary", "sales", "y"), True),
        ("primary.s*", ("primary", "sales", "y"), True),
        ("work*", ("primary", "main", "workers"), True),
        ("work*", ("primary", "sales", "workers"), False),
        ("*", ("primary", "sales", "y"), True),
        ('primary.main."a.b"', ("primary", "main", "a.b"), True),
        ('"a.b"', ("primary", "main", "a.b"), True),
        ("a.b", ("primary", "main", "a.b"), False),
    ],
)
def test_objects(object: str, table: tuple[str, str, str], matches: bool) -> None:
    assert read(object).is_table(*table) is matches


@pytest.mark.parametrize("object", ["", ".", "a..b", "a.b.c.d", "*.a", "a*b", "*a*", 'a".b', "a .. b"])
def test_an_object_that_is_no_name(object: str) -> None:
    with pytest.raises(LakehouseError, match="INVALID"):
        read(object)


def test_the_most_specific_grant_counts_alone(house: Lake, ann: Session) -> None:
    grant(house, "people", columns=["id"])
    grant(house, "*")
    assert ann.run("from people limit 1").rows() == [{"id": 1}]
    house.session().run("select * from revoke_access('ann', 'people')").rows()
    assert len(ann.run("from people").rows()) == 3
    house.session().run("select * from revoke_access('ann', '*')").rows()
    assert "does not exist" in answer(ann, "from people")


def test_a_new_table_is_seen_at_once_and_a_dropped_one_is_gone(house: Lake, ann: Session) -> None:
    owner = house.session()
    grant(house, "fresh_*")
    owner.run("create table fresh_one as select 1 as x")
    assert ann.run("from fresh_one").rows() == [{"x": 1}]
    owner.run("alter table fresh_one add column y integer")
    assert ann.run("from fresh_one").rows() == [{"x": 1, "y": None}]
    owner.run("drop table fresh_one")
    assert "does not exist" in answer(ann, "from fresh_one")
    owner.run("select * from revoke_access('ann', 'fresh_*')").rows()


def test_grants_outlive_a_restart_and_say_so(house: Lake, ann: Session) -> None:
    known = house.profiles.get("ann")
    assert type(house.profiles)(house).get("ann") == known


def test_a_view_shows_what_it_was_made_to_show(house: Lake, ann: Session) -> None:
    owner = house.session()
    owner.run("create or replace view counted as select count(*) as n from people")
    grant(house, "counted")
    assert ann.run("from counted").rows() == [{"n": 3}]
    owner.run("select * from revoke_access('ann', 'counted')").rows()


def test_an_editor_with_filters_makes_no_view(house: Lake) -> None:
    session_of(house, "eve", "editor", ("primary.main.eve_*",))
    house.session().run("select * from grant_access('eve', 'people', filter := $$tenant = 'mine'$$)").rows()
    eve = house.session("eve")
    assert "cannot make views" in answer(eve, "create view eve_view as from people")
    eve.run("create table eve_table as from people")
    assert len(eve.run("from eve_table").rows()) == 2
    assert "in part" in answer(eve, "delete from people")
    assert "in part" in answer(eve, "insert into people from people")
    assert "does not exist, or your profile may not make it" in answer(eve, "create table others as select 1")
    eve.run("drop table eve_table")


OF_FILES = """
from '{f}/x.csv'
from "{f}/x.csv"
select * from t, '{f}/x.csv' as y
from t join '{f}/x.csv' as y on true
describe '{f}/x.csv'
summarize '{f}/x.csv'
with q as (from '{f}/x.csv') from q
from read_csv('{f}/x.csv')
insert into t select 1, a from '{f}/x.csv'
insert into t select 1, a from "{f}/x.csv"
from glob('{f}/*')
create table u as from '{f}/x.csv'
delete from t using '{f}/x.csv' as y
from '{f}/*.csv'
from 'x.csv'
update t set b = (select a from '{f}/x.csv')
from sniff_csv('{f}/x.csv')
from 'file://{f}/x.csv'
merge into t using '{f}/x.csv' as y on true when matched then update set b = y.a
pivot '{f}/x.csv' on a
pivot_wider '{f}/x.csv' on a
unpivot '{f}/x.csv' on a
with q as (pivot '{f}/x.csv' on a) from q
pivot (from '{f}/x.csv') on a
update '{f}/x.csv' set a = 1
from parquet_metadata('{f}/x.parquet')
from read_text('{f}/x.csv')
explain from '{f}/x.csv'
"""


@pytest.mark.parametrize("role", ["reader", "contributor", "editor"])
def test_files_are_closed_to_everyone_below_admin(tmp_path: Path, role: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x.csv").write_text("a\nkept apart\n")
    (folder / "x.parquet").write_bytes(b"PAR1")
    lake = open_lake(tmp_path / "home", settings=FAST, allowed=[folder])
    lake.session().run("create table t as select 1 as a, 'x' as b")
    lake.session().run('create table "odd.csv" as select 2 as a')
    session = session_of(lake, "ann", role)
    for sql in OF_FILES.strip().splitlines():
        found = answer(session, sql.replace("{f}", str(folder)))
        assert found.startswith(("[NOT_FOUND]", "[FORBIDDEN]", "[INVALID]")), (sql, found)
        assert "kept apart" not in found
    assert session.run('from "odd.csv"').rows() == [{"a": 2}]
    assert session.run('select a as "t.a", b as "x/y" from t').rows() == [{"t.a": 1, "x/y": "x"}]
    lake.close()


def test_the_ledger_is_not_a_place_of_a_profile(house: Lake) -> None:
    session = session_of(house, "whole", "editor", ("primary",))
    for sql in ("use lakehouse", 'use "primary".lakehouse', "from lakehouse.ledger", 'use "primary"."LakeHouse"'):
        assert answer(session, sql).startswith("[NOT_FOUND]"), sql
    assert "NOT_FOUND" in answer(session, "from ledger")
