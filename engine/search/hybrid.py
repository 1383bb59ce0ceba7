"""Hybrid scores: how near a document is in meaning and in words, on one scale, sharpened by the first answers.

    score = α · max(cosine, 0) + (1 − α) · BM25 / ceiling

The ceiling is what a document with every word of the question could reach at most; so a score says the same in every
corpus and under every filter. The best answers then sharpen the question in vector space (Rocchio 1971), and what was
found is compared once more: nothing is searched a second time.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from engine.search.fusion import sorting, starts
from engine.search.lists import Floats
from engine.search.retrieval import at_a_time, compared
from engine.search.vectors.protocol import Mask, Rows, Vectors

EQUAL = 0.5  # α where none is given
DOCUMENTS = 3  # whose vectors sharpen the question
WEIGHT = 0.6  # of their mean, beside the question's 1


class Nearness(NamedTuple):
    """How near a document is: the cosine with the sharpened question, and the share of the greatest BM25."""

    cosine: float
    words: float

    def score(self, alpha: float) -> float:
        """Both as one number, 0 … 1."""
        return alpha * max(self.cosine, 0.0) + (1 - alpha) * self.words


class Candidates(NamedTuple):
    """What some questions found, the rows of a question together: questions ascend."""

    question: Rows  # positions in the batch
    order: Rows  # rises with (corpus, id)
    chunk: Rows  # number of the chunk that is compared
    words: Floats  # the share of the greatest BM25


class Compared(NamedTuple):
    """What was found, compared with the question as it was asked and as its first answers sharpened it."""

    asked: Floats
    sharpened: Floats


class Gather(Protocol):
    """What has the vectors of chunks."""

    def vectors(self, chunks: Rows) -> Vectors:
        """Those of some."""


def scores(cosines: Floats, words: Floats, alpha: float) -> Floats:
    """Cosines and words as one number each, 0 … 1."""
    found: Floats = alpha * np.maximum(cosines, 0.0) + (1 - alpha) * words
    return found


def compare(found: Candidates, questions: Vectors, alpha: float, known: Gather) -> Compared:
    """How near each found document is to its question; `questions`: float32 [n, dimension]."""
    asked, moved = np.empty(len(found.chunk)), np.empty(len(found.chunk))
    for rows in at_a_time(found.question):
        some = Candidates._make(column[rows] for column in found)
        vectors = known.vectors(some.chunk)
        asked[rows] = compared(vectors, some.question, questions)
        moved[rows] = asked[rows]
        near = scores(asked[rows], some.words, alpha)
        first = starts(some.question)
        of = np.repeat(np.arange(len(first)), np.diff(first, append=len(some.question)))
        best, weights = _best(near, of, first, some.order, vectors)
        moves: Mask = np.asarray(weights.any(axis=1))
        if moves.any():
            sharp = sharpened(questions[some.question[first[moves]]], vectors[best[moves]], weights[moves])
            at = np.flatnonzero(moves[of]) if not moves.all() else slice(None)
            moved[rows][at] = compared(vectors[at], (np.cumsum(moves) - 1)[of][at], sharp)
    return Compared(asked, moved)


def _best(near: Floats, of: Rows, first: Rows, order: Rows, vectors: Vectors) -> tuple[Rows, Floats]:
    """For each question its DOCUMENTS best rows whose vectors differ, and their scores, 0 where there are fewer."""
    by_score = sorting(of, -near, order)
    best, weights = np.zeros((len(first), DOCUMENTS), np.int64), np.zeros((len(first), DOCUMENTS))
    for at, (start, end) in enumerate(pairwise([*first.tolist(), len(of)])):
        chosen = _different(by_score[start:end], vectors)
        best[at, : len(chosen)] = chosen
        weights[at, : len(chosen)] = near[chosen]
    return best, weights


def _different(order: Iterable[int], vectors: Vectors) -> list[int]:
    """The first DOCUMENTS rows whose vectors differ: what many documents say must not sharpen more often than once."""
    chosen: dict[bytes, int] = {}
    for at in order:
        chosen.setdefault(vectors[at].tobytes(), at)
        if len(chosen) == DOCUMENTS:
            break
    return list(chosen.values())


def sharpened(questions: Vectors, answers: Vectors, weights: Floats) -> Vectors:
    """Each question and WEIGHT times the weighted mean of its answers' vectors, of unit length: float32 [n, dimension].

    `answers`: [n, DOCUMENTS, dimension]; `weights`: [n, DOCUMENTS], of each question one at least is not 0.
    """
    total, sums = np.zeros((len(questions), 1)), np.zeros(questions.shape)
    for at in range(weights.shape[1]):  # one after the other, so that a weight of 0 changes no bit
        sums += answers[:, at] * weights[:, at : at + 1]
        total += weights[:, at : at + 1]
    moved = questions + WEIGHT * (sums / total)
    unit: Vectors = (moved / np.sqrt(np.vecdot(moved, moved))[:, np.newaxis]).astype(np.float32)
    return unit
