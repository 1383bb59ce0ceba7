"""Binary codes: one bit a dimension, the sign of its difference from the mean, in memory; 48 bytes for 384 dimensions.

The rows whose codes differ least from that of the question are compared exactly. No graph has to be built, so a corpus
of millions is searchable in seconds; a search looks at every code, some 8 ns each.
"""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from engine.search import room
from engine.search.vectors.protocol import Mask, Parameters, Rows, Vector, Vectors, Work

MEAN, CODES = "mean.npy", "codes.npy"
BATCH = 65_536
BLOCK = 32_768  # codes that are compared at a time: they stay in the cache of the core
FEWEST, TIMES = 1000, 10  # rows that are proposed: at least so many, and so many times what is asked for
ROWS_A_CODE = 1 / 8  # comparing a code under a filter costs as much as so many rows: 2.9 ms for 100,000 and 4,000 rows

Codes = NDArray[np.uint64]  # [words of 64 bits, rows]: word by word, so that a comparison runs along memory


class Compact:
    """The codes of a segment."""

    engine: ClassVar[str] = "compact"
    masks: ClassVar[bool] = True
    slack: ClassVar[int | None] = None

    def __init__(self, mean: Vector, codes: Codes) -> None:
        """`mean`: float32 [dimension]; `codes`: uint64 [dimension / 64, rounded up; rows]."""
        self._mean, self._codes = mean, codes

    @staticmethod
    def bytes_needed(rows: int, dimension: int, parameters: Parameters) -> int:
        """The codes, and a batch of vectors on the way."""
        return rows * dimension // 8 + 4 * BATCH * dimension

    @classmethod
    def build(cls, vectors: Vectors, parameters: Parameters, work: Work) -> Self:
        """The codes of all rows."""
        mean: Vector = np.asarray(vectors.mean(axis=0, dtype=np.float64), np.float32)
        codes = np.empty((-(-vectors.shape[1] // 64), len(vectors)), np.uint64)
        for start in range(0, len(vectors), BATCH):
            work.check()
            end = min(len(vectors), start + BATCH)
            codes[:, start:end] = _encode(vectors[start:end], mean).T
            work.progress(end, len(vectors))
        return cls(mean, codes)

    @classmethod
    def open(cls, folder: Path, rows: int, dimension: int) -> Self:
        """The codes in `folder`."""
        return cls(np.load(folder / MEAN, allow_pickle=False), np.load(folder / CODES, allow_pickle=False))

    def save(self, folder: Path) -> None:
        """Write the codes and their mean."""
        with room.on_disk(folder):
            np.save(folder / MEAN, self._mean)
            np.save(folder / CODES, self._codes)

    @property
    def bytes(self) -> int:
        """Memory that the codes take."""
        return int(self._codes.nbytes)

    def candidates(self, question: Vector, count: int, allowed: Mask | None) -> Rows:
        """The allowed rows of least Hamming distance, more than `count`, since the codes are coarse."""
        distances = self._distances(_encode(question[np.newaxis], self._mean)[0])
        if allowed is not None:
            distances[~allowed] = np.iinfo(np.uint16).max
        counts = np.bincount(distances)[: 64 * len(self._codes) + 1]
        limit = int(np.searchsorted(np.cumsum(counts), min(max(TIMES * count, FEWEST), counts.sum())))
        return np.flatnonzero(distances <= min(limit, len(counts) - 1))

    def _distances(self, code: Codes) -> NDArray[np.uint16]:
        rows = self._codes.shape[1]
        distances = np.empty(rows, np.uint16)
        for start in range(0, rows, BLOCK):
            part = distances[start : start + BLOCK]
            part[:] = np.bitwise_count(self._codes[0, start : start + BLOCK] ^ code[0])
            for word in range(1, len(code)):
                part += np.bitwise_count(self._codes[word, start : start + BLOCK] ^ code[word])
        return distances

    def effort(self, count: float) -> float:
        """Every code, and what is proposed."""
        return float(self._codes.shape[1] * ROWS_A_CODE + max(TIMES * count, FEWEST))


def _encode(vectors: Vectors, mean: Vector) -> Codes:
    """The codes of some rows: uint64 [rows, words]; bits beyond the dimension are zero."""
    bits = np.packbits(vectors > mean, axis=1)
    padded = np.zeros((len(vectors), -(-vectors.shape[1] // 64) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)
