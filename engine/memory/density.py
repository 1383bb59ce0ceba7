"""How near recorded questions usually are to a question: what a cosine says depends on how crowded it is there.

In one lake two questions of cosine 0.65 mean the same, in another they ask for other cities. What is usual around a
question is the mean cosine of its 9th to 32nd neighbour: nearer ones may well mean the same. (Distances measured by the
neighbourhood: Zelnik-Manor, Perona 2004; between languages: Conneau et al. 2018.) Neighbours are sought among up to
1,024 recorded questions, those of least digest: this costs the same with many, and few changes touch it.
"""

from collections.abc import Sequence
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from engine.memory.questions import Questions, Vector, digest
from engine.search.vectors import exact

LEAST_COSINE = 0.35  # from which on a recorded question is a neighbour
REFERENCES = 1024
FIRST, LAST = 8, 32  # neighbours, from 0, whose mean is what is usual
CROWDED = 0.49  # the cosine of those that are lacking where few questions are recorded: caution until more is known
DECIMALS = 6  # of a cosine: the last bits depend on what else is compared

Floats = NDArray[np.float64]


class Density:
    """What is usual around questions, among those of one model. Not safe for threads by itself."""

    def __init__(self, questions: Questions) -> None:
        """Among `questions`, which may change: see `touched`."""
        self._questions = questions
        self._places: dict[str, int] = {}  # of the references among themselves, by their texts
        self._vectors: Vector | None = None  # of the references; None: they are to be found anew
        self._last = b""  # the greatest digest of a reference

    def touched(self, text: str) -> bool:
        """Whether a question that came or goes changes what is usual: then the references are found anew."""
        if self._vectors is not None and len(self._places) == REFERENCES and digest(text) > self._last:
            return False
        self._vectors = None
        return True

    @property
    def references(self) -> list[str]:
        """The questions among which neighbours are sought: with others the same questions may have another density."""
        self._found()
        return list(self._places)

    def usual(self, vectors: Vector, texts: Sequence[str | None]) -> Floats:
        """The usual cosine around each question (float32 [n, dimension], unit length) less the least: float64 [n].

        `texts`: of the questions; none is a neighbour of itself.
        """
        references = self._found()
        if not len(references):
            return np.full(len(vectors), CROWDED - LEAST_COSINE)
        cosines = exact.similarities(references, vectors).astype(np.float64).round(DECIMALS)
        for row, text in enumerate(texts):
            if text in self._places:
                cosines[row, self._places[text]] = LEAST_COSINE
        if cosines.shape[1] > LAST:
            cosines = -np.partition(-cosines, LAST - 1, axis=1)[:, :LAST]
        farther = -np.sort(-cosines, axis=1)[:, FIRST:]
        lacking = LAST - FIRST - farther.shape[1]
        more = np.maximum(farther - LEAST_COSINE, 0.0).sum(axis=1) + lacking * (CROWDED - LEAST_COSINE)
        usual: Floats = (more / (LAST - FIRST)).round(DECIMALS)
        return usual

    def _found(self) -> Vector:
        if self._vectors is None:
            chosen = nsmallest(REFERENCES, ((digest(text), text) for text in self._questions))
            self._places = {text: at for at, (_, text) in enumerate(chosen)}
            self._last = chosen[-1][0] if chosen else b""
            held = [self._questions.vector(text) for text in self._places]
            self._vectors = np.stack(held) if held else np.empty((0, 0), np.float32)
        return self._vectors
