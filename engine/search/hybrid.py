"""Hybrid scores: how near a document is in meaning and in words, on one scale, sharpened by the first answers.

    score = α · max(cosine, 0) + (1 − α) · BM25 / ceiling

The ceiling is what a document with every word of the question could reach at most; so a score says the same in every
corpus and under every filter. The best answers then sharpen the question in vector space (Rocchio 1971), and what was
found is compared once more: nothing is searched a second time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import Key
from engine.search.retrieval import Found, cosines, vectors
from engine.search.vectors.protocol import Vectors

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


class Compared(NamedTuple):
    """What was found, compared with the question as it was asked and as its first answers sharpened it."""

    near: dict[Key, Nearness]
    cosines: dict[Key, float]  # with the question as it was asked


def nearness(dense: Found, text: Found, ceiling: float, question: NDArray[np.float32], alpha: float) -> Compared:
    """How near each found document is to a question (float32 [dimension]).

    `text`: BM25 scores, `ceiling`: the greatest possible. A document that only one list found has no words, or is
    compared with the question here.
    """
    places = {key: hit.place for key, hit in text.items()} | {key: hit.place for key, hit in dense.items()}
    if not places:
        return Compared({}, {})
    keys = list(places)
    compared = vectors(list(places.values()))
    words = [text[key].score / ceiling if ceiling and key in text else 0.0 for key in keys]
    asked = cosines(compared, question)
    scores = [alpha * max(cosine, 0.0) + (1 - alpha) * share for cosine, share in zip(asked, words, strict=True)]
    best = _different(sorted(range(len(keys)), key=lambda at: (-scores[at], keys[at])), compared)
    weights = [scores[at] for at in best]
    moved = cosines(compared, sharpened(question, compared[best], weights)) if any(weights) else asked
    near = {key: Nearness(*pair) for key, pair in zip(keys, zip(moved, words, strict=True), strict=True)}
    return Compared(near, dict(zip(keys, asked, strict=True)))


def _different(order: Sequence[int], compared: Vectors) -> list[int]:
    """The first DOCUMENTS rows whose vectors differ: what many documents say must not sharpen more often than once."""
    chosen: dict[bytes, int] = {}
    for at in order:
        chosen.setdefault(compared[at].tobytes(), at)
        if len(chosen) == DOCUMENTS:
            break
    return list(chosen.values())


def sharpened(question: NDArray[np.float32], answers: Vectors, weights: Sequence[float]) -> NDArray[np.float32]:
    """The question and WEIGHT times the weighted mean of the answers' vectors, of unit length."""
    moved = question + WEIGHT * np.average(answers, axis=0, weights=weights)
    unit: NDArray[np.float32] = (moved / np.linalg.norm(moved)).astype(np.float32)
    return unit
