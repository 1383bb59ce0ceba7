"""From where on questions mean the same: believed beforehand, given up where recorded questions contradict it."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.fit import Fit, Pairs, Sample, fit
from engine.memory.sameness import FROM, NEVER, agreement, claimed, same_from
from engine.memory.words import NEUTRAL, Overlap

scores = st.floats(0, 1)
since = st.sampled_from([*FROM, NEVER])


def said(one: float, other: float, error: float = 0.03, share: float = 0.2) -> float:
    return float(agreement((np.array([one]), np.array([other])), error, share)[0])


@given(st.floats(-1, 2), st.floats(-1, 2), since)
def test_what_is_nearer_is_more_likely_to_mean_the_same(one: float, other: float, since: float) -> None:
    less, more = claimed(np.array(sorted((one, other))), since)
    assert 0 <= less <= more < 1
    assert since != NEVER or more < 1e-9


@given(scores, scores, st.floats(0.01, 0.49), st.floats(0.02, 0.5))
def test_two_judgements_say_the_same_in_either_order(one: float, other: float, error: float, share: float) -> None:
    assert said(one, other, error, share) == pytest.approx(said(other, one, error, share))


def test_that_judgements_agree_says_more_the_rarer_it_is() -> None:
    assert said(1, 1) > said(0, 0) > 0 > said(1, 0)
    assert said(1, 1, share=0.05) > said(1, 1, share=0.4)
    assert said(1, 0, error=0.03) < said(1, 0, error=0.3) < 0
    assert said(0.5, 1) == pytest.approx(0)


def test_it_is_believed_until_enough_pairs_contradict() -> None:
    nobody = np.empty(0)
    assert same_from(nobody, nobody, 0.03) == FROM[0]
    assert same_from(np.full(3, 0.72), np.full(3, -9.0), 0.03) == FROM[0]
    assert same_from(np.full(30, 0.72), np.full(30, -9.0), 0.03) == 0.75
    assert same_from(np.linspace(0.6, 1.1, 60), np.full(60, -9.0), 0.03) == NEVER
    assert same_from(np.linspace(0.6, 1.1, 60), np.zeros(60), 0.03) == FROM[0]


def test_where_judgements_err_often_less_is_believed() -> None:
    contrary = np.full(3, 0.72), np.full(3, -9.0)
    assert same_from(*contrary, 0.03) == FROM[0]
    assert same_from(*contrary, 0.4) > 0.72


def test_those_that_agree_bear_the_claim_where_others_do_not() -> None:
    likeness = np.concatenate([np.full(40, 0.66), np.full(40, 0.88)])
    assert same_from(likeness, np.repeat([-9.0, 9.0], 40), 0.03) in (0.7, 0.75, 0.8)


def asked_once(near: float, needs: int = 60) -> Sample:
    """Needs that are recorded once, two by two so near: what is first for one of them is last for the other."""
    chance = random.Random(11)
    told = np.array([float(chance.random() < 0.8 / rank**1.5) for _ in range(needs) for rank in range(1, 11)])
    rows = np.arange(10 * needs)
    other = np.where(rows // 10 % 2 == 0, rows + 10, rows - 10) // 10 * 10 + 9 - rows % 10
    none = np.zeros(len(rows))
    return Sample(
        scores=told,
        questions=rows // 10,
        ranks=(rows % 10 + 1).astype(np.float64),
        words=Overlap(none, none),
        meaning=none,
        usual=none,
        shown=np.ones(len(rows)),
        of=rows,
        by=other,
        cosines=np.full(len(rows), near),
        common=np.full(len(rows), NEUTRAL),
        idle=none,
    )


def related(found: Fit, cosine: float) -> float:
    none = np.zeros(1)
    pair = Pairs(np.array([cosine]), none, none, none, none + NEUTRAL, none)
    return float(found.beyond_usual(pair, np.ones(1))[0])


def test_a_question_in_other_words_is_known_though_no_need_was_recorded_twice() -> None:
    found = fit(asked_once(0.5))
    assert related(found, 0.5) < 0.2
    assert related(found, 0.9) > 0.9


def test_where_the_nearest_contradict_each_other_nearness_is_no_reason() -> None:
    found = fit(asked_once(0.87))
    assert found.same > 0.87
    assert related(found, 0.87) < 0.2
