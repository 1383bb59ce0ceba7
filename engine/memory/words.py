"""The words of recorded questions and of judged documents, as numbers: how much of a question a document has.

A word weighs more the fewer of the recorded questions have it, ln(1 + (n − f + ½) / (f + ½)) as in BM25: what every
question says ("who", "need") says nothing about what this one asks.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.search.text import terms

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Words = NDArray[np.uint32]  # distinct, ascending

NONE: Words = np.empty(0, np.uint32)
MOST = 4096  # distinct words of a text that are looked at
HALF = np.uint64(32)  # bits of a word
LEAST = 1e-9


def words(text: str) -> Words:
    """The stemmed words of a text, each as the CRC-32 of its UTF-8."""
    distinct = islice(dict.fromkeys(terms(text)), MOST)
    return np.array(sorted({zlib.crc32(term.encode()) for term in distinct}), np.uint32)


class Vocabulary:
    """How many of some questions have a word."""

    def __init__(self, questions: Iterable[Words] = ()) -> None:
        """Those of `questions` are counted."""
        self._questions = 0
        self._having: Counter[int] = Counter()
        for question in questions:
            self.add(question)

    def add(self, question: Words) -> None:
        """Count a question."""
        self._questions += 1
        self._having.update(question.tolist())

    def remove(self, question: Words) -> None:
        """Count a question no more."""
        self._questions -= 1
        self._having.subtract(question.tolist())
        for word in question.tolist():
            if not self._having[word]:
                del self._having[word]

    def weights(self, question: Words) -> Floats:
        """What each word weighs: float64 [words]; a word may stand there more than once."""
        distinct, of = np.unique(question, return_inverse=True)
        having = np.array([self._having.get(word, 0) for word in distinct.tolist()], np.float64)
        weights: Floats = np.log1p((self._questions - having + 0.5) / (having + 0.5))[of]
        return weights


class Overlap(NamedTuple):
    """For pairs of a question and a document, float64 [pairs] each: the weight of the words that both have, and of all
    words of the question.
    """

    common: Floats
    asked: Floats


def overlap(
    questions: Sequence[Words], documents: Sequence[Words], asked: Rows, answering: Rows, vocabulary: Vocabulary
) -> Overlap:
    """The overlap of pairs: `asked` and `answering` are the positions of their questions and documents."""
    lengths = np.array([len(one) for one in questions], np.int64)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    said = np.concatenate([NONE, *questions])
    weights = vocabulary.weights(said)
    of = np.repeat(np.arange(len(documents), dtype=np.uint64), [len(one) for one in documents])
    held = np.concatenate([NONE, *documents]) + (of << HALF)
    counts = lengths[asked]
    pair = np.repeat(np.arange(len(asked)), counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    word = np.repeat(starts[asked], counts) + within
    wanted = said[word] + (np.repeat(answering, counts).astype(np.uint64) << HALF)
    at = np.searchsorted(held, wanted)
    has = held[np.minimum(at, len(held) - 1)] == wanted if len(held) else np.zeros(len(wanted), np.bool_)
    common = np.bincount(pair, weights[word] * has, len(asked)).astype(np.float64)
    return Overlap(common, np.bincount(pair, weights[word], len(asked)).astype(np.float64))


def difference(one: Overlap, other: Overlap) -> Floats:
    """How much more of one question than of another a document has, -2 … 2: Δ common / mean weight of the questions.

    Words that both questions have cancel out, and so do those that only one has and no document.
    """
    more: Floats = (one.common - other.common) / np.maximum((one.asked + other.asked) / 2, LEAST)
    return more
