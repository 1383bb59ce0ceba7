"""Questions from a table: one statement answers them together as it would one by one, for a part of the CPU time."""

import json
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from engine.lake import Lake
from engine.session import Session
from tests.engine.search.indexed import WORDS, corpus, open_small

QUESTIONS, ALONE, ROWS = 2000, 100, 500
SEARCHES = ["vector_search", "hybrid_search", "matrix_search"]
TIMES = 5.0  # see decision 0020 for what is usual


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Two corpora, and a table of questions of which no two are equal."""
    opened = open_small(tmp_path_factory.mktemp("batches"))
    session = opened.session()
    for name in ("one", "other"):
        corpus(session, name, ROWS)
    count = len(WORDS)
    texts = [f"{WORDS[at % count]} {WORDS[at // count % count]} {WORDS[at // count**2]}" for at in range(QUESTIONS)]
    session.load(pa.table({"number": range(QUESTIONS), "text": texts}).to_reader(), "questions", mode="create")
    yield opened
    opened.close()


def together(session: Session, function: str, limit: int) -> list[dict[str, object]]:
    sql = f"""
        select q.number, r.* from (from questions where number < {limit}) as q, lateral {function}(q.text) as r
        order by q.number, r._rank
    """
    return session.run(sql).rows()


def alone(session: Session, function: str, limit: int) -> list[dict[str, object]]:
    texts = session.run(f"select number, text from questions where number < {limit} order by number").rows()
    return [
        {"number": row["number"], **found}
        for row in texts
        for found in session.run(f"select * from {function}(?)", [row["text"]]).rows()
    ]


def one_by_one(session: Session, function: str, limit: int) -> None:
    """The same statement for each question. (A question with constants is answered faster: see decision 0023.)"""
    for number in range(limit):
        sql = f"select * from questions, lateral {function}(text) where number = {number}"
        assert session.run(sql).rows()


def shown(row: dict[str, object]) -> dict[str, object]:
    return {**row, "_explain": json.loads(str(row["_explain"]))}


@pytest.mark.parametrize("function", [*SEARCHES, "text_search"])
def test_many_questions_are_answered_as_each_alone(lake: Lake, function: str) -> None:
    session = lake.session()
    expected = [shown(row) for row in alone(session, function, ALONE)]
    assert [shown(row) for row in together(session, function, ALONE)] == expected
    assert len(expected) > 5 * ALONE


@pytest.mark.parametrize("function", SEARCHES)
def test_many_questions_at_once_cost_a_part_of_as_many_statements(lake: Lake, function: str) -> None:
    session = lake.session()
    together(session, function, QUESTIONS)  # their vectors are known from here on
    started = time.process_time()
    one_by_one(session, function, ALONE)
    each = (time.process_time() - started) / ALONE
    started = time.process_time()
    together(session, function, QUESTIONS)
    in_batch = (time.process_time() - started) / QUESTIONS
    print(f"\n{function}: {each * 1000:.2f} ms alone, {in_batch * 1000:.2f} in a batch: {each / in_batch:.1f} times")
    assert each >= TIMES * in_batch
