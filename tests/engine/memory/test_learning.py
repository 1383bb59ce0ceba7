"""The sentence that holds above all: retrieval gets better from outcomes, and does no harm. Floors, figures printed.

`docs/learning.md` has the figures of all collections. Here one is small enough for every run, the others are slow.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.claims import other_claims
from bench.collection import Collection
from bench.cranfield import of_sentences, reworded
from bench.discoveries import lifts
from bench.discoveries import line as line_of
from bench.drawings import drawings, together
from bench.labelled import collections
from bench.learning import CRANFIELD, RUNS, Measured, line, measure, prepared
from bench.staffing import other_staffing, staffing

BY_NAME = {run.name: run for run in RUNS}
CURVE = ("10 % of them", "25 % of them", "50 % of them", "right")
pytestmark = [
    pytest.mark.skipif(not CRANFIELD.is_dir(), reason="the labelled collection is not here"),
    pytest.mark.timeout(1500),
]


def measured(collection: Collection, folder: Path, *runs: str) -> Measured:
    with prepared([collection], folder) as home:
        found = measure(collection, "tune", "robust", home, [BY_NAME[name] for name in runs])
    print(f"\n{line(found)}")
    return found


def no_harm(found: Measured) -> None:
    assert found.undone
    assert all(change.ndcg_gain >= -0.01 for change in found.unrelated.values())
    assert all(change.ndcg_gain >= -0.01 and change.mrr_gain >= -0.01 for change in found.related.values())
    assert found.related["shuffled"].ndcg_gain == found.unrelated["shuffled"].ndcg_gain == 0


def test_related_questions_gain_and_others_lose_nothing(tmp_path: Path) -> None:
    small = of_sentences(CRANFIELD, 300)[0]
    found = measured(small, tmp_path, "right", "20 % flipped", "shuffled")
    no_harm(found)
    assert found.related["right"].ndcg_gain >= 0.06
    assert found.related["right"].mrr_gain >= 0.08
    assert found.related["20 % flipped"].ndcg_gain >= 0
    assert found.unrelated["right"].hurt <= 1


def test_a_question_that_comes_again_in_other_words_gains_though_each_was_recorded_once(tmp_path: Path) -> None:
    found = measured(reworded(CRANFIELD), tmp_path, "right", "shuffled")
    no_harm(found)
    assert found.related["right"].ndcg_gain >= 0.08
    assert found.related["right"].mrr_gain >= 0.09  # processors round otherwise: .10 in the slow one
    assert found.unrelated["right"].hurt == 0


def test_a_discovery_stands_first_when_the_same_is_asked_again_and_mostly_in_other_words() -> None:
    """The experiment of the original system, whose own figures were 6 of 8 and 6 of 8."""
    (_, found) = lifts(400)
    print(f"\n{line_of(found)}")
    assert found.questions >= 200
    assert found.share >= 0.9
    assert found.paraphrase_share >= 0.75
    assert found.worse <= found.better / 4
    assert found.elsewhere == 0


@pytest.fixture(scope="module")
def every() -> dict[str, Collection]:
    """All collections by name."""
    return {one.name: one for one in collections(CRANFIELD)}


@pytest.mark.slow
def test_paraphrases(every: dict[str, Collection], tmp_path: Path) -> None:
    found = measured(every["paraphrases"], tmp_path, *BY_NAME)
    no_harm(found)
    right = found.related["right"]
    assert right.ndcg_gain >= 0.124
    assert right.mrr_gain >= 0.161
    assert found.related["10 % flipped"].ndcg_gain >= 0.08
    assert found.related["20 % flipped"].ndcg_gain >= 0.02
    assert found.unrelated["right"].ndcg_gain >= -0.003
    assert found.unrelated["right"].hurt <= 0.02 * found.unrelated["right"].questions
    gains = [found.related[name].ndcg_gain for name in CURVE]
    assert gains == sorted(gains)


@pytest.mark.slow
def test_reworded(every: dict[str, Collection], tmp_path: Path) -> None:
    found = measured(every["reworded"], tmp_path, *BY_NAME)
    assert found.undone
    assert found.related["right"].ndcg_gain >= 0.08
    assert found.related["right"].mrr_gain >= 0.10
    assert found.related["10 % flipped"].ndcg_gain >= 0.04
    assert found.related["20 % flipped"].ndcg_gain >= 0
    assert found.unrelated["right"].ndcg_gain >= -0.003
    assert found.unrelated["right"].hurt == 0
    assert found.related["shuffled"].ndcg_gain == found.unrelated["shuffled"].ndcg_gain == 0
    gains = [found.related[name].ndcg_gain for name in CURVE]
    assert gains == sorted(gains)


@pytest.mark.slow
def test_reworded_however_it_is_drawn() -> None:
    found = drawings("tune")
    print("\n" + "\n".join(map(line, found)))
    assert all(one.undone for one in found)
    gains = {run: together([one.related[run] for one in found]) for run in found[0].related}
    others = together([one.unrelated["right"] for one in found])
    assert gains["right"].questions > 800
    assert gains["right"].ndcg_gain >= 0.08
    assert gains["right"].mrr_gain >= 0.10
    assert gains["10 % flipped"].ndcg_gain >= 0.04
    assert gains["20 % flipped"].ndcg_gain >= 0
    assert others.ndcg_gain >= -0.003
    assert others.hurt <= 0.02 * others.questions


@pytest.mark.slow
def test_staffing(tmp_path: Path) -> None:
    found = measured(staffing(1200), tmp_path, *BY_NAME)
    assert found.undone
    assert found.related["right"].ndcg_gain >= 0.124
    assert found.related["right"].mrr_gain >= 0.12
    assert found.related["10 % flipped"].ndcg_gain >= 0.08
    assert found.related["20 % flipped"].ndcg_gain >= 0.04
    assert found.unrelated["right"].ndcg_gain >= 0
    assert found.unrelated["right"].hurt <= 0.02 * found.unrelated["right"].questions
    assert found.related["shuffled"].mrr_gain == found.related["shuffled"].ndcg_gain == 0
    gains = [found.related[name].ndcg_gain for name in CURVE]
    assert gains == sorted(gains)


@pytest.mark.slow
def test_claims(every: dict[str, Collection], tmp_path: Path) -> None:
    found = measured(every["claims"], tmp_path, *BY_NAME)
    assert found.undone
    assert found.related["right"].ndcg_gain >= 0.08
    assert found.related["right"].mrr_gain >= 0.10
    assert found.related["10 % flipped"].ndcg_gain >= 0.04
    assert found.related["20 % flipped"].ndcg_gain >= 0
    assert found.related["shuffled"].ndcg_gain == 0
    gains = [found.related[name].ndcg_gain for name in CURVE]
    assert gains == sorted(gains)


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda number: other_claims(CRANFIELD, number), other_staffing])
def test_of_very_many_unrelated_questions_few_are_hurt(make: Callable[[int], Collection], tmp_path: Path) -> None:
    found = []
    for number in range(1, 6):
        folder = tmp_path / str(number)
        folder.mkdir()
        with prepared([one := make(number)], folder) as home:
            found.append(measure(one, "tune", "robust", home, [BY_NAME["right"]]))
    print("\n" + "\n".join(map(line, found)))
    related, unrelated = ([getattr(one, kind)["right"] for one in found] for kind in ("related", "unrelated"))
    questions = sum(one.questions for one in unrelated)
    assert questions > 150
    assert sum(one.hurt for one in unrelated) <= 0.02 * questions
    assert sum(one.ndcg_gain * one.questions for one in unrelated) >= -0.003 * questions
    assert sum(one.ndcg_gain for one in related) >= 0.08 * len(found)
    assert sum(one.mrr_gain for one in related) >= 0.10 * len(found)


@pytest.mark.slow
def test_what_very_many_ask_is_learned_though_it_makes_a_crowd(every: dict[str, Collection], tmp_path: Path) -> None:
    found = measured(every["popular"], tmp_path, "right", "20 % flipped", "shuffled", "10 % of them")
    assert found.undone
    assert all(change.ndcg_gain >= -0.01 for change in found.unrelated.values())
    assert min(found.related[name].ndcg_gain for name in ("right", "20 % flipped", "10 % of them")) >= 0.25
    assert found.related["shuffled"].ndcg_gain == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cranfield", "sentences", "reference"])
def test_where_there_is_little_to_learn_there_is_no_harm(
    name: str, every: dict[str, Collection], tmp_path: Path
) -> None:
    questions = [replace(one, part="tune") if one.part == "report" else one for one in every[name].questions]
    both = replace(every[name], questions=questions)  # nothing is chosen by this, and there are few of them
    no_harm(measured(both, tmp_path, "right", "10 % flipped", "20 % flipped", "shuffled"))
