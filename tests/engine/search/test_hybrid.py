"""Hybrid scores: one scale for meaning and words, and a question that its first answers sharpen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.search import text
from engine.search.fusion import Key
from engine.search.hybrid import WEIGHT, Nearness, nearness, sharpened
from engine.search.retrieval import Hit, Place
from engine.search.vectors import exact


@dataclass
class Vectors:
    """As much of a segment as is compared."""

    vectors: NDArray[np.float32]
    ids: list[str] = field(default_factory=list)

    def cosines(self, question: NDArray[np.float32], chunks: NDArray[np.int64]) -> NDArray[np.float32]:
        return exact.cosines(self.vectors, question, chunks)


def places(*rows: Sequence[float]) -> list[Place]:
    """A place a vector, each scaled to unit length."""
    matrix = np.array(rows, np.float32)
    segment = cast(Any, Vectors(matrix / np.linalg.norm(matrix, axis=1, keepdims=True)))
    return [Place(cast(Any, None), segment, at, at) for at in range(len(rows))]


def unit(*numbers: float) -> NDArray[np.float32]:
    row = np.array(numbers, np.float32)
    return row / np.float32(np.linalg.norm(row))


A, B, C = Key("x", "a"), Key("x", "b"), Key("x", "c")


def test_both_parts_count_by_alpha_and_an_opposite_counts_nothing() -> None:
    assert Nearness(0.8, 0.2).score(0.5) == pytest.approx(0.5)
    assert Nearness(0.8, 0.2).score(1) == pytest.approx(0.8)
    assert Nearness(-0.5, 0.2).score(0.5) == pytest.approx(0.1)


def test_the_question_moves_towards_the_weighted_mean() -> None:
    found = places((1, 0, 0), (0, 1, 0))
    question = unit(0, 0, 1)
    assert sharpened(question, found[0].segment.vectors, [3, 1]) == pytest.approx(unit(0.75 * WEIGHT, 0.25 * WEIGHT, 1))


def test_what_is_like_the_first_answers_comes_before_what_is_not() -> None:
    question = unit(1, 0, 0, 0)
    a, like, unlike = places((0.9, 0.5, 0, 0), (0.5, 0.9, 0, 0), (0.5, 0, 0.9, 0))
    dense = {A: Hit(0.87, a), B: Hit(0.48, like), C: Hit(0.48, unlike)}
    near, asked = nearness(dense, {A: Hit(4.0, a)}, 8.0, question, 0.5)
    assert asked[B] == asked[C] == pytest.approx(0.5 / 1.06**0.5, abs=1e-6)
    assert near[A].words == 0.5
    assert near[B].cosine > near[C].cosine
    assert near[B].words == near[C].words == 0


def test_one_list_alone_is_enough() -> None:
    (a,) = places((1, 1))
    assert nearness({}, {A: Hit(2.0, a)}, 4.0, unit(1, 0), 0.5).near[A].words == 0.5
    assert nearness({A: Hit(0.7, a)}, {}, 0.0, unit(1, 0), 0.5).near[A].words == 0
    assert nearness({}, {}, 0.0, unit(1, 0), 0.5).near == {}


def test_nothing_above_zero_leaves_the_question_as_it_is() -> None:
    (a,) = places((-1, 0))
    assert nearness({A: Hit(-1.0, a)}, {}, 0.0, unit(1, 0), 0.5).near[A].cosine == -1


def test_no_score_reaches_the_ceiling() -> None:
    statistics = text.Statistics(10)
    statistics.frequency.update({"wing": 2, "slipstream": 1})
    ceiling = text.ceiling(["wing", "wing", "slipstream"], statistics)
    assert ceiling == pytest.approx(2.2 * (2 * statistics.idf("wing") + statistics.idf("slipstream")))
    assert text.ceiling([], statistics) == 0
