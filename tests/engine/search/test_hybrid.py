"""Hybrid scores: one scale for meaning and words, and a question that its first answers sharpen."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.search import text
from engine.search.hybrid import WEIGHT, Candidates, Nearness, compare, scores, sharpened


class Chunks:
    """Vectors by number, each scaled to unit length."""

    def __init__(self, *rows: Sequence[float]) -> None:
        matrix = np.array(rows, np.float32)
        self._vectors = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)

    def vectors(self, chunks: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._vectors[chunks]
        return found


def found(words: Sequence[float], question: Sequence[int] = ()) -> Candidates:
    """Each chunk once, of one question or of those that are given."""
    every = np.arange(len(words))
    return Candidates(np.array(question, np.int64) if question else every * 0, every, every, np.array(words))


def unit(*numbers: float) -> NDArray[np.float32]:
    row = np.array(numbers, np.float32)
    return row / np.float32(np.linalg.norm(row))


def test_both_parts_count_by_alpha_and_an_opposite_counts_nothing() -> None:
    assert Nearness(0.8, 0.2).score(0.5) == pytest.approx(0.5)
    assert Nearness(0.8, 0.2).score(1) == pytest.approx(0.8)
    assert Nearness(-0.5, 0.2).score(0.5) == pytest.approx(0.1)
    cosines, words = np.array([0.8, -0.5]), np.array([0.2, 0.2])
    for alpha in (0, 0.3, 1):
        alone = [Nearness(*pair).score(alpha) for pair in zip(cosines.tolist(), words.tolist(), strict=True)]
        assert scores(cosines, words, alpha).tolist() == alone


def test_the_question_moves_towards_the_weighted_mean() -> None:
    answers = Chunks((1, 0, 0), (0, 1, 0)).vectors(np.array([[0, 1]]))
    moved = sharpened(unit(0, 0, 1)[np.newaxis], answers, np.array([[3.0, 1.0]]))
    assert moved[0] == pytest.approx(unit(0.75 * WEIGHT, 0.25 * WEIGHT, 1))


def test_what_is_like_the_first_answers_comes_before_what_is_not() -> None:
    chunks = Chunks((0.9, 0.5, 0, 0), (0.5, 0.9, 0, 0), (0.5, 0, 0.9, 0))
    asked, near = compare(found([0.5, 0, 0]), unit(1, 0, 0, 0)[np.newaxis], 0.5, chunks)
    assert asked[1] == asked[2] == pytest.approx(0.5 / 1.06**0.5, abs=1e-6)
    assert near[1] > near[2]


def test_nothing_found_is_nothing_compared() -> None:
    asked, near = compare(found([]), unit(1, 0)[np.newaxis], 0.5, Chunks((1, 0)))
    assert len(asked) == len(near) == 0


def test_nothing_above_zero_leaves_the_question_as_it_is() -> None:
    assert compare(found([0]), unit(1, 0)[np.newaxis], 0.5, Chunks((-1, 0))).sharpened.tolist() == [-1]


def test_copies_sharpen_once() -> None:
    chunks = Chunks((0.9, 0.5, 0), (0.9, 0.5, 0), (0.9, 0.5, 0), (0.5, 0, 0.9))
    twice = compare(found([0.5, 0.5, 0.5, 0]), unit(1, 0, 0)[np.newaxis], 0.5, chunks)
    once = compare(
        Candidates._make(column[[0, 3]] for column in found([0.5, 0, 0, 0])), unit(1, 0, 0)[None], 0.5, chunks
    )
    assert twice.sharpened[[0, 3]].tolist() == once.sharpened.tolist()


def test_questions_together_have_the_bits_of_each_alone() -> None:
    chance = np.random.default_rng(3)
    chunks = Chunks(*chance.standard_normal((90, 48)))
    questions = np.stack([unit(*row) for row in chance.standard_normal((4, 48))])
    questions[1] = -chunks.vectors(np.arange(50, 53)).mean(axis=0)  # nothing of it is above zero
    words = np.where(np.arange(90) < 50, chance.random(90), 0)
    candidates = found(words.tolist(), question=[0] * 50 + [1] * 3 + [3] * 37)
    together = compare(candidates, questions, 0.5, chunks)
    for question in (0, 1, 3):
        at = np.flatnonzero(candidates.question == question)
        one = Candidates._make(column[at] for column in candidates)._replace(question=at * 0)
        alone = compare(one, questions[question : question + 1], 0.5, chunks)
        assert [column[at].tolist() for column in together] == [column.tolist() for column in alone]


def test_no_score_reaches_the_ceiling() -> None:
    statistics = text.Statistics(10)
    statistics.frequency.update({"wing": 2, "slipstream": 1})
    ceiling = text.ceiling(text.heaviest(["wing", "wing", "slipstream"], statistics))
    assert ceiling == pytest.approx(2.2 * (2 * statistics.idf("wing") + statistics.idf("slipstream")))
    assert text.ceiling([]) == 0
