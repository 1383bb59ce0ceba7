"""Vector indexes behind one interface. Here: the exact one, a matrix product over all rows."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import Internal

Vectors = NDArray[np.float32]


class VectorIndex(Protocol):
    """What a segment needs of its vectors."""

    def similarities(self, questions: Vectors) -> Vectors:
        """Cosine of each row with each question: float32 [questions, rows]."""

    def rows(self, rows: NDArray[np.int64]) -> Vectors:
        """The vectors of some rows: float32 [n, dimension]."""


class Exact:
    """All vectors in memory; every search looks at each of them."""

    def __init__(self, vectors: Vectors) -> None:
        """`vectors`: float32 [rows, dimension], rows of unit length."""
        self._vectors = vectors

    def similarities(self, questions: Vectors) -> Vectors:
        """Cosine of each row with each question: float32 [questions, rows]."""
        product: Vectors = questions @ self._vectors.T
        return product

    def rows(self, rows: NDArray[np.int64]) -> Vectors:
        """The vectors of some rows: float32 [n, dimension]."""
        chosen: Vectors = self._vectors[rows]
        return chosen


def write(path: Path, vectors: Vectors) -> None:
    """Write vectors as Parquet: one BLOB of little-endian float32 a row, not compressed (floats do not shrink)."""
    little = np.ascontiguousarray(vectors, "<f4")
    width = little.shape[1] * 4 if little.size else 4
    column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(little), [None, pa.py_buffer(little)])
    table = pa.table({"vector": column.cast(pa.binary())})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)


def read(path: Path, dimension: int) -> Vectors:
    """Read what `write` wrote: float32 [rows, dimension]. Raises Internal when the dimension is another one."""
    column = pq.read_table(path, memory_map=True).column("vector").combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no row at all
        return np.empty((0, dimension), np.float32)
    offsets = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    flat = np.frombuffer(column.buffers()[2], "<f4", (offsets[-1] - offsets[0]) // 4, int(offsets[0]))
    if flat.size != len(column) * dimension:
        raise Internal(f"{path.name} does not hold vectors of {dimension} dimensions", "rebuild the corpus")
    return flat.reshape(len(column), dimension).astype(np.float32, copy=False)


def best(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Positions of the `k` largest scores, best first; equal scores by position. Minus infinity never counts."""
    k = min(k, len(scores))
    if k <= 0:
        return np.empty(0, np.int64)
    if k < len(scores):
        # everything that ties with the k-th must be looked at, or the order of equal rows would be chance
        floor = scores[np.argpartition(-scores, k - 1)[:k]].min()
        candidates = np.flatnonzero(scores >= floor)
    else:
        candidates = np.arange(len(scores))
    order = candidates[np.lexsort((candidates, -scores[candidates]))][:k]
    chosen: NDArray[np.int64] = order[np.isfinite(scores[order])]
    return chosen
