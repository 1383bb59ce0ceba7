"""How much a word of a question tells, as outcomes have it: right documents have what matters more often than others.

Who needs "3 welders in Gary" is shown welders, and people of Gary; those that prove right are both. How rare a word is
among the questions does not tell "need" and "3" from these, what was judged does. In the manner of relevance weights
(Robertson, Sparck Jones 1976), but as a difference of shares, which is bounded where little was judged: of the right
documents of the questions with a word so many have it, against a quarter of the share of their wrong ones, all of which
were found by the question, and three quarters of the share of all judged documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.memory.words import NONE, Floats, Rows, Said, Vocabulary, Weigh, Weights, Words, matches

OF_WRONG = 0.25
IMAGINED = 10.0  # documents of a word, right and wrong, that have it as often as those of all words
LEAST = 0.01  # what a word tells at least
UNKNOWN, FEW = 0.5, 10.0  # so much is believed of every word, as if so many documents had said so
NOTHING = 1e-9


@dataclass(frozen=True)
class Importance:
    """What each word tells, 0 … 1."""

    words: Words  # ascending
    shares: Floats
    others: float  # of a word that is in none of the judged questions

    def of(self, words: Words) -> Floats:
        """What some words tell: float64 [words]."""
        if not len(self.words):
            return np.full(len(words), self.others)
        at = np.minimum(np.searchsorted(self.words, words), len(self.words) - 1)
        told: Floats = np.where(self.words[at] == words, self.shares[at], self.others)
        return told

    def weighing(self, vocabulary: Vocabulary) -> Weigh:
        """A word weighs as much as it tells, and more the rarer it is among questions."""
        return lambda words: vocabulary.weights(words) * self.of(words)

    def apart(self, vocabulary: Vocabulary, words: Words) -> tuple[Weights, Weights]:
        """The weights of words as far as they tell, and as far as they idle: tell less than words usually do."""
        rarity, told = vocabulary.weights(words), self.of(words)
        telling = rarity * told
        return Weights(telling, telling), Weights(rarity, rarity * np.maximum(0.0, 1 - told / self.others))


EQUAL = Importance(NONE, np.empty(0), 1.0)


def importance(
    questions: Sequence[Words], documents: Sequence[Words], asked: Rows, answering: Rows, scores: Floats
) -> Importance:
    """What the words of judged questions tell.

    `asked`, `answering`: of each judgement the position of its question and of its document, all of which were judged;
    `scores`: 1 for a right one, 0 for a wrong one, float64 [judgements].
    """
    said = Said(questions)
    pair, word, has = matches(said, documents, asked, answering)
    distinct, of = np.unique(said.words[word], return_inverse=True)
    if not len(distinct):
        return EQUAL
    right, usually_right = _shares(of, has, scores[pair], len(distinct))
    wrong, usually_wrong = _shares(of, has, 1 - scores[pair], len(distinct))
    anywhere = _frequency(distinct, documents) / len(documents)
    more = right - OF_WRONG * wrong - (1 - OF_WRONG) * anywhere
    usual = usually_right - OF_WRONG * usually_wrong - (1 - OF_WRONG) * anywhere.mean()
    told = _believed(np.append(more, usual), len(documents))
    return Importance(distinct, told[:-1], float(told[-1]))


def _believed(more: Floats, documents: int) -> Floats:
    believed: Floats = (documents * np.maximum(more, LEAST) + FEW * UNKNOWN) / (documents + FEW)
    return believed


def _shares(of: Rows, has: NDArray[np.bool_], weights: Floats, words: int) -> tuple[Floats, float]:
    """By word, and of all words together, the share of documents that have it; each document weighs."""
    judged, having = np.bincount(of, weights, words), np.bincount(of, weights * has, words)
    usual = float(having.sum() / max(judged.sum(), NOTHING))
    return (having + IMAGINED * usual) / (judged + IMAGINED), usual


def _frequency(distinct: Words, documents: Sequence[Words]) -> Floats:
    """How many documents have each of some words, which ascend."""
    held, counts = np.unique(np.concatenate([NONE, *documents]), return_counts=True)
    if not len(held) or not len(distinct):
        return np.zeros(len(distinct))
    at = np.minimum(np.searchsorted(held, distinct), len(held) - 1)
    frequency: Floats = np.where(held[at] == distinct, counts[at], 0).astype(np.float64)
    return frequency
