"""The robust mode: what moves, how far, and that it depends on the outcomes alone."""

import math
import random
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.memory import fit as fitting
from engine.memory import questions
from engine.memory.error_rate import best_curve, rank_curves
from engine.memory.evidence import Asked, Evidence
from engine.memory.fit import GRID, STARTS, Fit, Pairs, Sample, _posterior, fit, gain
from engine.memory.playbook import Near, Playbook, playbook_id
from engine.memory.questions import ALL, Questions
from engine.memory.robust import FIRSTHAND, LEAST, WHISPER, log_odds_of, moved, place_of, said_by, weigh
from engine.memory.sameness import NEVER
from engine.memory.words import NEUTRAL, Overlap
from engine.search.fusion import Key

PROBABILITY = st.floats(0, 0.97)


def outcome(query: str, id: str, score: float = 1.0) -> Playbook:
    return Playbook(playbook_id(query, "c", id), query, "c", id, score, None, None, "m")


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def keys(n: int) -> dict[Key, float]:
    return {Key("c", f"d{rank:03}"): 1 / (60 + rank) for rank in range(1, n + 1)}


@given(PROBABILITY, st.floats(-30, 30), st.floats(0.02, 0.5))
def test_evidence_is_finite_and_points_where_the_judgements_point(related: float, sure: float, share: float) -> None:
    added = float(gain(np.array([related]), np.array([sure]), share)[0])
    assert math.isfinite(added)
    assert added * sure >= -1e-12
    assert related or not added


@given(st.lists(st.floats(-9, 9), min_size=30, max_size=30))
def test_what_moves_stays_within_bounds_and_in_order(added: list[float]) -> None:
    scores = keys(30)
    changes = dict(zip(scores, added, strict=True))
    after = moved(scores, changes)
    best = max(scores.values())
    assert all(0 < score <= 2 * best and math.isfinite(score) for score in after.values())
    odds = {key: log_odds_of(rank) + changes[key] for rank, key in enumerate(scores, 1)}
    by_place = sorted(scores, key=lambda key: -odds[key])
    for one, other in pairwise(by_place):
        assert after[one] >= after[other] * (1 - 3e-9)


@given(st.floats(0.001, 1e6))
def test_a_place_has_log_odds_and_they_a_place(place: float) -> None:
    odds = log_odds_of(place)
    assert place_of(odds) == pytest.approx(place)
    assert log_odds_of(place * 2) < odds
    assert (odds > 0) == (place < 1)


def test_only_what_is_judged_moves() -> None:
    scores = keys(10)
    assert moved(scores, {}) == {}
    assert set(moved(scores, {Key("c", "d005"): 3.0, Key("c", "elsewhere"): 3.0})) == {Key("c", "d005")}


def test_a_right_answer_goes_up_a_wrong_one_down_and_half_right_is_no_news() -> None:
    near = [
        Near(outcome("q", "up"), 0.05),
        Near(outcome("q", "down", 0.0), 0.05),
        Near(outcome("q", "same", 0.5), 0.05),
    ]
    weighed = weigh(near, {"c": Fit()})
    assert weighed[Key("c", "up")].added > 1 > -1 > weighed[Key("c", "down")].added
    assert Key("c", "same") not in weighed


def test_what_proved_right_for_the_very_question_comes_first_from_anywhere_in_the_first_ten() -> None:
    scores = keys(50)
    learned = fit(sample(np.ones(1), np.ones(1), shown=np.full(1, 10.0)))
    for rank in (2, 5, 10):
        key = Key("c", f"d{rank:03}")
        weighed = weigh([Near(outcome("q", key.id), 0.0, own=True)], {"c": learned})
        assert moved(scores, {key: weighed[key].added})[key] >= max(scores.values())


def test_who_tells_only_what_was_right_does_not_make_every_document_right() -> None:
    told = judged(random.Random(4), 0.0)
    right = told.scores > 0.5
    few = sample(told.scores[right], told.ranks[right], shown=np.full(int(right.sum()), 5.0))
    assert fit(few).share < 0.3
    assert fit(replace(few, shown=np.ones(len(few.scores)))).share == 0.5


def test_a_wrong_judgement_among_right_ones_does_not_mislead() -> None:
    right = [Near(outcome(f"q{n}", "d"), 0.1 + n / 100) for n in range(3)]
    wrong = Near(outcome("wrong", "d", 0.0), 0.1)
    alone, together = weigh(right[:1], {"c": Fit(error=0.1)}), weigh([*right, wrong], {"c": Fit(error=0.1)})
    assert together[Key("c", "d")].added > 0.8 * alone[Key("c", "d")].added


def test_far_questions_say_nothing_however_many() -> None:
    far = [Near(outcome(f"q{n}", "d"), 0.55) for n in range(50)]
    assert weigh(far, {"c": Fit()}).get(Key("c", "d")) is None


def test_what_is_said_softly_moves_nothing_until_others_say_it_too() -> None:
    fits = {"c": Fit()}
    distance = next(
        distance
        for distance in np.arange(0.2, 0.6, 0.001).tolist()
        if said_by([Near(outcome("q", "d"), distance)], fits["c"])[0] < 0.9 * WHISPER * fits["c"].sureness()
    )
    soft = [Near(outcome(f"q{n}", "d"), distance) for n in range(3)]
    assert said_by(soft[:1], fits["c"])[0] > LEAST
    assert not weigh(soft[:1], fits)
    assert weigh(soft, fits)[Key("c", "d")].added == pytest.approx(said_by(soft, fits["c"]).sum())


def test_a_judgement_says_what_those_that_err_so_often_say_in_the_mean() -> None:
    def said(error: float) -> float:
        return float(said_by([Near(outcome("q", "d"), 0.0, own=True)], Fit(error=error))[0])

    assert said(0.2) == pytest.approx(FIRSTHAND * 0.6 * math.log(4))
    assert said(0.1) > said(0.2) > said(0.4) > 0
    assert said(0.01) == said(0.03)


def test_judgements_that_err_half_the_time_move_nothing() -> None:
    weighed = weigh([Near(outcome("q", "d"), 0.0, own=True)], {"c": Fit(error=0.495)})
    assert abs(weighed[Key("c", "d")].added if weighed else 0.0) < 0.05


def pairs(cosine: float, words: float = 0.0, usual: float = 0.0, common: float = NEUTRAL, idle: float = 0.0) -> Pairs:
    one, none = np.ones(1), np.zeros(1)
    return Pairs(cosine * one, words * one, none, usual * one, common * one, idle * one)


@given(st.floats(0.35, 1), st.floats(0, 0.6), st.floats(0, 1))
def test_what_usual_neighbours_say_as_well_does_not_count(cosine: float, usual: float, density: float) -> None:
    everything = Fit(middle=0.3, width=0.08, ceiling=0.9, density=density)
    neighbour = pairs(0.35 + usual, usual=usual)
    assert everything.beyond_usual(neighbour, np.ones(1)) == pytest.approx(0)
    assert 0 <= everything.beyond_usual(pairs(cosine, usual=usual), np.ones(1))[0] <= 1


@given(st.floats(0.35, 1), st.floats(-2, 2), st.sampled_from([-1.0, 1.0]))
def test_a_difference_brings_no_question_nearer(cosine: float, words: float, leaning: float) -> None:
    there = Fit().likeness(pairs(cosine, words), np.array([leaning]))[0]
    assert there <= cosine
    assert there < cosine or words * leaning < 1e-6


@given(st.floats(0.35, 1), st.floats(0, 1))
def test_words_in_common_bring_questions_nearer_and_their_lack_says_little(cosine: float, common: float) -> None:
    alone, together = (float(Fit().likeness(pairs(cosine, common=c), np.ones(1))[0]) for c in (0.0, common))
    assert together >= alone >= cosine - 0.05 - 1e-9
    assert common < NEUTRAL or together >= cosine
    assert Fit(common=0).likeness(pairs(cosine, common=common), np.ones(1))[0] == cosine


@given(st.floats(0.35, 1), st.floats(0.01, 1))
def test_words_in_common_that_tell_nothing_do_not_bring_questions_nearer(cosine: float, idle: float) -> None:
    assert Fit().likeness(pairs(cosine, idle=idle), np.ones(1))[0] < cosine


@pytest.mark.parametrize("flipped", [0.0, 0.1, 0.3])
def test_of_two_hills_the_fit_stands_on_the_higher_one(flipped: float) -> None:
    told = judged(random.Random(7), flipped)
    before, _ = best_curve(rank_curves(told.ranks, told.scores), told.ranks)
    together = _posterior(fit(told), told, before)
    for start in STARTS:
        with patch.object(fitting, "STARTS", (start,)):
            assert _posterior(fit(told), told, before) <= together + 1e-9


def judged(chance: random.Random, flipped: float, questions: int = 150) -> Sample:
    """Questions in pairs of the same need; each of ten documents of a need is right by its rank."""
    vectors: list[np.ndarray] = []
    scores: list[float] = []
    ranks: list[int] = []
    at: dict[tuple[int, int], list[int]] = {}
    for need in range(questions // 2):
        truth = [chance.random() < 0.7 / rank for rank in range(1, 11)]
        base = np.array([chance.gauss(0, 1) for _ in range(64)])
        for _ in range(2):
            vector = base + np.array([chance.gauss(0, 0.4) for _ in range(64)])
            for rank, right in enumerate(truth, 1):
                at.setdefault((need, rank), []).append(len(scores))
                vectors.append(vector / np.linalg.norm(vector))
                scores.append(float(right != (chance.random() < flipped)))
                ranks.append(rank)
    pairs = [(a, b) for rows in at.values() for a in rows for b in rows if a != b]
    of, by = (np.array(side) for side in zip(*pairs, strict=True))
    rows = np.array(vectors)
    return sample(np.array(scores), np.array(ranks, float), (of, by, (rows[of] * rows[by]).sum(axis=1)))


def in_the_same_form(idle: float, needs: int = 60) -> Sample:
    """Two questions a need that agree; as near, by words that tell nothing, is one that needs something else."""
    chance = random.Random(5)
    rows = np.arange(needs * 20)  # need, question, rank
    truth = np.array([[float(chance.random() < 0.7 / rank) for rank in range(1, 11)] for _ in range(needs)])
    scores = np.repeat(truth, 2, axis=0).ravel()
    same, other = np.where(rows // 10 % 2, rows - 10, rows + 10), (rows + 20) % len(rows)
    of, by = np.concatenate([rows, rows]), np.concatenate([same, other])
    told = sample(scores, rows % 10 + 1.0, (of, by, np.full(len(of), 0.65)))
    return replace(told, idle=np.repeat([0.0, idle], len(rows)))


def test_what_words_that_tell_nothing_bring_about_is_learned() -> None:
    found = fit(in_the_same_form(0.4))
    assert found.idle > Fit().idle
    together, alike = (found.beyond_usual(pairs(0.65, idle=idle), np.ones(1))[0] for idle in (0.0, 0.4))
    assert together > 0.8
    assert alike < 0.1


def sample(
    scores: np.ndarray, ranks: np.ndarray, pairs: tuple[np.ndarray, ...] | None = None, shown: np.ndarray | None = None
) -> Sample:
    """Judgements of documents that suit every question equally well. `pairs`: of, by, and the cosines."""
    of, by, cosines = pairs or (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    same = np.zeros(len(scores))
    told = np.ones(len(scores)) if shown is None else shown
    return Sample(
        scores,
        np.arange(len(scores)) // 10,
        ranks,
        Overlap(same, same),
        same,
        same,
        told,
        of,
        by,
        cosines,
        np.full(len(of), NEUTRAL),
        np.zeros(len(of)),
    )


@pytest.mark.parametrize("flipped", [0.0, 0.1, 0.2, 0.3])
def test_the_error_rate_is_found(flipped: float) -> None:
    assert abs(fit(judged(random.Random(3), flipped)).error - flipped) <= 0.06


def agreeing_by_half(seed: int, needs: int = 60) -> Sample:
    """Needs with several right documents, two by two near each other: of half of the documents both say the same."""
    chance = random.Random(seed)
    one = [[chance.random() < 1 / (1 + 0.75 * rank) for rank in range(1, 11)] for _ in range(needs // 2)]
    two = [
        [was if chance.random() < 0.5 else chance.random() < 1 / (1 + 0.75 * rank) for rank, was in enumerate(row, 1)]
        for row in one
    ]
    told = np.array([row for pair in zip(one, two, strict=True) for row in pair], float).ravel()
    rows = np.arange(10 * needs)
    other = np.where(rows // 10 % 2, rows - 10, rows + 10)
    return sample(told, rows % 10 + 1.0, (rows, other, np.full(len(rows), 0.5)))


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_the_likeliest_at_the_error_rate_that_is_found(seed: int) -> None:
    told = agreeing_by_half(seed)
    before, _ = best_curve(rank_curves(told.ranks, told.scores), told.ranks)
    found = replace(fit(told), same=NEVER)
    best = _posterior(found, told, before)
    for name in set(GRID) - {"error"}:
        at = GRID[name].index(getattr(found, name))
        for value in GRID[name][max(at - 1, 0) : at + 2]:
            assert _posterior(replace(found, **{name: value}), told, before) <= best + 1e-6


def test_nothing_is_believed_of_chance() -> None:
    assert fit(judged(random.Random(5), 0.5)).error >= 0.4
    assert fit(sample(np.zeros(0), np.zeros(0))) == Fit()


def remembered(outcomes: list[Playbook], vectors: dict[str, np.ndarray]) -> Evidence:
    evidence = Evidence()
    for one in outcomes:
        evidence.add(one, vectors[one.query])
    return evidence


def test_memory_is_what_is_recorded_not_how_it_came_to_be() -> None:
    chance = random.Random(1)
    vectors = {f"q{n}": unit(*(chance.gauss(0, 1) for _ in range(16))) for n in range(40)}
    outcomes = [outcome(query, f"d{chance.randrange(15)}", chance.random()) for query in vectors for _ in range(4)]
    outcomes = list({one.playbook_id: one for one in outcomes}.values())
    first = remembered(outcomes, vectors)
    second = remembered(chance.sample(outcomes, len(outcomes)), vectors)
    extra = outcome("q3", "extra")
    second.add(extra, vectors["q3"])
    second.remove(extra)
    wanted = {one.key for one in outcomes}
    for query in vectors:
        near = [sorted((one.distance, one.usual, one.playbook.playbook_id)
                       for one in evidence.judgements(evidence.nearest(Asked(vectors[query], query)),
                                                      evidence.usual(Asked(vectors[query], query)), None, wanted))
                for evidence in (first, second)]  # fmt: skip
        assert near[0] == near[1]
    assert first._chosen() == second._chosen()


@pytest.mark.parametrize("many", [ALL + 400, ALL + 50])  # the signs of all, and those in near cells
@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_compared_does_not_depend_on_the_order(many: int, chance: random.Random) -> None:
    numbers = np.random.default_rng(chance.randrange(1000))
    rows = numbers.standard_normal((ALL + 300, 100)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [f"q{n}" for n in range(len(rows))]
    one, other = Questions(), Questions()
    with patch.object(questions, "MANY", many):
        one.add_all(names, rows)
        order = numbers.permutation(len(rows)).tolist()
        for at in order[:-200]:
            other.add(names[at], rows[at])
        other.near(rows[0], 0.1, 10)  # its cells are made now, the others come later
        other.add("gone", rows[1])
        for at in order[-200:-100]:
            other.add(names[at], rows[at])
        late = order[-150:]  # half of them are there
        other.add_all([names[at] for at in late], rows[late])
        other.remove("gone")
        for row in rows[:5]:
            found = one.near(row, 0.1, 64)
            assert found == other.near(row, 0.1, 64)
            assert found[0][1] == pytest.approx(1)


@pytest.mark.parametrize("many", [10_000, 2500])
def test_near_questions_are_found_among_many(many: int) -> None:
    numbers = np.random.default_rng(5)
    middles = np.repeat(numbers.standard_normal((500, 128)), 6, axis=0)
    rows = (middles + 0.5 * numbers.standard_normal(middles.shape)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    known = Questions()
    for at, row in enumerate(rows):
        known.add(f"q{at}", row)
    found = wanted = 0
    with patch.object(questions, "MANY", many):
        for at in range(0, len(rows), 30):
            right = {f"q{n}" for n in np.flatnonzero(rows @ rows[at] >= 0.6).tolist()}
            found += len(right & {text for text, _ in known.near(rows[at], 0.35, 32)})
            wanted += len(right)
    assert found >= 0.97 * wanted


def test_among_few_all_near_questions_are_found_nearest_first() -> None:
    few = Questions()
    for text, vector in (("b", unit(1, 0)), ("a", unit(1, 0)), ("c", unit(1, 1)), ("d", unit(-1, 0))):
        few.add(text, vector)
    assert [text for text, _ in few.near(unit(1, 0), 0.3, 9)] == ["a", "b", "c"]
    assert [text for text, _ in few.near(unit(1, 0), 0.3, 2)] == ["a", "b"]
    few.remove("a")
    assert [text for text, _ in few.near(unit(1, 0), 0.3, 9)] == ["b", "c"]
