"""The words of recorded questions and of judged documents, as numbers: what questions have in common, and documents.

A word weighs more the fewer of the recorded questions have it, ln(1 + (n − f + ½) / (f + ½)) as in BM25: what every
question says ("who", "need") says nothing about what this one asks.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.search.text import terms

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Words = NDArray[np.uint32]  # distinct, ascending
Keys = NDArray[np.uint64]  # words, each with the number of what it stands in
Weigh = Callable[[Words], Floats]  # what each of some words weighs

NONE: Words = np.empty(0, np.uint32)
MOST = 4096  # distinct words of a text that are looked at
HALF = np.uint64(32)  # bits of a word
COMPARED = 64  # distinct words of a question that are compared with those of another one
NEUTRAL = 0.25  # in common: so much says nothing
FEW = 8  # questions: of so many the half is believed
LEAST = 1e-9
DECIMALS = 6  # of a share: the last bits depend on what else is compared


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

    def believed(self, shares: Floats) -> Floats:
        """What to believe of shares of words, see `common`: of few questions one cannot tell which words are rare."""
        believed: Floats = NEUTRAL + (shares - NEUTRAL) * self.trust
        return believed

    @property
    def trust(self) -> float:
        """How far to believe what so many questions say about their words: 0 … 1."""
        return self._questions / (self._questions + FEW)

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


class Weights(NamedTuple):
    """What each of some words weighs, and what it counts where both questions of a pair have it: float64 [words]."""

    all: Floats
    common: Floats


class Said:
    """The words of some questions, one question after the other."""

    def __init__(self, questions: Sequence[Words]) -> None:
        """Of `questions`."""
        self.words = np.concatenate([NONE, *questions])
        self._lengths = np.array([len(one) for one in questions], np.int64)
        self._starts = np.concatenate(([0], np.cumsum(self._lengths)[:-1])).astype(np.int64)

    @property
    def keys(self) -> Keys:
        """Each word with its question, ascending."""
        return _keys(self.words, np.repeat(np.arange(len(self._lengths)), self._lengths))

    def of(self, rows: Rows) -> tuple[Rows, Rows]:
        """The words of the questions at `rows`: for each word the position in `rows`, and its own."""
        counts = self._lengths[rows]
        row = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return row, np.repeat(self._starts[rows], counts) + within


def _keys(words: Words, of: Rows) -> Keys:
    keys: Keys = words + (of.astype(np.uint64) << HALF)
    return keys


def _among(wanted: Keys, held: Keys) -> NDArray[np.bool_]:
    """Which are among some that ascend."""
    if not len(held):
        return np.zeros(len(wanted), np.bool_)
    found: NDArray[np.bool_] = held[np.minimum(np.searchsorted(held, wanted), len(held) - 1)] == wanted
    return found


class Matches(NamedTuple):
    """The words of the questions of some pairs: for each its pair, its place among those said, and whether the document
    of the pair has it.
    """

    pair: Rows
    word: Rows
    has: NDArray[np.bool_]


def matches(said: Said, documents: Sequence[Words], asked: Rows, answering: Rows) -> Matches:
    """`asked` and `answering` are the positions of the questions and documents of the pairs."""
    of = np.repeat(np.arange(len(documents)), [len(one) for one in documents])
    held = _keys(np.concatenate([NONE, *documents]), of)
    pair, word = said.of(asked)
    return Matches(pair, word, _among(_keys(said.words[word], answering[pair]), held))


def overlap(
    questions: Sequence[Words], documents: Sequence[Words], asked: Rows, answering: Rows, weigh: Weigh
) -> Overlap:
    """The overlap of pairs: `asked` and `answering` are the positions of their questions and documents."""
    said = Said(questions)
    pair, word, has = matches(said, documents, asked, answering)
    weights = weigh(said.words)[word]
    common = np.bincount(pair, weights * has, len(asked)).astype(np.float64)
    return Overlap(common, np.bincount(pair, weights, len(asked)).astype(np.float64))


def common(questions: Sequence[Words], one: Rows, other: Rows, weigh: Weigh) -> Floats:
    """What pairs of questions have in common: the weight of the words that both have / that either has, 0 … 1."""

    def alike(words: Words) -> list[Weights]:
        weights = weigh(words)
        return [Weights(weights, weights)]

    return shares(questions, one, other, alike)[0]


def shares(
    questions: Sequence[Words], one: Rows, other: Rows, weigh: Callable[[Words], Sequence[Weights]]
) -> list[Floats]:
    """What pairs of questions have in common, in some respects: what the words of both count / weigh those of either.

    `one`, `other`: their positions. Of a question of very many words the COMPARED of least number are looked at: of two
    equal ones these are the same (Broder 1997).
    """
    said = Said([question[:COMPARED] for question in questions])
    question, word = said.of(np.arange(len(questions)))
    pair, paired = said.of(one)
    has = _among(_keys(said.words[paired], other[pair]), said.keys)
    found: list[Floats] = []
    for weights, counted in weigh(said.words):
        totals = np.bincount(question, weights[word], len(questions))
        both = np.bincount(pair, weights[paired] * has, len(one))
        either = np.maximum(totals[one] + totals[other] - both, LEAST)
        if counted is not weights:
            both = np.bincount(pair, counted[paired] * has, len(one))
        found.append((both / either).round(DECIMALS))
    return found


def difference(one: Overlap, other: Overlap) -> Floats:
    """How much more of one question than of another a document has, -2 … 2: Δ common / mean weight of the questions.

    Words that both questions have cancel out, and so do those that only one has and no document.
    """
    more: Floats = (one.common - other.common) / np.maximum((one.asked + other.asked) / 2, LEAST)
    return more
