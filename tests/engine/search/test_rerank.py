"""Reranking through SQL: the built-in model, what is refused, and an endpoint that is configured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Busy, Internal, Invalid, LakehouseError
from engine.lake import Lake
from engine.search.rerank import lexical, local
from engine.session import Session
from lakehouse import open_lake
from tests.engine.models.fake_endpoint import Fake, running

TEXTS = {
    "a": "A welder with a day shift.",
    "b": "The night nurse works in a hospital.",
    "c": "Forklift operator, night shift, with a forklift card.",
    "d": "Forklift card of an operator who never worked a night and never had a shift.",
}
SQL = "select id, content, _rank, _score from rerank(?, ?, ?, k := ?)"


def ranked(session: Session, question: str | None, ids: object, contents: object, k: int = 10) -> list[str]:
    return [str(row["id"]) for row in session.run(SQL, [question, ids, contents, k]).rows()]


def test_meaning_words_and_words_that_stand_together_decide(session: Session) -> None:
    rows = session.run(SQL, ["forklift operator night shift", list(TEXTS), list(TEXTS.values()), 3]).rows()
    assert [row["id"] for row in rows][:2] == ["c", "d"]
    assert [row["_rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["content"] == TEXTS["c"]
    scores = [float(str(row["_score"])) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_pairs_count_only_when_they_stand_near() -> None:
    together, apart = lexical(["night", "shift"], [["night", "shift"], ["night", *"abcdef", "shift"]])
    assert together > apart
    near, far = lexical(["night", "shift"], [["night", "a", "b", "shift"], ["night", "a", "b", "c", "shift"]])
    assert near - far > 1 / 6 - 0.1
    assert lexical([], [["night"]]).tolist() == [0.0]


def test_the_order_given_matters_for_equal_texts_only(lake: Lake, session: Session) -> None:
    assert ranked(session, "night", ["y", "x", "z"], ["night shift", "night shift", "a day"]) == ["y", "x", "z"]
    texts = list(TEXTS.values())
    forward, backward = local(lake, "night nurse", texts), local(lake, "night nurse", texts[::-1])
    assert forward.tolist() == backward[::-1].tolist()


def test_it_follows_a_search(session: Session) -> None:
    rows = ", ".join(f"('{id}', '{content}')" for id, content in TEXTS.items())
    session.run(f"create table people as select * from (values {rows}) as p(id, body)")
    session.run("select * from create_corpus('people', source := 'people', id := 'id', text := 'body')")
    sql = """
        select q.text, r.id, r._rank
        from (values ('night nurse'), ('forklift card'), ('xylophone')) as q(text),
            lateral (select list(id) as ids, list(content) as contents from text_search(q.text, k := 50)) as s,
            lateral rerank(q.text, s.ids, s.contents, k := 1) as r
        order by 1
    """
    assert [(row["text"], row["id"]) for row in session.run(sql).rows()] == [
        ("forklift card", "c"),
        ("night nurse", "b"),
    ]


@pytest.mark.parametrize(("ids", "contents"), [(None, None), ([], []), (None, []), ([], None)])
def test_nothing_to_rank_is_no_row(session: Session, ids: object, contents: object) -> None:
    assert ranked(session, "night", ids, contents) == []


def test_no_question_is_no_row(session: Session) -> None:
    assert ranked(session, None, ["a"], ["night"]) == []


@pytest.mark.parametrize(
    ("question", "ids", "contents", "k", "said"),
    [
        ("x", ["a", "b"], ["one"], 1, "there are 2 ids and 1 contents; pass one content for each id"),
        ("x", None, ["one"], 1, "there are 0 ids and 1 contents"),
        ("x", ["a", None], ["one", "two"], 1, r"ids\[2\] is NULL"),
        ("x", ["a", "b"], [None, "two"], 1, r"contents\[1\] is NULL"),
        ("x", ["a", "a"], ["one", "two"], 1, "the id 'a' stands twice"),
        ("x", ["a"], ["one"], 0, "k is 0"),
        (" ", ["a"], ["one"], 1, "the question is empty"),
    ],
)
def test_what_does_not_fit_is_refused(
    session: Session, question: str, ids: object, contents: object, k: int, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        ranked(session, question, ids, contents, k)


def test_how_many_is_a_setting(session: Session) -> None:
    sql = "select * from rerank('x', list_transform(range({0}), i -> i::varchar), list_transform(range({0}), i -> 'x'))"
    assert len(session.run(sql.format(1000)).rows()) == 10
    with pytest.raises(Invalid, match="there are 10000 contents; 1000 may be reranked"):
        session.run(sql.format(10_000))


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


@pytest.fixture
def remote(fake: Fake, tmp_path: Path) -> Iterator[Lake]:
    base = f"{fake.url}/v1"
    settings = {
        "models.embedder": "hash:64", "models.endpoints": [base], "models.rerank": [f"jina:{base}#vendor/small"],
        "models.request_tries": 1,
    }  # fmt: skip
    opened = open_lake(tmp_path / "home", settings=settings)
    yield opened
    opened.close()


def test_a_configured_model_answers_and_is_recorded(remote: Lake) -> None:
    session = remote.session()
    assert ranked(session, "welder", list(TEXTS), list(TEXTS.values()), 2) == ["d", "c"]  # the fake likes long texts
    recorded = session.run("select model, purpose, texts, outcome from lake.calls").rows()
    assert recorded == [{"model": "vendor/small", "purpose": "rerank", "texts": 4, "outcome": "ok"}]
    local = session.run(
        "select id from rerank('welder', ['a', 'b'], ['A nurse.', 'A welder.'], model := 'local')"
    ).rows()
    assert [row["id"] for row in local] == ["b", "a"]


@pytest.mark.parametrize(("plan", "error"), [("500", Busy), ("twice", Internal), ("few", Internal)])
def test_a_model_that_fails_is_not_replaced(remote: Lake, fake: Fake, plan: str, error: type[LakehouseError]) -> None:
    fake.plan = [plan]
    with pytest.raises(error, match="the endpoint"):
        ranked(remote.session(), "welder", list(TEXTS), list(TEXTS.values()), 2)
