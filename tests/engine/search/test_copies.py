"""Many documents with one text, and chunks that nearly all documents have: they never crowd what is found."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from engine.lake import Lake
from engine.search.copies import marks, varied
from engine.search.lists import Lists, joined
from engine.search.prints import VECTORS, Prints
from engine.session import Session
from lakehouse import open_lake

COPIES, OTHERS = 300, 15
FOOTER = "Equal opportunity employer; we welcome every applicant for a forklift position."
SEARCHES = ["vector_search", "text_search", "hybrid_search", "matrix_search"]
SPELLINGS = ["Forklift operator wanted.", "forklift  OPERATOR\nwanted.", " Forklift operator wanted. "]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """`ads`: 300 times one text, and 15 others; `more`: the same text once more, and one other; `long`: one document
    of many chunks; `jobs`: documents that end with the same words.
    """
    opened = open_lake(tmp_path_factory.mktemp("copies"), settings={"models.embedder": "hash:256"})
    session = opened.session()
    ads = [(f"c{at:03d}", SPELLINGS[at % 3]) for at in range(COPIES)]
    ads += [(f"o{at:02d}", f"A forklift in hall {at} of plant {at * 7}.") for at in range(OTHERS)]
    make(session, "ads", ads)
    make(session, "more", [("c000", SPELLINGS[0]), ("z", "The forklift of another corpus.")])
    make(
        session,
        "long",
        [("l0", " ".join(f"Forklift number {at} stands here." for at in range(400))), ("l1", "forklift")],
    )
    bodies = [
        f"Plant {at} is near the river number {at}.\n\nHall {at} has welder {at} and nurse {at}." for at in range(60)
    ]
    jobs = [(f"j{at:02d}", f"{body}\n\n{FOOTER}") for at, body in enumerate(bodies)]
    make(session, "jobs", [*jobs, ("own", "Every forklift position is filled.")], ", chunk_size := 24")
    yield opened
    opened.close()


def make(session: Session, name: str, rows: list[tuple[str, str]], options: str = "") -> None:
    ids, texts = zip(*rows, strict=True)
    session.load(pa.table({"id": ids, "text": texts}).to_reader(), name, mode="create")
    session.run(f"select * from create_corpus('{name}', source := '{name}', id := 'id', text := 'text'{options})")


def found(lake: Lake, function: str, corpora: list[str], k: int, more: str = "") -> list[dict[str, object]]:
    more += ", per_corpus_k := null" if function == "matrix_search" else ""
    sql = f"select * from {function}('forklift operator wanted', corpora := ?, k := ?{more}) order by _rank"
    return lake.session().run(sql, [corpora, k]).rows()


def told(row: dict[str, object]) -> dict[str, object]:
    explained: dict[str, object] = json.loads(str(row["_explain"]))
    return explained


@pytest.mark.parametrize("function", SEARCHES)
def test_a_text_that_many_have_counts_once(lake: Lake, function: str) -> None:
    rows = found(lake, function, ["ads"], 10)
    assert len(rows) == 10
    assert [row["id"] for row in rows if str(row["id"]).startswith("c")] == ["c000"]
    least = 9 if function == "vector_search" else 99  # as far as the list was looked at
    assert int(str(told(rows[0])["duplicates"])) >= least
    assert all("duplicate_of" not in told(row) for row in rows)


@pytest.mark.parametrize("function", SEARCHES)
def test_copies_come_after_everything_else_and_nothing_is_lost(lake: Lake, function: str) -> None:
    rows = found(lake, function, ["ads"], 40)
    ids = [str(row["id"]) for row in rows]
    assert len(ids) == len(set(ids)) == 40
    assert ids[0] == "c000"
    assert sorted(ids[1:16]) == [f"o{at:02d}" for at in range(OTHERS)]
    assert ids[16:] == [f"c{at:03d}" for at in range(1, 25)]
    assert [row["_rank"] for row in rows] == list(range(1, 41))
    assert all(told(row)["duplicate_of"] == {"corpus": "ads", "id": "c000"} for row in rows[16:])


@pytest.mark.parametrize("function", SEARCHES)
def test_copies_in_several_corpora_count_once(lake: Lake, function: str) -> None:
    rows = found(lake, function, ["ads", "more"], 30)
    places = {(row["_corpus"], row["id"]): int(str(row["_rank"])) for row in rows}
    assert places[("ads", "c000")] == 1
    assert places[("more", "z")] < places[("ads", "c001")]
    assert places.get(("more", "c000"), 31) > 17


def test_a_limit_of_a_corpus_holds_for_copies_too(lake: Lake) -> None:
    sql = "select id from matrix_search('forklift operator wanted', corpora := ['ads'], k := 30, per_corpus_k := 18)"
    ids = [str(row["id"]) for row in lake.session().run(sql).rows()]
    assert len(ids) == 18
    assert ids[16:] == ["c001", "c002"]


@pytest.mark.parametrize("function", SEARCHES)
def test_several_chunks_of_one_document_count_once(lake: Lake, function: str) -> None:
    assert sorted(str(row["id"]) for row in found(lake, function, ["long"], 10)) == ["l0", "l1"]


def test_the_copy_that_was_recorded_as_right_stands_for_the_others(lake: Lake) -> None:
    session = lake.session()
    question = "forklift operator wanted"
    session.run("select * from playbook_record(?, 'ads', 'c002', 1.0)", [question])
    try:
        for mode in ("robust", "classic"):
            rows = found(lake, "hybrid_search", ["ads"], 20, f", playbook := '{mode}'")
            assert rows[0]["id"] == "c002"
            assert next(row["id"] for row in rows[1:] if str(row["id"]).startswith("c")) == "c000"
            assert told(rows[-1])["duplicate_of"] == {"corpus": "ads", "id": "c002"}
        assert found(lake, "hybrid_search", ["ads"], 5, ", playbook := 'off'")[0]["id"] == "c000"
    finally:
        session.run("select * from playbook_retract(?, 'ads', 'c002')", [question])


def test_another_copy_stands_when_one_is_excluded(lake: Lake) -> None:
    rows = found(lake, "matrix_search", ["ads"], 20, ", exclude := ['c000', 'c001']")
    ids = [str(row["id"]) for row in rows]
    assert ids[0] == "c002"
    assert ids[16] == "c003"


@pytest.mark.parametrize("function", ["vector_search", "hybrid_search", "matrix_search"])
def test_boilerplate_represents_no_document_that_says_something_else(lake: Lake, function: str) -> None:
    sql = f"select id, content from {function}(?, corpora := ['jobs'], k := 20)"
    rows = lake.session().run(sql, ["equal opportunity employer forklift position"]).rows()
    assert rows[0]["id"] == "own"
    assert len(rows) == (6 if function == "matrix_search" else 20)
    assert all("Equal opportunity" not in str(row["content"]) for row in rows)


def test_what_only_boilerplate_found_comes_last(lake: Lake) -> None:
    sql = "select id, _explain from text_search(?, corpora := ['jobs'], k := 20)"
    rows = lake.session().run(sql, ["equal opportunity forklift position"]).rows()
    assert rows[0]["id"] == "own"
    assert len(rows) == 20
    assert all(told(row)["boilerplate"] for row in rows[1:])


class Spelt:
    """Five chunks, of which the first two are spelt differently, and the third says something else in equal words."""

    def prints(self, chunks: NDArray[np.int64], kind: Prints) -> NDArray[np.int64]:
        of_vectors, of_words = np.array([1, 1, 1, 2, 3]), np.array([11, 11, 12, 11, 13])
        found: NDArray[np.int64] = (of_vectors if kind is VECTORS else of_words)[chunks]
        return found


def lists(scores: Sequence[float], question: int = 0) -> Lists:
    every = np.arange(5)
    return Lists(np.full(5, question), every, every, np.array(scores), np.array([1, 2, 3, 1, 4]))


TIED = [0.5, 0.5, 0.5, 0.4, 0.3]


def test_texts_are_the_same_by_digest_or_by_score_vector_and_words() -> None:
    found = marks(lists(TIED), Spelt()).tolist()
    assert found[0] == found[1] == found[3] != 1
    assert len(set(found)) == 3
    apart = lists([4, 3, 2, 1, 0])
    assert marks(apart, Spelt()) is apart.text


def test_the_texts_of_one_question_say_nothing_of_those_of_another() -> None:
    together = joined([lists([4, 3, 2, 1, 0], 1), lists(TIED, 2), lists([4, 3, 2, 1, 0], 4)])
    found = marks(together, Spelt()).reshape(3, 5).tolist()
    assert found[0] == found[2] == [1, 2, 3, 1, 4]
    assert found[1] == marks(lists(TIED), Spelt()).tolist()


def test_a_list_ends_with_its_last_text_and_has_few_copies_of_each() -> None:
    question, texts = np.array([0] * 7 + [1] * 3), np.array([5, 5, 5, 6, 5, 7, 6, 8, 8, 9])
    assert np.flatnonzero(varied(question, texts, 2)).tolist() == [0, 1, 3, 7, 8, 9]
