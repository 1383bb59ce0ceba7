"""A statement that comes again runs by its plan, and answers what it answered without one."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import duck
from engine.cursors import Held
from engine.errors import Invalid, LakehouseError, TimedOut
from engine.guard import Checked, check
from engine.lake import Lake
from engine.parameters import Parameters
from engine.plans import KEPT, shape_of
from engine.session import Session
from engine.statement import Result
from tests.engine.patience import Task, until

TIMES = 4  # new, seen and planned, planned, planned
Answer = tuple[list[str], list[dict[str, object]]]
SEARCHES = frozenset({"vector_search", "text_search", "hybrid_search", "matrix_search"})


@pytest.fixture(scope="module")
def asked(house: Lake) -> Session:
    session = house.session()
    session.run(
        "create or replace table planned as select 'd' || i as id, ['forklift', 'night shift', 'it''s'][1 + i % 3] "
        "|| ' ' || i as text, i as number, if(i % 2 = 0, 'even', 'odd') as parity from range(30) as r(i)"
    )
    session.run("select * from create_corpus('planned', source := 'planned', id := 'id', text := 'text')").read_all()
    return session


def plans(lake: Lake) -> list[str]:
    """What the free cursors of the annex have a plan for."""
    return [text for held in free(lake) for text, name in held.plans._names.items() if name]


def free(lake: Lake) -> list[Held]:
    return list(lake.annex.cursors(lake.check("select * from vector_search('x')"))._free)


@pytest.mark.parametrize(
    ("sql", "values", "has_plan"),
    [
        ("select * from vector_search(?, k := ?)", [["forklift", 3], ["it's", 2], ["night ''shift''", 1]], True),
        ("select id, _rank from vector_search($q, k := $k)", [{"q": "a", "k": 3}, {"q": "b", "k": 5}], True),
        ("select id from text_search($2, k := $1)", [[3, "forklift"], [1, "night shift"]], True),
        ("select id from hybrid_search(?, alpha := ?)", [["shift", 0.25], ["forklift", 1.0]], True),
        ("select id from vector_search(?, exact := ?)", [["shift", True], ["forklift", False]], True),
        ("select id from text_search('shift', filter := ?)", [["number < 9"], [None], [None]], True),
        ("select id from text_search(?)", [[None], ["shift"], [None]], True),
        ("select ?, id from text_search(?)", [["x", "shift"], ["y", "forklift"]], False),
        ("select $1, id from text_search($1)", [["shift"], ["forklift"]], False),
        ("select $2 as b, id from text_search($2, filter := $1)", [["number < 9", "shift"]], False),
        ("select id from text_search(?) where 'a' = ?", [["shift", "a"], ["shift", "b"]], False),
        ("select id from vector_search(?)", [[[0.1] * 256], [[0.2] * 256]], False),
        ("select count(*) as n from text_search(?, k := ?) /* ? */", [["shift", 3]], False),
        ("select now() > '2020-01-01' as n, id from text_search(?)", [["shift"], ["forklift"]], True),
        ("select id, '?' as mark from text_search(?) where id <> '$1'", [["shift"], ["forklift"]], True),
        ("select len(content) as n from text_search(?[1:8])", [["forklift truck"]], True),
    ],
)  # fmt: skip
def test_parameters(asked: Session, house: Lake, sql: str, values: list[Parameters], has_plan: bool) -> None:
    before = set(plans(house))
    expected = [elsewhere(asked, sql, one) for one in values]
    for _ in range(TIMES):
        assert [answer(asked.run(sql, one)) for one in values] == expected
    assert bool(set(plans(house)) - before) is has_plan


def elsewhere(session: Session, sql: str, values: Parameters | None = None) -> Answer:
    """The answer of the other instance, where transactions run and there are no plans."""
    transaction = session.begin()
    try:
        return answer(session.run(sql, values, transaction=transaction))
    finally:
        session.rollback(transaction)


def answer(result: Result) -> Answer:
    table = result.read_all()
    return table.column_names, table.to_pylist()


@pytest.mark.parametrize(
    "sql",
    [
        "select id, _score from text_search('{}')",
        "select id, _score from text_search(query := '{}', k := 3)",
        "select id, \"_score\" from \"text_search\"('{}', filter := 'number < 20') where id < 'd2' order by 1",
        "select id, _score from (select * from text_search('{}')) union all select 'x', 1.5",
        "select id, _score from text_search(upper('{}'))",
        "select id, _score from text_search('{}' || ' 7')",
        "select id, _score from text_search($${}$$)",
        "select id, _score from text_search('{}'\n' 7')",
        "select id, _score from text_search(e'{}')",
        "with t as (from text_search('{}', k := 2)) select id, _score from t",
    ],
)
def test_texts_are_values_too(asked: Session, sql: str) -> None:
    for word in ("forklift", "night", "shift 7", "é", "forklift", "a ? b", "$1"):
        written = sql.format(word)
        assert answer(asked.run(written)) == elsewhere(asked, written)


def test_a_plan_is_for_all_texts(asked: Session, house: Lake) -> None:
    for word in ("forklift", "it''s", "shift", "night"):
        asked.run(f"select id as only_here from text_search('{word}', k := 3)").read_all()
    of_it = [text for text in plans(house) if "only_here" in text]
    assert of_it == ["select id as only_here from text_search(($1::varchar), k := 3)"]


def test_what_acts_acts_once(asked: Session) -> None:
    for at in range(TIMES):
        row = ["how to lift?", "planned", f"d{at}", 1.0]
        asked.run("select * from playbook_record(?, ?, ?, ?)", row).read_all()
        assert asked.run("select count(*) as n from lake.playbooks").rows() == [{"n": at + 1}]
    for at in range(TIMES):
        asked.run("select * from playbook_retract(?, ?, ?)", ["how to lift?", "planned", f"d{at}"]).read_all()
    assert asked.run("select count(*) as n from lake.playbooks").rows() == [{"n": 0}]


def test_errors_are_those_of_a_statement_without_a_plan(asked: Session) -> None:
    for _ in range(TIMES):
        with pytest.raises(Invalid, match="k is 0"):
            asked.run("select id from text_search(?, k := ?)", ["x", 0]).read_all()
        with pytest.raises(Invalid, match="k is 0"):
            asked.run("select id from text_search('x', k := 0)").read_all()
        with pytest.raises(LakehouseError, match="nonsense"):
            asked.run("select nonsense from text_search(?)", ["x"]).read_all()
        with pytest.raises(LakehouseError):
            asked.run("select id from text_search(?)", ["x", "y"]).read_all()
        with pytest.raises(LakehouseError):
            asked.run("select id from text_search(?, k := ?)", ["x"]).read_all()
        assert len(asked.run("select id from text_search(?, k := ?)", ["shift", 2]).rows()) == 2


@pytest.mark.parametrize("values", [[], ["x"], ["x", 1, 2], {"1": "x"}, {"1": "x", "2": 1, "3": 2}, {"a": "x", "b": 1}])
def test_too_few_or_too_many_values_are_no_nulls(asked: Session, house: Lake, values: Parameters) -> None:
    sql = "select id as counted from text_search(?, k := ?)"
    for _ in range(TIMES):
        for usual in (["shift", 2], ["shift", None], [None, 2], [None, None]):
            asked.run(sql, usual).read_all()
    assert len([text for text in plans(house) if "counted" in text]) == 4
    with pytest.raises(LakehouseError):
        asked.run(sql, values).read_all()


def test_it_can_be_cancelled(asked: Session, house: Lake) -> None:
    endless = "lateral range(len(t.id) * 1_000_000_000_000) as r(i)"
    sql = f"select count(*) as endless from text_search(?, filter := ?) as t, {endless} where hash(i) = 1"
    for _ in range(TIMES):
        assert asked.run(sql, ["shift", "false"]).rows() == [{"endless": 0}]
    assert any("endless" in text for text in plans(house))
    task = Task(lambda: asked.run(sql, ["shift", "true"], statement_id="endless").rows())
    until(lambda: any(one.statement_id == "endless" for one in house.running.values()) or task.done)
    time.sleep(0.1)
    started = time.monotonic()
    asked.cancel("endless")
    with pytest.raises(TimedOut):
        task.result()
    assert time.monotonic() - started < 1


def test_plans_are_few(asked: Session, house: Lake) -> None:
    for at in range(KEPT + 8):
        for _ in range(2):
            asked.run(f"select id as column_{at} from text_search(?)", ["shift"]).read_all()
    for held in free(house):
        (made,) = held.cursor.execute("select count(*) from duckdb_prepared_statements()").fetchone() or (0,)
        assert made <= KEPT
        assert len(held.plans._names) <= KEPT
    assert any(f"column_{KEPT + 7}" in text for text in plans(house))


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("from text_search('a''b')", "from text_search(($1::varchar))"),
        ("from text_search('a', corpora := ['b'])", "from text_search(($1::varchar), corpora := ['b'])"),
        ("from text_search(lower('a'), k=>'1')", "from text_search(lower('a'), k=>($1::varchar))"),
        ("from text_search('a' || 'b') where 'c' = 'd'", "from text_search('a' || 'b') where 'c' = 'd'"),
        ("from read_csv('a')", "from read_csv('a')"),
        ("from text_search('\N{NO-BREAK SPACE}')", None),
    ],
)
def test_the_text_of_a_plan(sql: str, text: str | None) -> None:
    shape = shape_of(sql, SEARCHES, ())
    filled = shape.filled(None) if shape else None
    assert (filled and filled[0]) == text


PIECES = (
    "text_search(", "vector_search(", "len(", ")", "[", "]", "{", "}", "'a'", "'it''s'", "'", '"', "?", "$1", "$q", ",",
    ":=", "=>", "--", "\n", "/*", "*/", "select", "from", " ", "é", "$$", "x", "e'a'", "1",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=16), st.sampled_from(["", " "]))
def test_any_text_has_its_form_or_none(pieces: list[str], between: str) -> None:
    text = f"from text_search({between.join(pieces)})"
    shape = shape_of(text, SEARCHES, ())
    if shape is not None:
        slots = [duck.literal(slot.text or "") for slot in shape.slots]
        assert "".join(chain.from_iterable(zip_longest(shape.between, slots, fillvalue=""))) == text


TEXTS = (
    "forklift",
    "it's",
    "control.journal",
    "/etc/passwd",
    "'; drop table planned; --",
    "select 1; select 2",
    "((",
    "?",
)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from text_search({})",
        "select * from vector_search({}, filter := {})",
        "select count(*) from text_search({}) as a, hybrid_search({}) as b",
        "select * from text_search({}) where len(repeat(content, 1000)) > 1",
        "select * from text_search({}), planned",
        "select * from text_search({}), control.journal",
        "select * from text_search({}), read_csv('x.csv')",
        "select * from text_search({}) where id = getenv({})",
        "select * from playbook_record({}, {}, {}, 1.0)",
        "select * from answers({})",
        "select nonsense from text_search({}, k := 3, k := 4)",
        "explain select * from text_search({})",
        "select * from ingest({}, {})",
    ],
)
def test_the_check_of_a_form_is_that_of_each_of_its_texts(asked: Session, house: Lake, sql: str) -> None:
    asked.run("select id from text_search('shift')").read_all()  # the annex is there
    for text in TEXTS:
        written = sql.replace("{}", duck.literal(text))
        assert told(lambda: house._check(written)) == told(lambda: alone(house, written)), written  # noqa: B023


def alone(lake: Lake, sql: str) -> Checked:
    with lake.cursor() as cursor:
        return replace(check(cursor, sql, lake.known, lake.config.engine.statement_bytes), text=sql)


def told(work: Callable[[], Checked]) -> Checked | str:
    try:
        return work()
    except LakehouseError as error:
        return str(error)


def test_a_text_that_must_not_reach_the_parser_is_refused_in_a_known_form(asked: Session) -> None:
    for _ in range(TIMES):
        asked.run("select id from text_search('shift')").read_all()
        for text in ("(" * 5000, "a\0b", "\ud800"):
            with pytest.raises(Invalid):
                asked.run(f"select id from text_search('{text}')")
