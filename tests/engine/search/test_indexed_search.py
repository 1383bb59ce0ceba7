"""Search through an index: complete under any filter, with the scores and the order of exact search."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lake import Lake
from engine.search import nearest
from engine.search.fusion import Key
from engine.search.retrieval import DEFAULT, Found, How, Scope, dense
from engine.search.vectors.compact import Compact
from engine.search.vectors.hnsw import Hnsw
from engine.search.vectors.usearch import Usearch
from tests.engine.search.indexed import GRAPH, build, corpus, open_small, table

ROWS, DELTA, DEAD = 3000, 200, 0.05
ENGINES = sorted({GRAPH, "usearch", "compact"})


@pytest.fixture(scope="module", params=ENGINES)
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Two corpora with an index of their base, a delta beside it, and tombstones in both."""
    opened = open_small(tmp_path_factory.mktemp("indexed"))
    session = opened.session()
    for name in ("one", "other"):
        corpus(session, name, ROWS)
        assert build(session, name, engine=request.param)["status"] == "live"
        table(session, name, ROWS, ROWS + DELTA)
        session.run(f"delete from {name} where hash(id) % {round(1 / DEAD)} = 0")
        refreshed = session.run(f"select * from refresh_corpus('{name}')").rows()[0]
        assert refreshed["status"] == "refreshed"
    yield opened
    opened.close()


def through_the_index(patch: pytest.MonkeyPatch) -> None:
    """Let every question go through the index: for so small a corpus comparing everything costs less."""
    for engine in (Hnsw, Usearch, Compact):
        patch.setattr(engine, "effort", lambda self, count: 0.0)


def scope(lake: Lake, names: list[str], share: float, seed: int) -> Scope:
    """The living documents of some corpora of which chance keeps a share."""
    chance = np.random.default_rng(seed)
    generations = [lake.corpora.live(name) for name in names]
    masks = {one.corpus: [alive & (chance.random(len(alive)) < share) for alive in one.alive] for one in generations}
    return Scope(generations, masks)


def ordered(found: Found, k: int) -> list[tuple[Key, float]]:
    """The answer as a search gives it."""
    return sorted(((key, hit.score) for key, hit in found.items()), key=lambda pair: (-pair[1], pair[0]))[:k]


@settings(max_examples=40, deadline=None)
@given(
    share=st.sampled_from([1.0, 0.5, 0.1, 0.01, 0.001]),
    seed=st.integers(0, 1000),
    k=st.sampled_from([1, 10, 100]),
    names=st.sampled_from([["one"], ["other"], ["one", "other"]]),
    cheap=st.booleans(),
)
def test_never_fewer_rows_than_match_and_always_exact_scores(
    lake: Lake, share: float, seed: int, k: int, names: list[str], cheap: bool
) -> None:
    within = scope(lake, names, share, seed)
    question = lake.models.embedder().embed([f"forklift {seed} night shift"])
    with pytest.MonkeyPatch.context() as patch:
        if cheap:
            through_the_index(patch)
        found = dense(within, question, k)[0]
    truth = dense(within, question, 10_000, How(exact=True))[0]
    assert len(ordered(found, k)) == min(k, len(truth))
    assert all(found[key].score == truth[key].score for key in found)
    assert found == dense(within, question, k)[0] or cheap


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("forced", [True, False])
def test_what_is_found_is_what_exact_search_finds(
    lake: Lake, share: float, forced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if forced:
        through_the_index(monkeypatch)
    hit = wanted = 0
    for seed in range(30):
        within = scope(lake, ["one", "other"], share, seed)
        question = lake.models.embedder().embed([f"crane {seed} cold steel dock"])
        found, truth = dense(within, question, 10)[0], dense(within, question, 10, How(exact=True))[0]
        least = ordered(truth, 10)[-1][1] if truth else 0.0
        hit += sum(score >= least for _, score in ordered(found, 10))  # an equal score is as good
        wanted += len(ordered(truth, 10))
    assert hit >= 0.95 * wanted
    if not forced:  # where comparing everything costs less than the index, that is done
        assert hit == wanted


@pytest.mark.parametrize("filtered", [True, False])
def test_under_a_filter_the_index_is_searched_wider(
    lake: Lake, filtered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    through_the_index(monkeypatch)
    monkeypatch.setattr(nearest, "FILTERED", 700)
    monkeypatch.setattr(nearest, "MASKED", 700)
    widths: list[int] = []
    for engine in (Hnsw, Usearch, Compact):
        original = engine.candidates

        def recording(self: Any, question: Any, count: int, allowed: Any, original: Any = original) -> Any:
            widths.append(count)
            return original(self, question, count, allowed)

        monkeypatch.setattr(engine, "candidates", recording)
    within = replace(scope(lake, ["one"], 0.5, 1), filtered=filtered)
    dense(within, lake.models.embedder().embed(["forklift night"]), 10)
    assert (min(widths) >= 700) is filtered


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_a_filter_that_keeps_only_what_is_far_is_met(lake: Lake, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    through_the_index(monkeypatch)
    one = lake.corpora.live("one")
    base = one.segments[0]
    question = lake.models.embedder().embed(["forklift night cold truck"])
    scores = np.round(base.cosines(question[0]), nearest.DECIMALS)
    far = np.argsort(-scores, kind="stable")[-int(share * len(scores)) :]
    mask = np.zeros(len(scores), np.bool_)
    mask[far] = True
    found = next(nearest.nearest(base, one.indexed(0), question, 10, mask))
    assert len(found.documents) == 10
    assert np.array_equal(found.scores, np.sort(scores[far])[::-1][:10])


def test_the_index_is_used(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def compared(*arguments: object) -> object:
        raise AssertionError("everything was compared")

    one = lake.corpora.live("one")
    assert one.indexed(0) is not None
    assert one.indexed(1) is None  # what came later has none
    base = one.segments[0]
    through_the_index(monkeypatch)
    monkeypatch.setattr(nearest, "_everything", compared)
    question = lake.models.embedder().embed(["forklift night"])
    assert len(next(nearest.nearest(base, one.indexed(0), question, 10, one.alive[0])).documents) == 10


def test_a_batch_answers_as_its_questions_do_one_by_one(lake: Lake) -> None:
    within = scope(lake, ["one", "other"], 0.7, 1)
    questions = lake.models.embedder().embed(["forklift", "night nurse", "cold steel", "welder"])
    for how in (DEFAULT, How(exact=True)):
        together = dense(within, questions, 10, how)
        alone = [dense(within, question[np.newaxis], 10, how)[0] for question in questions]
        assert [ordered(one, 10) for one in together] == [ordered(one, 10) for one in alone]


def test_a_wider_search_may_be_asked_for(lake: Lake) -> None:
    session = lake.session()
    sql = "select id, _distance from vector_search('reach truck', corpora := ['one'], k := 10{})"
    exact = session.run(sql.format(", exact := true")).rows()
    assert session.run(sql.format(", ef := 1000")).rows() == exact
    measured = session.run("select * from measure_recall('one', k := 10, queries := 50)").rows()[0]
    assert float(str(measured["recall"])) >= 0.95
    assert measured["engine"] == lake.corpora.live("one").manifest.engine
