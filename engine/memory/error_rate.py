"""How often judgements err: by the ranks of what they found right, and by how far near questions agree.

What is right grows rarer with its rank. If much of what stands low was judged right, it is right, or judgements err;
where needs have several right documents, ranks hardly tell which. Questions that mean the same tell it, where such are
recorded: their judgements differ by errors alone. The rate is the mean of what both leave open. (The most likely rate
jumps, in doubt, from one in a hundred to one in five, and what moves by that hardly moves at all.)
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ERRORS = (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.495)
LEVELS, SLOPES = np.arange(-2.5, 2.6, 0.25), np.arange(0.5, 3.1, 0.25)
STEEPNESS, STEEPNESS_SPREAD = 1.1, 0.3  # of right judgements of eight collections: 0.7 to 1.5
DEEPEST = 20  # rank from which on a judged document counts as one of the last
PROVED = 40  # judgements that are imagined to have been right
ANY = 0.005  # beside them the belief that a rate may be any
CHANCE = 0.4  # of more than two wrong ones of five judgements nothing can be learned
NEAR = 0.7  # likeness of questions that may mean the same, in the middle of `sameness.BELIEVED`
MEANT = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # how many of them may do so


def rank_curves(ranks: Floats, scores: Floats) -> Floats:
    """Log likelihoods [α, β, ε] over `LEVELS`, `SLOPES`, `ERRORS`, with what is believed of α and β beforehand.

    P(right) = σ(α − β ln rank) and P(score 1) = P(right)(1 − ε) + (1 − P(right)) ε, for judgements of documents of
    these ranks, from 1.
    """
    at = np.minimum(ranks, DEEPEST).astype(np.int64)
    judged = np.bincount(at, minlength=DEEPEST + 1)[1:].astype(np.float64)
    good = np.bincount(at, scores, DEEPEST + 1)[1:]
    level, slope = LEVELS[:, None, None, None], SLOPES[None, :, None, None]
    errors = np.array(ERRORS)[None, None, :, None]
    right = _chance(level, slope, np.arange(1.0, DEEPEST + 1))
    seen = np.clip(right * (1 - errors) + (1 - right) * errors, 1e-4, 1 - 1e-4)
    likely = (good * np.log(seen) + (judged - good) * np.log(1 - seen)).sum(axis=3)
    unusual = ((slope - STEEPNESS) / STEEPNESS_SPREAD) ** 2 + level**2
    believed: Floats = likely - 0.5 * unusual[..., 0]
    return believed


def best_curve(curves: Floats, ranks: Floats) -> tuple[Floats, float]:
    """How likely documents of these ranks are right, and the error rate, by the curve of the greatest posterior."""
    posterior = curves + 4 * np.log(1 - np.array(ERRORS))
    level, slope, error = np.unravel_index(int(np.argmax(posterior)), posterior.shape)
    return _chance(LEVELS[level], SLOPES[slope], np.minimum(ranks, DEEPEST)), ERRORS[int(error)]


def _chance(level: Floats, slope: Floats, ranks: Floats) -> Floats:
    right: Floats = 1 / (1 + np.exp(slope * np.log(ranks) - level))
    return right


def error_rate(curves: Floats, agreeing: Floats, facts: Floats) -> float:
    """The mean of what ranks and near questions leave open of the error rate.

    `curves`: of `rank_curves`. `agreeing`: of pairs of near questions, log likelihood ratios of one need against two,
    for each of `ERRORS`: [errors, pairs]; `facts`: how far each pair is a fact of its own, [pairs]. How many of the
    pairs are of one need is not known; all shares are as likely.
    """
    errors = np.array(ERRORS)
    ratios = np.exp(np.clip(agreeing, -50, 50))[:, None, :]
    witnessed = np.log(MEANT[:, None] * ratios + 1 - MEANT[:, None]) @ facts
    believed = np.log((1 - errors) ** PROVED + ANY)
    likely = _logsum(curves.reshape(-1, len(errors)).T) + _logsum(witnessed) + believed
    weights = np.exp(likely - likely.max())
    rate = float((weights * errors).sum() / weights.sum())
    return ERRORS[-1] if rate > CHANCE else rate


def _logsum(likely: Floats) -> Floats:
    """ln Σ exp of each row."""
    most = likely.max(axis=1)
    total: Floats = most + np.log(np.exp(likely - most[:, None]).sum(axis=1))
    return total
