"""Ranked lists of many questions, flat: an array for each fact, one row for each document that a question found."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.search.fusion import Key
from engine.search.numbering import Numbering, Place
from engine.search.vectors.protocol import Mask, Rows

Marks = NDArray[np.int64]
Floats = NDArray[np.float64]


class Lists(NamedTuple):
    """What questions found. The rows of a question stand together, the best first; questions ascend."""

    question: Rows  # by their positions in the batch
    document: Rows  # numbers, see `Numbering`
    chunk: Rows  # the number of the best chunk
    score: Floats
    text: Marks  # equal for chunks that say the same, see `copies`

    def at(self, positions: Rows | Mask | slice) -> "Lists":
        """Some of the rows."""
        return Lists._make(column[positions] for column in self)

    def alone(self) -> "Lists":
        """The rows of one question as those of the first of a batch."""
        return self._replace(question=np.zeros_like(self.question))


_NONE = np.empty(0, np.int64)
NOTHING = Lists(_NONE, _NONE, _NONE, np.empty(0), _NONE)


def joined(lists: Sequence[Lists]) -> Lists:
    """The rows of several lists, by question; for each question in the order of the lists."""
    if len(lists) == 1:
        return lists[0]
    together = Lists._make(map(np.concatenate, zip(*lists, strict=True))) if lists else NOTHING
    return together.at(np.argsort(together.question, kind="stable"))


class Hit(NamedTuple):
    """A document found by one list: its score there and where it is."""

    score: float
    place: Place
    text: int = 0  # equal for chunks that say the same, see `copies`; 0: not known


class Found(Mapping[Key, Hit]):
    """What one question found, by document."""

    def __init__(self, numbering: Numbering, lists: Lists) -> None:
        """`lists`: of one question."""
        self.numbering, self.lists = numbering, lists

    @cached_property
    def _hits(self) -> dict[Key, Hit]:
        places = map(self.numbering.place, self.lists.chunk.tolist())
        hits = map(Hit, self.lists.score.tolist(), places, self.lists.text.tolist())
        return dict(zip(self.numbering.keys(self.lists.document), hits, strict=True))

    def __getitem__(self, key: Key) -> Hit:
        return self._hits[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._hits)

    def __len__(self) -> int:
        return len(self.lists.document)
