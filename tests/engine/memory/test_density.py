"""What is usual around a question depends on the recorded questions alone, and a cosine says what it is beyond that."""

from unittest.mock import patch

import numpy as np
import pytest

from engine.memory import density
from engine.memory.density import CROWDED, FIRST, LAST, LEAST_COSINE, Density
from engine.memory.fit import Fit, Pairs
from engine.memory.questions import Questions, Vector
from engine.memory.words import NEUTRAL


def near(middle: Vector, count: int, spread: float, chance: np.random.Generator) -> Vector:
    """Unit vectors around one."""
    rows = middle + spread * chance.standard_normal((count, len(middle))) / np.sqrt(len(middle))
    unit: Vector = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def of(rows: Vector) -> tuple[Questions, Density]:
    questions = Questions()
    for at, row in enumerate(rows):
        questions.add(f"q{at}", row)
    return questions, Density(questions)


def unit(dimension: int, chance: np.random.Generator) -> Vector:
    one: Vector = near(np.zeros(dimension, np.float32), 1, 1.0, chance)[0]
    return one


def test_it_is_the_mean_cosine_of_the_farther_neighbours() -> None:
    chance = np.random.default_rng(1)
    middle = unit(64, chance)
    rows = near(middle, 50, 0.8, chance)
    _, known = of(rows)
    cosines = -np.sort(-(rows @ middle))[FIRST:LAST]
    (usual,) = known.usual(middle[None], [None])
    assert usual == pytest.approx(float(np.maximum(cosines - LEAST_COSINE, 0).mean()), abs=1e-5)


def test_where_many_are_near_the_same_cosine_says_less() -> None:
    chance = np.random.default_rng(2)
    crowd, alone = unit(64, chance), unit(64, chance)
    _, known = of(np.concatenate([near(crowd, 40, 0.5, chance), near(unit(64, chance), 40, 0.5, chance)]))
    dense, sparse = known.usual(np.stack([crowd, alone]), [None, None])
    assert dense > 0.3 > sparse
    fit, none = Fit(), np.zeros(2)
    likeness = fit.likeness(
        Pairs(np.full(2, 0.75), none, none, np.array([dense, sparse]), np.full(2, NEUTRAL), none), np.ones(2)
    )
    assert fit.relatedness(likeness)[0] < 0.1 < 0.85 < fit.relatedness(likeness)[1]


def test_few_questions_are_held_for_a_crowd() -> None:
    chance = np.random.default_rng(3)
    for count in (0, 1, FIRST):
        _, known = of(near(unit(64, chance), count, 0.5, chance))
        assert known.usual(unit(64, chance)[None], [None]).tolist() == [pytest.approx(CROWDED - LEAST_COSINE)]


def test_a_question_is_no_neighbour_of_itself() -> None:
    chance = np.random.default_rng(4)
    rows = near(unit(64, chance), 40, 0.8, chance)
    _, known = of(rows)
    _, others = of(rows[1:])
    assert known.usual(rows[:1], ["q0"]).tolist() == others.usual(rows[:1], [None]).tolist()


def test_it_depends_on_what_is_recorded_not_on_how_it_came_to_be() -> None:
    chance = np.random.default_rng(5)
    rows = near(unit(64, chance), 300, 1.0, chance)
    asked = near(unit(64, chance), 9, 1.0, chance)
    with patch.object(density, "REFERENCES", 100):
        _, first = of(rows)
        expected = first.usual(asked, [None] * 9).tolist()
        questions = Questions()
        second = Density(questions)
        changed = []
        for at in range(299, -1, -1):
            questions.add(f"q{at}", rows[at])
            changed.append(second.touched(f"q{at}"))
            second.usual(asked[:1], [None])
        questions.add("gone", asked[0])
        second.touched("gone")
        second.usual(asked[:1], [None])
        questions.remove("gone")
        second.touched("gone")
        assert second.references == first.references
        assert second.usual(asked, [None] * 9).tolist() == expected
        assert len(first.references) == 100
        assert all(changed[:100])
        assert sum(changed[200:]) < 60  # of 100 questions that come to 200 and more, one in three is among those


def test_without_questions_there_are_no_references() -> None:
    questions, known = of(np.empty((0, 8), np.float32))
    assert known.references == []
    questions.add("q", np.ones(8, np.float32) / np.float32(np.sqrt(8)))
    assert known.touched("q")
    assert known.references == ["q"]
