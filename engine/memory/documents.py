"""Judged documents as memory compares them with questions: by the words of all their chunks, by their first vector."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.memory.words import NONE, Words, words
from engine.search.generation import Generation
from engine.search.segment import Segment
from engine.search.vectors.protocol import Vectors

GONE = (-1, -1)  # the place of a document that is not there
KEPT = 32_768  # documents of a segment whose words are remembered: some 500 bytes each


class Documents:
    """The words of documents, remembered as long as their segment is open: it never changes. Not safe for threads."""

    def __init__(self) -> None:
        """None remembered yet."""
        self._known: WeakKeyDictionary[Segment, dict[int, Words]] = WeakKeyDictionary()

    def words(self, generation: Generation, id: str) -> Words:
        """Those of a document; none where it is gone."""
        position, row = generation.places.get(id, GONE)
        if position < 0:
            return NONE
        segment = generation.segments[position]
        known = self._known.setdefault(segment, {})
        found = known.pop(row, None)
        if found is None:
            found = words(" ".join(segment.content(chunk) for chunk in segment.chunks_of(row)))
        known[row] = found
        if len(known) > KEPT:
            del known[next(iter(known))]
        return found


def first_vectors(generation: Generation, ids: Sequence[str]) -> tuple[Vectors, NDArray[np.bool_]]:
    """The vector of the first chunk of each document, float32 [ids, dimension], and whether it is there."""
    vectors = np.zeros((len(ids), generation.manifest.dimension), np.float32)
    there = np.zeros(len(ids), np.bool_)
    places = np.array([generation.places.get(id, GONE) for id in ids], np.int64).reshape(len(ids), 2)
    for position, segment in enumerate(generation.segments):
        at = np.flatnonzero(places[:, 0] == position)
        chunks = segment.firsts_of(places[at, 1])
        at, chunks = at[chunks >= 0], chunks[chunks >= 0]
        vectors[at], there[at] = segment.vectors[chunks], True
    return vectors, there
