"""The graph of hnswlib (Malkov, Yashunin 2018): the default engine, where it can be imported."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from engine.search import room
from engine.search.vectors.protocol import Mask, Parameters, Rows, Vector, Vectors, Work

NAME = "graph.hnsw"
BATCH = 2048
STEP = 26.0  # a step of the walk costs as much as so many rows compared exactly (measured, see bench/search.py)
FIRST = 64  # rows that are added by one thread: a graph that several threads begin at once may fall apart


class Hnsw:
    """A graph in memory."""

    engine: ClassVar[str] = "hnswlib"
    masks: ClassVar[bool] = False
    slack: ClassVar[int | None] = 16

    def __init__(self, graph: Any, rows: int) -> None:
        """`graph`: an `hnswlib.Index`."""
        self._graph, self._rows = graph, rows
        # The width of the walk is max(ef, k), and ef is common to all threads. So ef stays small, and k is the width.
        graph.set_ef(1)

    @staticmethod
    def bytes_needed(rows: int, dimension: int, parameters: Parameters) -> int:
        """The vectors, two links for each of m, and what the library keeps of each row."""
        return rows * (4 * dimension + 8 * parameters["m"] + 150)

    @classmethod
    def build(cls, vectors: Vectors, parameters: Parameters, work: Work) -> Self:
        """A graph over all rows."""
        import hnswlib

        graph = hnswlib.Index(space="ip", dim=vectors.shape[1])
        graph.init_index(len(vectors), parameters["m"], parameters["ef_construction"], parameters["seed"])
        done = 0
        while done < len(vectors):
            work.check()
            end = min(len(vectors), done + (BATCH if done else FIRST))
            graph.add_items(vectors[done:end], np.arange(done, end), num_threads=work.threads() if done else 1)
            done = end
            work.progress(done, len(vectors))
        return cls(graph, len(vectors))

    @classmethod
    def open(cls, folder: Path, rows: int, dimension: int) -> Self:
        """The graph in `folder`."""
        import hnswlib

        graph = hnswlib.Index(space="ip", dim=dimension)
        graph.load_index(str(folder / NAME), max_elements=rows)
        return cls(graph, rows)

    def save(self, folder: Path) -> None:
        """Write the graph."""
        self._graph.save_index(str(folder / NAME))
        room.refuse_cut(folder / NAME, self._graph.index_file_size())

    def candidates(self, question: Vector, count: int, allowed: Mask | None) -> Rows:
        """The `count` rows that the walk found, nearest first; none when it found fewer."""
        try:
            labels, _ = self._graph.knn_query(question, k=min(count, self._rows), num_threads=1)
        except RuntimeError:  # the graph does not reach so many rows
            return np.empty(0, np.int64)
        rows: Rows = labels[0].astype(np.int64)
        return rows

    def effort(self, count: float) -> float:
        """A walk that is so wide."""
        return STEP * count
