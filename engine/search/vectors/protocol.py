"""What a vector index is, and what it is made with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # [rows, dimension], rows of unit length
Vector = NDArray[np.float32]  # [dimension], of unit length
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Parameters = Mapping[str, int]


@dataclass(frozen=True)
class Work:
    """How an index is built, and whom to tell."""

    threads: Callable[[], int]  # of the next step
    check: Callable[[], None]  # raises when the build was cancelled
    progress: Callable[[int, int], None]  # rows done, rows in all


class VectorIndex(Protocol):
    """An index over the vectors of one segment. It proposes rows; who asks compares them exactly."""

    engine: ClassVar[str]
    masks: ClassVar[bool]  # whether it looks at allowed rows only: then it is as good under a filter as without
    slack: ClassVar[int | None]  # the nearest n stand among the first 2 n + slack candidates; None: anywhere

    @staticmethod
    def bytes_needed(rows: int, dimension: int, parameters: Parameters) -> int:
        """About how much memory `build` takes."""

    @classmethod
    def build(cls, vectors: Vectors, parameters: Parameters, work: Work) -> Self:
        """An index of `vectors`."""

    @classmethod
    def open(cls, folder: Path, rows: int, dimension: int) -> Self:
        """What `save` wrote into `folder`."""

    def save(self, folder: Path) -> None:
        """Write the files of the index into `folder`."""

    def candidates(self, question: Vector, count: int, allowed: Mask | None) -> Rows:
        """About the `count` rows nearest to a question; perhaps fewer, perhaps some not `allowed`.

        Safe to call from many threads at once.
        """

    def effort(self, count: float) -> float:
        """What `candidates` costs, in rows compared exactly."""
