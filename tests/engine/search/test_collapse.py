"""One row for each value of a column: as if a search that shows everything were folded by hand."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.errors import Invalid
from engine.lake import Lake
from engine.search import matrix
from tests.engine.search.indexed import WORDS, corpus, open_small

ROWS = 600
SEARCHES = ["vector_search", "text_search", "hybrid_search", "matrix_search"]
QUESTIONS = ["night forklift", "weld steel", "cold pallet order crane", "nurse"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Two corpora with a column `part` of ten values, and one without it."""
    opened = open_small(tmp_path_factory.mktemp("collapse"))
    session = opened.session()
    corpus(session, "one", ROWS)
    corpus(session, "other", ROWS)
    session.run("create table plain as select id, text from one limit 50")
    session.run("select * from create_corpus('plain', source := 'plain', id := 'id', text := 'text')")
    yield opened
    opened.close()


def value(row: dict[str, object]) -> object:
    return json.loads(str(row["metadata"])).get("part")


@pytest.mark.parametrize("function", SEARCHES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_first_of_each_value_is_there_and_no_other(lake: Lake, function: str, question: str) -> None:
    session = lake.session()
    all_rows = ", per_corpus_k := NULL" if function == "matrix_search" else ""
    sql = f"select * from {function}(?, corpora := ['one', 'other'], k := $k{all_rows}$more)"
    everything = session.run(sql.replace("$k", "100").replace("$more", ""), [question]).rows()
    firsts = {value(row): row["id"] for row in reversed(everything)}
    found = session.run(sql.replace("$k", "5").replace("$more", ", collapse := 'part'"), [question]).rows()
    assert [row["_rank"] for row in found] == [1, 2, 3, 4, 5]
    assert len({value(row) for row in found}) == 5
    expected = [row for row in everything if firsts[value(row)] == row["id"]]
    assert [row["id"] for row in found] == [row["id"] for row in expected[:5]]
    assert all(json.loads(str(row["_explain"]))["collapsed"] > 0 for row in found)


@pytest.mark.parametrize("function", SEARCHES)
def test_a_list_is_made_longer_until_it_has_enough_values(lake: Lake, function: str) -> None:
    session = lake.session()
    sql = f"select count(*) as n, count(distinct metadata ->> 'part') as parts from {function}(?, k := 10, $more)"
    more = "collapse := 'part', filter := $$part < 7 or id > 'd000590'$$"
    more += ", per_corpus_k := NULL" if function == "matrix_search" else ""
    assert session.run(sql.replace("$more", more), [" ".join(WORDS)]).rows() == [{"n": 10, "parts": 10}]


def test_what_has_no_value_stands_for_itself(lake: Lake) -> None:
    session = lake.session()
    rows = session.run("select * from vector_search('night shift', k := 40, collapse := 'part')").rows()
    corpora = [row["_corpus"] for row in rows]
    assert corpora.count("plain") == 30
    assert len(rows) == 40


def test_no_corpus_with_such_a_column_is_an_error(lake: Lake) -> None:
    session = lake.session()
    with pytest.raises(Invalid, match=r"no corpus has a column 'prt' to collapse; did you mean 'part'"):
        session.run("select * from matrix_search('night', corpora := ['one'], collapse := 'prt')")
    with pytest.raises(Invalid, match="a column 'part'"):
        session.run("select * from matrix_search('night', corpora := ['plain'], collapse := 'part')")


@pytest.mark.parametrize("function", SEARCHES)
def test_questions_together_are_answered_as_each_alone(lake: Lake, function: str) -> None:
    session = lake.session()
    texts = [f"{WORDS[at]} {WORDS[-at]}" for at in range(1, 9)]
    session.load(pa.table({"text": texts}).to_reader(), f"asked_{function}", mode="create")
    search = f"{function}($question, k := 12, collapse := 'part', filter := $$part < 9 or id > 'd000500'$$)"
    together = session.run(
        f"select q.text, r.* from asked_{function} q, lateral {search.replace('$question', 'q.text')} r order by 1, 2"
    ).rows()
    alone = [
        {"text": text, **row}
        for text in sorted(texts)
        for row in session.run(f"select * from {search.replace('$question', '?')}", [text]).rows()
    ]
    assert together == alone


def test_a_masked_value_is_what_counts(lake: Lake) -> None:
    """Documents whose value is hidden from somebody are all alike to him."""
    admin = lake.session()
    admin.run("select * from create_profile('ann', role := 'reader')")
    admin.run("select * from grant_access('ann', 'one', masks := {'part': 'null'})")
    admin.run("select * from create_profile('bob', role := 'reader')")
    admin.run("select * from grant_access('bob', 'one', columns := ['id'])")
    ann, bob = (lake.session(profile=name) for name in ("ann", "bob"))
    sql = "select id from vector_search('night', corpora := ['one'], k := 20, collapse := 'part')"
    assert len(admin.run(sql).rows()) == 10
    assert len(ann.run(sql).rows()) == 20
    with pytest.raises(Invalid, match="a column 'part'"):
        bob.run(sql)


def test_a_list_is_not_made_longer_than_is_bounded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "DEEPEST", 100)
    sql = "select id from vector_search('night', k := 10, collapse := 'part', filter := $$part < 2 or id > 'd000598'$$)"
    assert len(lake.session().run(sql).rows()) < 4


@pytest.mark.parametrize("function", SEARCHES)
def test_nothing_is_found_where_nothing_matches(lake: Lake, function: str) -> None:
    session = lake.session()
    sql = f"select * from {function}('night', collapse := 'part', filter := 'part > 99', corpora := $corpora)"
    assert session.run(sql.replace("$corpora", "['one', 'other']")).rows() == []
