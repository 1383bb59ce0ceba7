"""Judged documents as memory compares them with questions: by the words of all their chunks, by their first vector."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.memory.words import NONE, Words, words
from engine.search.generation import Generation
from engine.search.segment import Segment
from engine.search.vectors.protocol import Vectors

KEPT = 32_768  # documents of a segment whose words are remembered: some 500 bytes each


class Documents:
    """The words of documents, remembered as long as their segment is open: it never changes. Not safe for threads."""

    def __init__(self) -> None:
        """None remembered yet."""
        self._known: WeakKeyDictionary[Segment, dict[int, Words]] = WeakKeyDictionary()

    def words(self, generation: Generation, id: str) -> Words:
        """Those of a document; none where it is gone."""
        position, row = generation.places.get(id, (-1, -1))
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
    chunks: dict[int, list[tuple[int, int]]] = {}
    for at, id in enumerate(ids):
        position, row = generation.places.get(id, (-1, -1))
        if position >= 0 and (own := generation.segments[position].chunks_of(row)):
            chunks.setdefault(position, []).append((at, own[0]))
    for position, pairs in chunks.items():
        places, rows = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
        vectors[places] = generation.segments[position].vectors[rows]
        there[places] = True
    return vectors, there
