"""What EXPLAIN says of conditions that stand behind a search."""

import pytest

from engine.session import Session

CORPORA = "write matrix_search(…, corpora := […]) to search only what meets the condition on _corpus"


@pytest.fixture
def searched(session: Session) -> Session:
    """A session of a lake with one corpus."""
    session.run("create table t as select 'a' as id, 'night shift' as text, 'IL' as state")
    session.run("select * from create_corpus('c', source := 't', id := 'id', text := 'text')")
    return session


def advised(session: Session, sql: str) -> list[str]:
    rows = session.run(f"explain {sql}").rows()
    assert rows[0]["explain_key"] == "physical_plan"
    assert {row["explain_key"] for row in rows[1:]} <= {"advice"}
    return [str(row["explain_value"]).partition("; ")[0] for row in rows[1:]]


def test_a_condition_that_comes_too_late_is_told(searched: Session) -> None:
    assert advised(searched, "select * from matrix_search('night') where _corpus = 'c'") == [CORPORA]
    assert advised(searched, "select * from (select * from matrix_search('night')) where _corpus = 'c'") == [CORPORA]
    assert advised(searched, "select * from text_search('night') s where s.metadata ->> 'state' = 'IL'") == [
        "write text_search(…, filter := $$…$$) to search only what meets the condition on metadata"
    ]
    both = "select 1 from t, lateral matrix_search(t.text) as r where r.id <> 'a' and _distance < 0.5"
    assert sorted(one.partition("write ")[2].partition(" to search")[0] for one in advised(searched, both)) == [
        "matrix_search(…, filter := $$…$$ or exclude := […])",
        "matrix_search(…, min_relevance := …)",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from matrix_search('night', corpora := ['c'])",
        "select * from matrix_search('night') where content like '%shift%'",
        "select * from t where id = 'a'",
        "select 1 from t, lateral matrix_search(t.text) as r where t.id = 'a' and state = 'IL'",
        "delete from t where id = 'a'",
        "select 1 as id where id = 1",
    ],
)
def test_nothing_is_told_where_nothing_comes_too_late(searched: Session, sql: str) -> None:
    assert advised(searched, sql) == []


def test_explain_analyze_tells_it_too(searched: Session) -> None:
    rows = searched.run("explain analyze select * from matrix_search('night') where _corpus = 'c'").rows()
    assert [row["explain_key"] for row in rows] == ["analyzed_plan", "advice"]
