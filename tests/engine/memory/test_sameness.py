"""From where on questions mean the same: believed beforehand, given up where recorded questions contradict it."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.fit import Fit, Pairs, Sample, fit
from engine.memory.sameness import FROM, NEVER, claimed, same_from
from engine.memory.witnesses import Witnesses, agreement, loudness
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


def met(likeness: np.ndarray | list[float], *judged: tuple[float, float]) -> Witnesses:
    """Pairs of questions so much alike, of each of which these documents were judged for both."""
    alike = np.array(likeness, np.float64)
    one, other = (np.tile(side, len(alike)) for side in zip(*judged, strict=True))
    pair = np.repeat(np.arange(len(alike)), len(judged))
    asked = np.arange(len(alike))
    return Witnesses(alike, (2 * asked, 2 * asked + 1), pair, (one, other), np.ones(len(pair)))


CONTRARY, ALIKE, SILENT = [(1.0, 0.0)] * 6, [(1.0, 1.0)] * 4, [(0.5, 0.5)]


def test_it_is_believed_until_enough_pairs_contradict() -> None:
    assert same_from(met([], *SILENT), 0.03, 0.2) == FROM[0]
    assert same_from(met([0.72] * 3, *CONTRARY), 0.03, 0.2) == FROM[0]
    assert same_from(met([0.72] * 30, *CONTRARY), 0.03, 0.2) == 0.75
    assert same_from(met(np.linspace(0.6, 1.1, 60), *CONTRARY), 0.03, 0.2) == NEVER
    assert same_from(met(np.linspace(0.6, 1.1, 60), *SILENT), 0.03, 0.2) == FROM[0]


def test_where_judgements_err_often_less_is_believed() -> None:
    contrary = met([0.72] * 3, *CONTRARY * 4)
    assert same_from(contrary, 0.03, 0.2) == FROM[0]
    assert same_from(contrary, 0.4, 0.2) > 0.72


def test_those_that_agree_bear_the_claim_where_others_do_not() -> None:
    contrary, agreeing = met([0.66] * 40, *CONTRARY), met([0.88] * 40, *ALIKE)
    one, other = zip(contrary.scores, agreeing.scores, strict=True)
    asked, too = zip(contrary.questions, agreeing.questions, strict=True)
    both = Witnesses(
        np.concatenate([contrary.likeness, agreeing.likeness]),
        (np.concatenate(asked), np.concatenate(too)),
        np.concatenate([contrary.pair, agreeing.pair + 40]),
        (np.concatenate(one), np.concatenate(other)),
        np.concatenate([contrary.weight, agreeing.weight]),
    )
    assert same_from(both, 0.03, 0.2) in (0.7, 0.75, 0.8)
    near = both.nearer_than(0.7)
    assert (near.likeness == 0.88).all()
    assert np.allclose(near.agreement(0.03, 0.2), agreeing.agreement(0.03, 0.2))


@pytest.mark.parametrize("questions", [2, 3, 10])
def test_so_many_questions_that_mean_the_same_are_one_fact_less(questions: int) -> None:
    one, other = np.triu_indices(questions, 1)
    pairs = replace(met([0.8] * len(one), *ALIKE), questions=(one, other))
    assert pairs.facts().sum() == pytest.approx(questions - 1)


def test_where_needs_have_many_right_documents_people_who_need_the_same_agree_on_some() -> None:
    judged = [(1, 0), (0, 1), (1, 1), (0, 0), (0, 0), (0, 0)]
    one, other = (np.array(side, np.float64) for side in zip(*judged, strict=True))

    def forgiven(share: float) -> float:
        return float(met([0.72], *judged).agreement(0.03, share)[0] - agreement((one, other), 0.03, share).sum())

    assert forgiven(0.07) == pytest.approx(0)
    assert forgiven(0.3) > 1
    assert same_from(met([0.72] * 12, *judged), 0.03, 0.3) == FROM[0]


@given(st.floats(0.01, 0.49), st.floats(0.01, 0.49), st.floats(0.02, 0.5))
def test_the_more_judgements_err_the_less_they_tell_one_need_from_two(one: float, other: float, share: float) -> None:
    seldom, often = (loudness(error, share) for error in sorted((one, other)))
    assert 0 <= often <= seldom + 1e-9 <= 1 + 1e-9
    assert loudness(0.5, share) == pytest.approx(0)


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
