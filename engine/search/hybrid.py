"""Hybrid scores: how near a document is in meaning and in words, on one scale, sharpened by the first answers.

    score = α · max(cosine, 0) + (1 − α) · BM25 / ceiling

The ceiling is what a document with every word of the question could reach at most; so a score says the same in every
corpus and under every filter. The best answers then sharpen the question in vector space (Rocchio 1971), and what was
found is compared once more: nothing is searched a second time.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import Key
from engine.search.retrieval import Found, Place, cosines

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


def nearness(
    dense: Found, text: Found, ceiling: float, question: NDArray[np.float32], alpha: float
) -> dict[Key, Nearness]:
    """How near each found document is to a question (float32 [dimension]).

    `text`: BM25 scores, `ceiling`: the greatest possible. A document that only one list found has no words, or is
    compared with the question here.
    """
    places = {key: hit.place for key, hit in text.items()} | {key: hit.place for key, hit in dense.items()}
    words = {key: hit.score / ceiling for key, hit in text.items()} if ceiling else {}
    first = _near(places, words, question)
    best = sorted(first, key=lambda key: (-first[key].score(alpha), key))[:DOCUMENTS]
    weights = [first[key].score(alpha) for key in best]
    return _near(places, words, sharpened(question, [places[key] for key in best], weights)) if any(weights) else first


def _near(
    places: Mapping[Key, Place], words: Mapping[Key, float], question: NDArray[np.float32]
) -> dict[Key, Nearness]:
    found = cosines(list(places.values()), question)
    return {key: Nearness(cosine, words.get(key, 0.0)) for key, cosine in zip(places, found, strict=True)}


def sharpened(question: NDArray[np.float32], places: Sequence[Place], weights: Sequence[float]) -> NDArray[np.float32]:
    """The question and WEIGHT times the weighted mean of the chunks' vectors, of unit length."""
    vectors = np.stack([place.segment.vectors[place.chunk] for place in places])
    moved = question + WEIGHT * np.average(vectors, axis=0, weights=weights)
    unit: NDArray[np.float32] = (moved / np.linalg.norm(moved)).astype(np.float32)
    return unit
