"""Prints: numbers for the vectors and the words of chunks, equal for equal ones, so that copies are found unread.

Every question has rows that tie by BM25, and the vector of each of them would be read: what was made once is kept.
"""

import threading
from collections.abc import Callable
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.search.segment import Segment
from engine.search.vectors.protocol import Rows

SEED = 20263
BLOCK = 1024  # chunks that are read at a time: their vectors stay in the cache of the core
UNKNOWN = 0  # what no print is


class Prints:
    """Numbers for chunks, made when they are asked for first. Safe for threads: each makes the same."""

    def __init__(self, made: Callable[[Segment, Rows], Rows]) -> None:
        """`made`: makes those of some chunks of a segment."""
        self._made = made
        self._kept: WeakKeyDictionary[Segment, Rows] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, segment: Segment, chunks: Rows) -> Rows:
        """The numbers of some chunks of a segment."""
        with self._lock:
            if segment not in self._kept:
                self._kept[segment] = np.full(segment.chunks.num_rows, UNKNOWN, np.int64)
            kept = self._kept[segment]
        found: Rows = kept[chunks]
        unknown = found == UNKNOWN
        if unknown.any():
            missing = np.unique(chunks[unknown])
            for start in range(0, len(missing), BLOCK):
                some = missing[start : start + BLOCK]
                kept[some] = self._made(segment, some)
            found = kept[chunks]
        return found


def _of_vectors(segment: Segment, chunks: Rows) -> Rows:
    """The bits of the product of each vector with a vector of chance."""
    vectors = segment.vectors[chunks].astype(np.float64)
    found: Rows = np.vecdot(vectors, _chance(vectors.shape[1])).view(np.int64)
    return found


@lru_cache(8)
def _chance(dimension: int) -> NDArray[np.float64]:
    return np.random.default_rng(SEED).standard_normal(dimension)


def _of_words(segment: Segment, chunks: Rows) -> Rows:
    """Equal for texts that differ in case and white space only; good within this process."""
    contents = segment.chunks.column("content").take(chunks).to_pylist()
    return np.array([hash(" ".join(content.casefold().split())) or 1 for content in contents], np.int64)


VECTORS, WORDS = Prints(_of_vectors), Prints(_of_words)
