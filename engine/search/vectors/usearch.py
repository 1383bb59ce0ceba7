"""The graph of USearch with half-precision vectors: where hnswlib cannot be imported. Its file is mapped, not read."""

import threading
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from engine.search import room
from engine.search.vectors.protocol import Mask, Parameters, Rows, Vector, Vectors, Work

NAME = "graph.usearch"
BATCH = 2048
STEP = 26.0  # a step of the walk costs as much as so many rows compared exactly


class Usearch:
    """A graph in memory, or mapped from its file."""

    engine: ClassVar[str] = "usearch"
    masks: ClassVar[bool] = False
    slack: ClassVar[int | None] = 32  # its half-precision cosines are off by some 0.0005

    def __init__(self, graph: Any) -> None:
        """`graph`: a `usearch.index.Index`."""
        self._graph = graph
        self._lock = threading.Lock()  # two searches at once would share the scratch memory of its first thread

    @staticmethod
    def bytes_needed(rows: int, dimension: int, parameters: Parameters) -> int:
        """The same as in hnswlib, with vectors of half the size."""
        return rows * (2 * dimension + 8 * parameters["m"] + 100)

    @classmethod
    def build(cls, vectors: Vectors, parameters: Parameters, work: Work) -> Self:
        """A graph over all rows."""
        from usearch.index import Index

        graph = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f16",
            connectivity=parameters["m"],
            expansion_add=parameters["ef_construction"],
            enable_key_lookups=False,
        )
        for start in range(0, len(vectors), BATCH):
            work.check()
            end = min(len(vectors), start + BATCH)
            graph.add(np.arange(start, end, dtype=np.uint64), vectors[start:end], threads=work.threads())
            work.progress(end, len(vectors))
        return cls(graph)

    @classmethod
    def open(cls, folder: Path, rows: int, dimension: int) -> Self:
        """The graph in `folder`."""
        from usearch.index import Index

        return cls(Index.restore(str(folder / NAME), view=True))

    def save(self, folder: Path) -> None:
        """Write the graph."""
        with room.on_disk(folder):
            self._graph.save(str(folder / NAME))

    def candidates(self, question: Vector, count: int, allowed: Mask | None) -> Rows:
        """The rows that the walk found, at most `count`, nearest first."""
        with self._lock:
            found = self._graph.search(question, count, threads=1)
        rows: Rows = np.asarray(found.keys).astype(np.int64)
        return rows

    def effort(self, count: float) -> float:
        """A walk that is so wide."""
        return STEP * count
