"""How often judgements err: found where ranks or near questions tell it, small where neither does."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.memory.error_rate import CHANCE, ERRORS, best_curve, error_rate, rank_curves
from engine.memory.witnesses import agreement

NOBODY = np.empty((len(ERRORS), 0))


def judged(steep: float, level: float, flipped: float, seed: int, needs: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Ranks and scores of ten documents for each need; right by log odds that fall with the logarithm of their rank."""
    chance = random.Random(seed)
    ranks = np.tile(np.arange(1.0, 11.0), needs)
    right = [chance.random() < 1 / (1 + np.exp(steep * np.log(rank) - level)) for rank in ranks]
    return ranks, np.array([float(one != (chance.random() < flipped)) for one in right])


def agreeing(pairs: int, flipped: float, seed: int = 1) -> np.ndarray:
    """What pairs of questions of one need say at each rate, a fifth of ten documents right, some judgements flipped."""
    chance = np.random.default_rng(seed)
    right = chance.random((pairs, 10)) < 0.2
    one, other = (np.where(chance.random(right.shape) < flipped, ~right, right).astype(float) for _ in range(2))
    return np.array([agreement((one, other), error, 0.2).sum(axis=1) for error in ERRORS])


def rate_of(curves: np.ndarray, agreeing: np.ndarray, facts: float = 1.0) -> float:
    """The rate, by pairs each of which is so much of a fact of its own."""
    return error_rate(curves, agreeing, np.full(agreeing.shape[1], facts))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("flipped", [0.0, 0.1, 0.2, 0.3])
def test_where_needs_have_one_right_document_ranks_tell_how_often_judgements_err(flipped: float, seed: int) -> None:
    curves = rank_curves(*judged(1.75, -1.5, flipped, seed, needs=1000))
    assert abs(rate_of(curves, NOBODY) - flipped) <= 0.06


@pytest.mark.parametrize("seed", range(5))
def test_where_needs_have_several_few_errors_are_believed(seed: int) -> None:
    """The most likely rate is up to a fifth there, of judgements that are all right."""
    ranks, scores = judged(0.85, 0.5, 0.0, seed)
    assert rate_of(rank_curves(ranks, scores), NOBODY) <= 0.13


def test_the_most_likely_rate_jumps_in_doubt_and_the_mean_does_not() -> None:
    several = [judged(0.85, 0.5, 0.0, seed) for seed in range(12)]
    likely = [best_curve(rank_curves(*one), one[0])[1] for one in several]
    means = [rate_of(rank_curves(*one), NOBODY) for one in several]
    assert max(likely) - min(likely) >= 0.1
    assert np.std(means) < np.std(likely)


def test_of_very_many_judged_documents_the_last_are_as_likely_right() -> None:
    ranks, scores = judged(1.1, 0.0, 0.0, 1)
    chances, _ = best_curve(rank_curves(ranks, scores), np.array([19.0, 20.0, 60.0]))
    assert chances[0] > chances[1] == chances[2]


@pytest.mark.parametrize("flipped", [0.0, 0.1, 0.2, 0.3])
def test_questions_of_one_need_tell_it_where_ranks_do_not(flipped: float) -> None:
    curves = rank_curves(*judged(0.85, 0.5, flipped, 3))
    assert abs(rate_of(curves, agreeing(80, flipped)) - flipped) <= 0.05


def test_near_questions_of_other_needs_do_not_make_judgements_err() -> None:
    chance = np.random.default_rng(5)
    one, other = ((chance.random((80, 10)) < 0.2).astype(float) for _ in range(2))
    strangers = np.array([agreement((one, other), error, 0.2).sum(axis=1) for error in ERRORS])
    curves = rank_curves(*judged(1.75, -1.5, 0.0, 3))
    assert rate_of(curves, np.concatenate([agreeing(40, 0.0), strangers], axis=1)) <= 0.03


def test_what_pairs_say_again_and_again_does_not_outshout_the_ranks() -> None:
    """Pairs in which each question stands forty times say what they say as often, and are in doubt nevertheless."""
    curves = rank_curves(*judged(1.75, -1.5, 0.2, 3))
    doubtful = np.tile(agreeing(3, 0.1), 40)
    assert abs(rate_of(curves, doubtful, 1 / 40) - 0.2) < abs(rate_of(curves, doubtful) - 0.2)


@pytest.mark.parametrize("level", [-0.5, 0.5])
def test_tossed_coins_err_as_often_as_not(level: float) -> None:
    assert rate_of(rank_curves(*judged(1.25, level, 0.5, 2)), NOBODY) == ERRORS[-1]


@settings(max_examples=50)
@given(st.integers(0, 99), st.floats(0, 0.5), st.integers(0, 20))
def test_it_is_a_rate_whatever_is_judged_and_no_order_counts(seed: int, flipped: float, pairs: int) -> None:
    ranks, scores = judged(1, 0, flipped, seed, needs=5)
    met = agreeing(pairs, flipped, seed)
    order = np.random.default_rng(seed).permutation(len(ranks))
    rate = rate_of(rank_curves(ranks, scores), met)
    assert ERRORS[0] <= rate <= CHANCE or rate == ERRORS[-1]
    assert rate == pytest.approx(rate_of(rank_curves(ranks[order], scores[order]), met[:, ::-1]))
