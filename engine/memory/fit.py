"""What outcomes say about themselves: how often they err, and how alike two questions must be to share answers.

A judgement of a document is compared with the judgements of the same document under other questions, each predicted
from the others (leave-one-out). The greatest posterior of six numbers is found by going through a grid, one number at a
time; nothing is drawn by chance and no order counts, so that the same outcomes give the same numbers.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

GRID: dict[str, tuple[float, ...]] = {
    "error": (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.495),
    "middle": tuple(round(0.5 + 0.05 * step, 2) for step in range(11)),
    "ceiling": (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97),
    "ground": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4),
    "width": (0.02, 0.03, 0.05, 0.08),
}
ROUNDS = 4
LIKE, UNLIKE = np.array([0.8, 0.9, 0.99]), np.array([0.3, 0.45, 0.6])
BELIEF = 4.0  # imagined pairs at each of these cosines that did, or did not, share their answers
USUAL_ERROR, ERROR_SPREAD = 0.03, 0.2
STEEPNESS, STEEPNESS_SPREAD = 1.5, 0.5
MOST_SURE = 8.0  # log odds
DEEPEST = 20  # rank from which on a judged document counts as one of the last


@dataclass(frozen=True)
class Fit:
    """How outcomes are read. The relatedness of two questions of cosine s is
    ground + (ceiling − ground) · σ((s − middle) / width): how likely they need the same documents.
    """

    error: float = USUAL_ERROR  # the share of judgements that are wrong
    middle: float = 0.75
    width: float = 0.05
    ceiling: float = 0.9
    ground: float = 0.0  # what even unlike questions agree on: a document that is right for everything
    share: float = 0.1  # of the shown documents that are right

    def relatedness(self, cosines: Floats) -> Floats:
        """How likely questions of these cosines need the same documents, the ground included."""
        span = max(self.ceiling - self.ground, 0.0)
        related: Floats = self.ground + span * _sigmoid((cosines - self.middle) / self.width)
        return related

    def above_ground(self, relatedness: Floats) -> Floats:
        """Relatedness beyond that of unlike questions, 0 … 1: only this moves a ranking."""
        above: Floats = np.maximum(0.0, (relatedness - self.ground) / (1 - self.ground))
        return above

    def sureness(self) -> float:
        """What one judgement of 1 says for its document: ln((1 − error) / error)."""
        return float(np.log((1 - self.error) / self.error))


@dataclass(frozen=True)
class Sample:
    """Judgements of some documents. `of` and `by` are pairs of rows: the first is predicted from the second."""

    scores: Floats  # 0 … 1
    ranks: Floats  # of the document among those judged for the same question, by cosine, from 1
    of: Rows
    by: Rows
    cosines: Floats  # of the questions of a pair
    shown: Floats  # how many shown documents a judgement stands for: people often tell only what was right


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def gain(related: Floats, sure: Floats, share: float) -> Floats:
    """The log odds that evidence adds to "this document is right".

    `related`: that the recorded questions need what is asked now; `sure`: log odds of the judgements, were it so. With
    relatedness a, Λ = e^sure and a share π of right documents: ln (aΛ/z + 1 − a) / (a/z + 1 − a), z = πΛ + 1 − π.
    """
    strength = np.exp(np.clip(sure, -MOST_SURE, MOST_SURE))
    usual = share * strength + 1 - share
    added: Floats = np.log((related * strength / usual + 1 - related) / (related / usual + 1 - related))
    return added


def fit(sample: Sample) -> Fit:
    """The numbers of the greatest posterior for a sample; of an empty one what is believed beforehand."""
    if not len(sample.scores):
        return Fit()
    before, error = _prior(sample)
    found = Fit(error=max(error, USUAL_ERROR))
    best = _posterior(found, sample, before)
    for _ in range(ROUNDS):
        improved = False
        for name, values in GRID.items():
            for value in values:
                other = replace(found, **{name: value})
                posterior = _posterior(other, sample, before)
                if posterior > best + 1e-9:
                    best, found, improved = posterior, other, True
        if not improved:
            break
    return replace(found, share=_share(sample, found.error))


def _share(sample: Sample, error: float) -> float:
    """The share of right documents among the shown, corrected by the error rate; one of ten more is imagined right."""
    observed = (float(sample.scores.sum()) + 1) / (float(sample.shown.sum()) + 10)
    return float(np.clip((observed - error) / (1 - 2 * error), 0.02, 0.5))


def _prior(sample: Sample) -> tuple[Floats, float]:
    """For each judgement how likely its document is right by its rank alone, and the error rate that this leaves.

    P(right) = σ(α − β ln rank) and P(score 1) = P(right)(1 − ε) + (1 − P(right)) ε, over a grid of α, β, ε.
    """
    ranks = np.minimum(sample.ranks, DEEPEST)
    places = np.arange(1, DEEPEST + 1)
    judged = np.bincount(ranks.astype(np.int64), minlength=DEEPEST + 1)[1:].astype(np.float64)
    good = np.bincount(ranks.astype(np.int64), sample.scores, DEEPEST + 1)[1:]
    level = np.arange(-2.5, 2.6, 0.25)[:, None, None, None]
    slope = np.arange(0.5, 3.1, 0.25)[None, :, None, None]
    errors = np.array(GRID["error"])[None, None, :, None]
    right = _sigmoid(level - slope * np.log(places))
    seen = np.clip(right * (1 - errors) + (1 - right) * errors, 1e-4, 1 - 1e-4)
    likely = (good * np.log(seen) + (judged - good) * np.log(1 - seen)).sum(axis=3)
    likely = likely - 0.5 * ((slope - STEEPNESS) / STEEPNESS_SPREAD)[..., 0] ** 2 - 0.5 * level[..., 0] ** 2
    likely = likely + 4 * np.log(1 - errors[..., 0])
    a, b, c = np.unravel_index(int(np.argmax(likely)), likely.shape)
    chances: Floats = _sigmoid(level[a, 0, 0, 0] - slope[0, b, 0, 0] * np.log(ranks))
    return chances, GRID["error"][int(c)]


def _posterior(fit: Fit, sample: Sample, before: Floats) -> float:
    """Log likelihood of each judgement, predicted from the others, and of what is believed beforehand."""
    error, scores = fit.error, sample.scores
    odds = np.log(before / (1 - before)) + _leave_one_out(fit, sample)
    right = _sigmoid(odds)
    seen = np.clip(right * (1 - error) + (1 - right) * error, 1e-4, 1 - 1e-4)
    likely = float((scores * np.log(seen) + (1 - scores) * np.log(1 - seen)).sum())
    believed = np.log(np.maximum(fit.relatedness(LIKE), 1e-3)).sum()
    believed += np.log(np.maximum(1 - fit.relatedness(UNLIKE), 1e-3)).sum() - 5 * fit.ground
    return likely + BELIEF * float(believed) - 0.5 * ((error - USUAL_ERROR) / ERROR_SPREAD) ** 2


def _leave_one_out(fit: Fit, sample: Sample) -> Floats:
    """For each judgement the log odds that the other judgements of its document give."""
    n = len(sample.scores)
    related = fit.relatedness(sample.cosines)
    most = np.zeros(n)
    np.maximum.at(most, sample.of, related)
    weights = related / np.maximum(most[sample.of], 1e-9)
    leanings = fit.sureness() * (2 * sample.scores[sample.by] - 1)
    sure: Floats = np.bincount(sample.of, weights * leanings, n).astype(np.float64)
    return gain(most, sure, _share(sample, fit.error))
