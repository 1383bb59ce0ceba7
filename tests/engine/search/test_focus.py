"""A search with a file in focus: what is about code that the file only imports does not reach the best rows."""

import json
from pathlib import Path

import pytest

from engine.errors import Invalid, TimedOut
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST
from tests.engine.models.fake_endpoint import running

CONTENT = "use catalogd::Registry;\npub struct Connector { limit: u32 }\n"
CHUNKS = [
    ("crates/catalogd/src/registry.rs", "Registry registers tables: pub struct Registry opens the pool of tables"),
    ("crates/queryd/src/pool.rs", "the pool that is opened: Connector opens the pool of a table"),
    ("docs/pool.md", "how a pool of tables is opened, registered and closed"),
]
QUESTION = "what registers tables in the pool of tables?"
FOCUS = "{'path': 'crates/queryd/src/db.rs', 'content': $$" + CONTENT + "$$}"
SEARCH = "select id, _explain -> '$.relevance' as relevance from matrix_search(?{})"


@pytest.fixture
def code(session: Session) -> Session:
    """A session with a corpus of three chunks, of which the first two are nearest to the question."""
    fill(session)
    return session


def fill(session: Session) -> None:
    rows = ", ".join(f"({at}, '{path}', '{text}')" for at, (path, text) in enumerate(CHUNKS))
    session.run(f"create table chunks as from (values {rows}) as chunk(id, path, text)")
    session.run("select * from create_corpus('code', source := 'chunks', id := 'id', text := 'text')")


def found(session: Session, options: str = "") -> list[object]:
    return [row["id"] for row in session.run(SEARCH.format(options), [QUESTION]).rows()]


def test_what_the_focus_only_imports_is_left_out(code: Session) -> None:
    assert len(found(code)) == 3
    assert found(code, ", focus := null") == found(code)
    assert found(code, f", focus := {FOCUS}") == ["1"]
    (row,) = code.run(SEARCH.format(f", focus := {FOCUS}"), [QUESTION]).rows()
    told = json.loads(str(row["relevance"]))
    assert told["defined"] == ["Connector"]
    assert told["score"] == pytest.approx(0.9 + 0.4 * told["jaccard"], abs=1e-5)
    scored = code.run(
        f"select score, kept from relevance({FOCUS}, (select list({{'source': path, 'content': text, 'id': id}} "
        "order by id) from chunks))"
    ).rows()
    assert [row["kept"] for row in scored] == [False, True, False]
    assert scored[1]["score"] == pytest.approx(told["score"], abs=1e-6)


def test_it_takes_no_place_among_the_best(code: Session) -> None:
    assert found(code, ", k := 1") == ["0"]
    assert found(code, f", k := 1, focus := {FOCUS}") == ["1"]
    code.run("select * from playbook_record(?, 'code', '0', 1.0)", [QUESTION])
    assert found(code, f", k := 1, focus := {FOCUS}") == ["1"]
    assert found(code, ", focus := {'path': 'docs/pool.md'}")[0] == "2"


def test_many_questions_have_one_focus(code: Session) -> None:
    rows = code.run(
        f"select q, list(id) as ids from (values ('{QUESTION}'), ('Connector'), (null)) as asked(q), "
        f"lateral matrix_search(q, focus := {FOCUS}) group by q order by q"
    ).rows()
    assert rows == [{"q": "Connector", "ids": ["1"]}, {"q": QUESTION, "ids": ["1"]}]


@pytest.mark.parametrize(
    ("focus", "said"),
    [
        ("{'content': 'words'}", "the focus has no path and defines no symbols; give {'path': …, 'content': …}"),
        ("'who opens the pool?'", "the focus has no path and defines no symbols"),
        ("{'imported_symbols': ['Registry']}", "the focus has no path and defines no symbols"),
        ("{'file': 'a.py'}", "the focus has an unknown field 'file'"),
        ("{'path': repeat('a/', 3000)}", "focus.path is longer than 4096 characters"),
        ("[1]", "the focus is neither a text nor an object"),
        ("(repeat('[', 3000) || repeat(']', 3000))::json", "the focus is not JSON: it nests more than 200 deep"),
    ],
)
def test_a_focus_that_tells_nothing_is_refused(code: Session, focus: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        found(code, f", focus := {focus}")
    assert said in str(caught.value)


@pytest.mark.parametrize(("knob", "value", "kept"), [("FILTER", "0", 3), ("THRESHOLD", "-1", 3), ("THRESHOLD", "2", 0)])
def test_the_knobs_of_the_filter_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knob: str, value: str, kept: int
) -> None:
    monkeypatch.setenv(f"LH_RELEVANCE_{knob}", value)
    lake = open_lake(tmp_path / "home", settings=FAST)
    session = lake.session()
    fill(session)
    assert found(session, f", focus := {FOCUS}") == found(session)[:kept]
    rows = session.run(SEARCH.format(f", focus := {FOCUS}"), [QUESTION]).rows()
    assert all((json.loads(str(row["relevance"])).get("filter") == "off") is (knob == "FILTER") for row in rows)
    lake.close()


def test_it_can_be_cancelled(code: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.search.relevance.stage.score", lambda *_: code.cancel("it"))
    with pytest.raises(TimedOut):
        code.run(SEARCH.format(f", focus := {FOCUS}"), [QUESTION], statement_id="it").rows()


def many(session: Session, about: int, foreign: int) -> None:
    """A corpus of chunks that are nearer to the question the more foreign they are."""
    session.run(
        f"create table files as select i as id, if(i < {about}, 'crates/queryd/src/pool.rs', 'docs/pool.md') as path, "
        f"if(i < {about}, 'Connector ' || i, 'registers tables in the pool of tables ' || i) as text "
        f"from range({about + foreign}) as r(i)"
    )
    session.run("select * from create_corpus('files', source := 'files', id := 'id', text := 'text')")


def test_lists_are_made_longer_until_enough_is_about_the_focus(session: Session) -> None:
    many(session, about=30, foreign=300)
    search = (
        "select id from matrix_search(?, k := 20, per_corpus_k := ?, focus := {'path': 'crates/queryd/src/pool.rs'})"
    )
    for each, expected in ((None, 20), (6, 6)):
        assert len(session.run(search, [QUESTION, each]).rows()) == expected


def test_a_judge_is_asked_of_what_is_about_the_focus_alone(tmp_path: Path) -> None:
    with running() as fake:
        judge = {"models.endpoints": [fake.url], "judge.model": f"ollama:{fake.url}#judge"}
        lake = open_lake(tmp_path / "home", settings={**FAST, **judge})
        session = lake.session()
        fill(session)
        for id in ("0", "1"):
            session.run("select * from playbook_record(?, 'code', ?, 1.0)", [QUESTION, id])
        fake.says = lambda prompt: "5"
        for mode in ("robust", "classic"):
            assert found(session, f", k := 1, playbook := '{mode}', focus := {FOCUS}") == ["1"]
        assert not any("Registry registers" in prompt for prompt in fake.prompts)
        lake.close()


def test_a_masked_path_tells_nothing(code: Session, lake: Lake) -> None:
    code.run("select * from create_profile('guest', role := 'reader')")
    code.run("select * from grant_access('guest', 'code', masks := {'path': 'null'})")
    focus = ", focus := {'path': 'docs/pool.md'}"
    assert found(code, focus) == ["2"]
    assert found(lake.session("guest"), focus) == []
