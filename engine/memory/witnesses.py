"""Pairs of recorded questions that have judged documents in common: what these say for one need of both, against two.

A pair of questions is one witness, whatever number of documents was judged for both: that they mean the same, or do
not, is one fact.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

JUDGED = 10  # documents for both questions of a pair that is imagined
# Where a need has many right documents, two people who have it agree on about half of them (an overlap of .42 to .49:
# Voorhees, Variations in relevance judgments and the measurement of retrieval effectiveness, 2000). (1 − d) / (1 + d).
DISAGREED = 0.4


@dataclass(frozen=True)
class Witnesses:
    """Some pairs of questions. `likeness`: float64 [pairs]. `questions`: the numbers of the two, [pairs] each.

    `pair`: of each pair of judgements, the number of that of its questions; `scores`: of the two judgements; `weight`:
    ½ where each of them is predicted from the other.
    """

    likeness: Floats
    questions: tuple[Rows, Rows]
    pair: Rows
    scores: tuple[Floats, Floats]
    weight: Floats

    @classmethod
    def of(cls, questions: tuple[Rows, Rows], judgements: tuple[Rows, Rows], scores: Floats, alike: Floats) -> Self:
        """Those of pairs of judgements: the numbers of their questions and their own, all scores, and likenesses."""
        one, other = judgements
        twice, pair = _unordered(one, other), _unordered(*questions)
        weight = 1 / np.bincount(twice)[twice]
        _, first = np.unique(pair, return_index=True)
        asked = (questions[0][first], questions[1][first])
        return cls(np.bincount(pair, alike) / np.bincount(pair), asked, pair, (scores[one], scores[other]), weight)

    def nearer_than(self, likeness: float) -> Self:
        """Only those that are so much alike, or more."""
        kept = self.likeness >= likeness
        rows = kept[self.pair]
        (one, other), (asked, too) = self.scores, self.questions
        number = np.cumsum(kept) - 1
        return replace(
            self, likeness=self.likeness[kept], questions=(asked[kept], too[kept]), pair=number[self.pair[rows]],
            scores=(one[rows], other[rows]), weight=self.weight[rows],
        )  # fmt: skip

    def facts(self) -> Floats:
        """How far each pair is a fact of its own: 2 / (1 + pairs of that of its questions that has more), [pairs].

        n questions that mean the same make n (n − 1) / 2 pairs, but what is judged for each is judged once: n − 1.
        """
        one, other = self.questions
        often = np.bincount(np.concatenate(self.questions))
        facts: Floats = 2 / (1 + np.maximum(often[one], often[other]))
        return facts

    def agreement(self, error: float, share: float) -> Floats:
        """What all judgements of a pair say for one need, and against two: log likelihood ratios, [pairs].

        Those who have one need differ by errors alone, or, as likely, by what they take for right, too.
        """
        ratios = [self._agreement(rate, share) for rate in (error, differing(error, share))]
        return np.logaddexp(*ratios) - math.log(2)

    def _agreement(self, error: float, share: float) -> Floats:
        said = agreement(self.scores, error, share) * self.weight
        return np.bincount(self.pair, said, len(self.likeness)).astype(np.float64)


def _unordered(one: Rows, other: Rows) -> Rows:
    """A number for each pair, the same for both orders, from 0 without gaps."""
    number: Rows
    _, number = np.unique(np.minimum(one, other) << 32 | np.maximum(one, other), return_inverse=True)
    return number


def differing(error: float, share: float) -> float:
    """How often judgements for one need differ from what is right for it, of topics on which people agree by half."""
    return max(error, DISAGREED * share)


def agreement(scores: tuple[Floats, Floats], error: float, share: float) -> Floats:
    """What two judgements of a document say for one need of their questions, and against two: log likelihood ratios.

    A judgement errs with probability `error`; `share` of the documents are right.
    """
    (right, wrong), (right_too, wrong_too) = (
        (score * (1 - error) + (1 - score) * error, score * error + (1 - score) * (1 - error)) for score in scores
    )
    together = share * right * right_too + (1 - share) * wrong * wrong_too
    apart = (share * right + (1 - share) * wrong) * (share * right_too + (1 - share) * wrong_too)
    ratio: Floats = np.log(together / apart)
    return ratio


def loudness(error: float, share: float) -> float:
    """How far what was judged for one need can be told from what was judged for two: 0 … 1.

    1 − exp(−n D) for n judged documents; D, the Kullback-Leibler divergence, is what `agreement` says in the mean.
    """
    one, other = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    ratios = agreement((one, other), error, share)
    seen = share * (1 - error) + (1 - share) * error
    apart = np.where(one > 0, seen, 1 - seen) * np.where(other > 0, seen, 1 - seen)
    return 1 - math.exp(-JUDGED * float((apart * np.exp(ratios) * ratios).sum()))
