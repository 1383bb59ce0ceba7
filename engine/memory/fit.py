"""What outcomes say about themselves: how often they err, and how alike two questions must be to share answers.

A judgement of a document is compared with the judgements of the same document under other questions, each predicted
from the others (leave-one-out). The greatest posterior of ten numbers is found by walking along a grid, one number at
a time; how often judgements err, by which all is moved, is then found for itself (`error_rate`). Nothing is drawn by
chance and no order counts, so that the same outcomes give the same numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.memory import belonging, sameness
from engine.memory.density import LEAST_COSINE
from engine.memory.error_rate import ERRORS, NEAR, best_curve, error_rate, rank_curves
from engine.memory.sameness import same_from
from engine.memory.witnesses import Witnesses
from engine.memory.words import NEUTRAL, Overlap, difference

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

GRID: dict[str, tuple[float, ...]] = {
    "error": ERRORS,
    "middle": tuple(round(0.3 + 0.025 * step, 3) for step in range(27)),
    "density": (0.0, 0.25, 0.5, 0.75, 1.0, 1.25),
    "ceiling": (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99),
    "ground": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4),
    "width": (0.02, 0.03, 0.04, 0.06, 0.08),
    "words": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3),
    "meaning": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3),
    "common": (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8),
    "idle": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3),
}
ROUNDS = 12
LIKE, UNLIKE = np.array([0.6, 0.7, 0.8]), np.array([0.3, 0.375, 0.45])  # cosines less what is usual
BELIEF = 1.0  # imagined pairs at each of them that did, or did not, share their answers
USUAL_ERROR, ERROR_SPREAD = 0.03, 0.2
USUAL_DENSITY, DENSITY_SPREAD = 1.0, 0.3
USUAL_WORDS, USUAL_MEANING, DIFFERENCE_SPREAD = 0.3, 0.4, 0.3
USUAL_COMMON, COMMON_SPREAD = 0.5, 0.2
USUAL_IDLE, IDLE_SPREAD = 0.2, 0.3
LITTLE = 0.15  # in common: less than this says no more
MOST_SURE = 8.0  # log odds


@dataclass(frozen=True)
class Fit:
    """How outcomes are read. The relatedness of two questions of cosine s, for a judgement that was made for one, is
    ground + (ceiling − ground) · σ((s − idle·i − density·u + common·(c − ¼) − [words·Δw + meaning·Δm]₊ − m) / width),
    how likely they need the same; m: middle. u: how near recorded questions usually are to the one asked
    (`density.usual`). c: how much of their words they have in common (`words.common`), at least 0.15; i: how much of
    those that tell nothing.

    Δw, Δm: how far the difference of the two questions explains the judgement. A right document that has more of the
    words of the recorded question, and is nearer to it, than to the other one, may be right for that alone; so may be
    wrong for it alone what suits the other better.
    """

    error: float = USUAL_ERROR  # the share of judgements that are wrong
    middle: float = 0.525
    density: float = USUAL_DENSITY
    width: float = 0.04
    ceiling: float = 0.9
    ground: float = 0.0  # what even unlike questions agree on: a document that is right for everything
    words: float = USUAL_WORDS
    meaning: float = USUAL_MEANING
    common: float = USUAL_COMMON
    idle: float = USUAL_IDLE
    same: float = sameness.NEVER  # the likeness from which on questions are taken to mean the same
    share: float = 0.1  # of the shown documents that are right

    def relatedness(self, cosines: Floats) -> Floats:
        """How likely questions of these cosines need the same documents, the ground included."""
        span = max(self.ceiling - self.ground, 0.0)
        related: Floats = self.ground + span * _sigmoid((cosines - self.middle) / self.width)
        return related

    def likeness(self, pairs: "Pairs", leanings: Floats) -> Floats:
        """The cosines of pairs of questions, with their words, less what is usual and what their difference explains.

        `leanings`: of the judgements, -1 … 1. What is not explained speaks no louder: no question is nearer for that.
        """
        explained = np.sign(leanings) * (self.words * pairs.words + self.meaning * pairs.meaning)
        said = self.common * (np.maximum(pairs.common, LITTLE) - NEUTRAL)
        cosines = pairs.cosines - self.idle * pairs.idle
        alike: Floats = cosines - self.density * pairs.usual + said - np.maximum(explained, 0.0)
        return alike

    def beyond_usual(self, pairs: "Pairs", leanings: Floats) -> Floats:
        """Relatedness beyond that of any neighbour of the question asked, 0 … 1: only this moves a ranking.

        It is by the curve, or by the claim that near questions mean the same, whichever is more. A document that all
        questions find right, or wrong, is not so for the need of one.
        """
        explained, usual = self.likeness(pairs, leanings), LEAST_COSINE + (1 - self.density) * pairs.usual
        related, usually = self.relatedness(explained), self.relatedness(usual)
        if self.same != sameness.NEVER and not self.is_astray:
            alike = self.likeness(pairs, np.zeros(len(leanings)))
            mostly = alike + sameness.EXPLAINED * (explained - alike)
            related = np.maximum(related, sameness.claimed(mostly, self.same))
            usually = np.maximum(usually, sameness.claimed(usual, self.same))
        beyond: Floats = np.maximum(0.0, (related - usually) / (1 - usually))
        return beyond

    @property
    def is_astray(self) -> bool:
        """Whether judgements are not about the questions for which they are recorded: near ones tell nothing then."""
        return self.ceiling == 0

    def sureness(self) -> float:
        """What one judgement of 1 says for its document: ln((1 − error) / error)."""
        return float(np.log((1 - self.error) / self.error))


STARTS = (Fit(), Fit(middle=0.7, ceiling=0.3))  # near questions share their answers; they do not: each is a hill


@dataclass(frozen=True)
class Pairs:
    """Pairs of a judgement and another question, float64 [pairs] each.

    `cosines`: of the two questions. `words`, `meaning`: how much better the document suits the question for which it
    was judged than the other one, by its words (`words.difference`) and by cosine. `usual`: how near recorded questions
    usually are to the other one. `common`: what the two questions have in common of their words, `idle`: of those that
    tell nothing.
    """

    cosines: Floats
    words: Floats
    meaning: Floats
    usual: Floats
    common: Floats
    idle: Floats


@dataclass(frozen=True)
class Sample:
    """Judgements of some documents. `of` and `by` are pairs of rows: the first is predicted from the second."""

    scores: Floats  # 0 … 1
    questions: Rows  # the number of the question of each
    ranks: Floats  # of the document among those judged for the same question, by cosine, from 1
    words: Overlap  # of its question and its document
    meaning: Floats  # its cosine with its question
    usual: Floats  # how near other recorded questions usually are to its question
    shown: Floats  # how many shown documents a judgement stands for: people often tell only what was right
    of: Rows
    by: Rows
    cosines: Floats  # of the questions of a pair
    common: Floats  # of their words
    idle: Floats  # of their words that tell nothing
    belonging: float = belonging.USUAL  # of what was judged wrong to its questions, see `belonging.belonging`

    @cached_property
    def pairs(self) -> Pairs:
        """What is known of each pair."""
        one, other = (Overlap(self.words.common[rows], self.words.asked[rows]) for rows in (self.by, self.of))
        nearer = self.meaning[self.by] - self.meaning[self.of]
        return Pairs(self.cosines, difference(one, other), nearer, self.usual[self.of], self.common, self.idle)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def gain(related: Floats, sure: Floats, share: float) -> Floats:
    """The log odds that a judgement adds to "this document is right".

    `related`: that its question needs what is asked now; `sure`: log odds of the judgement, were it so. With
    relatedness a, Λ = e^sure and a share π of right documents: ln (aΛ/z + 1 − a) / (a/z + 1 − a), z = πΛ + 1 − π.
    """
    return _gain(related, _strength(sure), share)


def _strength(sure: Floats) -> Floats:
    strength: Floats = np.exp(np.clip(sure, -MOST_SURE, MOST_SURE))
    return strength


def _gain(related: Floats, strength: Floats, share: float) -> Floats:
    likely = related / (share * strength + 1 - share)
    unrelated = 1 - related
    added: Floats = np.log((likely * strength + unrelated) / (likely + unrelated))
    return added


def fit(sample: Sample) -> Fit:
    """The numbers of the greatest posterior and the error rate of a sample; of an empty one what is believed before."""
    if not len(sample.scores):
        return Fit()
    curves = rank_curves(sample.ranks, sample.scores)
    before, error = best_curve(curves, sample.ranks)
    rough = _highest([replace(start, error=max(error, USUAL_ERROR)) for start in STARTS], GRID, sample, before)
    error = _error(sample, curves, _witnesses(sample, rough))
    held = [name for name in GRID if name != "error"]
    found = _highest([replace(start, error=error) for start in (*STARTS, rough)], held, sample, before)
    witnesses = _witnesses(sample, found)
    share = _share(sample, error)
    found = replace(found, share=share, same=same_from(witnesses, error, share))
    return replace(found, ceiling=0.0, ground=0.0) if sample.belonging < belonging.LEAST else found


def _witnesses(sample: Sample, found: Fit) -> Witnesses:
    """The pairs of questions that have judged documents in common, as much alike as the fit takes them."""
    alike = found.likeness(sample.pairs, np.zeros(len(sample.of)))
    questions = sample.questions[sample.of], sample.questions[sample.by]
    return Witnesses.of(questions, (sample.of, sample.by), sample.scores, alike)


def _error(sample: Sample, curves: Floats, witnesses: Witnesses) -> float:
    """How often judgements err, by their ranks and by what near questions agree on."""
    near = witnesses.nearer_than(NEAR)
    agreeing = np.stack([near.agreement(error, _share(sample, error)) for error in ERRORS])
    return error_rate(curves, agreeing, near.facts())


def _highest(starts: Sequence[Fit], names: Iterable[str], sample: Sample, before: Floats) -> Fit:
    """The highest of the hills on which some fits stand, by numbers of the grid."""
    climbed = [_climbed(start, names, sample, before) for start in starts]
    return max(climbed, key=lambda one: one[1])[0]


def _climbed(found: Fit, names: Iterable[str], sample: Sample, before: Floats) -> tuple[Fit, float]:
    """The top of the hill on which a fit stands, and its posterior."""
    best = _posterior(found, sample, before)
    for _ in range(ROUNDS):
        start = best
        for name in names:
            found, best = _walked(name, found, best, sample, before)
        if best == start:
            break
    return found, best


def _walked(name: str, found: Fit, best: float, sample: Sample, before: Floats) -> tuple[Fit, float]:
    """The better neighbours of a fit along one number of the grid, as far as they get better, and the posterior."""
    values = GRID[name]
    here = values.index(getattr(found, name))
    for step in (1, -1):
        at = here + step
        while 0 <= at < len(values):
            other = replace(found, **{name: values[at]})
            posterior = _posterior(other, sample, before)
            if posterior <= best + 1e-9:
                break
            best, found, at = posterior, other, at + step
    return found, best


def _share(sample: Sample, error: float) -> float:
    """The share of right documents among the shown, corrected by the error rate; one of ten more is imagined right."""
    observed = (float(sample.scores.sum()) + 1) / (float(sample.shown.sum()) + 10)
    return float(np.clip((observed - error) / (1 - 2 * error), 0.02, 0.5))


def _posterior(fit: Fit, sample: Sample, before: Floats) -> float:
    """Log likelihood of each judgement, predicted from the others, and of what is believed beforehand."""
    error, scores = fit.error, sample.scores
    odds = np.log(before / (1 - before)) + _leave_one_out(fit, sample)
    right = _sigmoid(odds)
    seen = np.clip(right * (1 - error) + (1 - right) * error, 1e-4, 1 - 1e-4)
    likely = float((scores * np.log(seen) + (1 - scores) * np.log(1 - seen)).sum())
    crowd = (1 - fit.density) * float(sample.usual.mean())  # it is as crowded around an imagined pair as it is here
    believed = np.log(np.maximum(fit.relatedness(LIKE + crowd), 1e-3)).sum()
    believed += np.log(np.maximum(1 - fit.relatedness(UNLIKE + crowd), 1e-3)).sum() - 5 * fit.ground
    unusual = ((error - USUAL_ERROR) / ERROR_SPREAD) ** 2
    unusual += ((fit.density - USUAL_DENSITY) / DENSITY_SPREAD) ** 2
    unusual += ((fit.words - USUAL_WORDS) / DIFFERENCE_SPREAD) ** 2
    unusual += ((fit.meaning - USUAL_MEANING) / DIFFERENCE_SPREAD) ** 2
    unusual += ((fit.common - USUAL_COMMON) / COMMON_SPREAD) ** 2
    unusual += ((fit.idle - USUAL_IDLE) / IDLE_SPREAD) ** 2
    return likely + BELIEF * float(believed) - 0.5 * unusual


def _leave_one_out(fit: Fit, sample: Sample) -> Floats:
    """For each judgement the log odds that the other judgements of its document give."""
    leanings = 2 * sample.scores - 1
    related = fit.beyond_usual(sample.pairs, leanings[sample.by])
    strength = _strength(fit.sureness() * leanings)[sample.by]
    given = _gain(related, strength, _share(sample, fit.error))
    together: Floats = np.bincount(sample.of, given, len(sample.scores)).astype(np.float64)
    return together
