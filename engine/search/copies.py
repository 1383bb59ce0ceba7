"""Copies: chunks that say the same, and chunks that nearly every document has.

Two texts are the same when their digests are, or when they differ in case and white space only and the model makes one
vector of both: such texts have equal scores, so only what has the score of another text is looked at. A text that
stands in more than SHARE of the documents of a corpus is boilerplate: it never represents a document that has something
else to say.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.search.segment import Segment
from engine.search.vectors.protocol import Mask, Rows, Vectors

if TYPE_CHECKING:
    from engine.search.generation import Generation

SHARE, FEWEST = 0.05, 10  # a text of more documents, by share and by number, is boilerplate
SEED = 20263
Marks = NDArray[np.int64]
Scores = NDArray[np.floating]

_boilerplate: "WeakKeyDictionary[Generation, list[Mask | None]]" = WeakKeyDictionary()
_lock = threading.Lock()


def marks(texts: Marks, scores: Scores, spelt: "Spelt") -> Marks:
    """A number for each text of a list, equal for those that say the same: int64 [texts].

    `texts`: their numbers by digest. `spelt`: looks at the chunks at some positions of the list.
    """
    order = np.argsort(scores)
    tied = (np.diff(scores[order]) == 0) & (np.diff(texts[order]) != 0)
    if not tied.any():
        return texts
    at = np.flatnonzero(np.append(tied, False) | np.append(False, tied))  # beside another text with the same score
    looked = np.sort(order[at])
    alike = _alike(texts[looked], _prints(spelt.vectors(looked)))
    if not alike:
        return texts
    found = texts.copy()
    for position in np.flatnonzero([text in alike for text in texts.tolist()]).tolist():
        found[position] = mark(spelt.content(position))
    return found


def _alike(texts: Marks, prints: Marks) -> set[int]:
    """Those of the texts whose vector another text has, too."""
    order = np.lexsort((texts, prints))
    same = np.flatnonzero((np.diff(prints[order]) == 0) & (np.diff(texts[order]) != 0))
    return {*texts[order[same]].tolist(), *texts[order[same + 1]].tolist()}


class Spelt(Protocol):
    """The chunks of a list, by position."""

    def vectors(self, at: Rows) -> Vectors:
        """The vectors of some, ascending."""

    def content(self, at: int) -> str:
        """The text of one."""


def _prints(vectors: Vectors) -> Marks:
    """A number for each vector, equal for equal ones: the bits of its product with a vector of chance."""
    found: Marks = np.vecdot(vectors.astype(np.float64), _chance(vectors.shape[1])).view(np.int64)
    return found


@lru_cache(8)
def _chance(dimension: int) -> NDArray[np.float64]:
    return np.random.default_rng(SEED).standard_normal(dimension)


def mark(text: str) -> int:
    """A number other than 0, equal for texts that differ in case and white space only; good within this process."""
    return hash(" ".join(text.casefold().split())) or 1


def different(texts: Marks) -> int:
    """How many different texts there are."""
    return len(set(texts.tolist()))


def varied(texts: Marks, depth: int) -> Rows:
    """Positions in a list of texts, best first, that stand before its `depth`-th different text ends.

    Of each text at most `depth` copies.
    """
    chosen: list[int] = []
    taken: dict[int, int] = {}
    for position, number in enumerate(texts.tolist()):
        copies = taken.get(number, 0)
        if not copies and len(taken) == depth:
            break
        taken[number] = copies + 1
        if copies < depth:
            chosen.append(position)
    return np.array(chosen, np.int64)


def boilerplate(generation: "Generation") -> list[Mask | None]:
    """For each segment, which of its chunks are boilerplate of documents that have others; None for none."""
    with _lock:
        known = _boilerplate.get(generation)
    if known is None:
        known = _found(generation.segments, generation.manifest.documents)
        with _lock:
            _boilerplate[generation] = known
    return known


def _found(segments: Sequence[Segment], documents: int) -> list[Mask | None]:
    if all(segment.is_flat for segment in segments):
        return [None] * len(segments)
    stands = [_each_once(segment.document_of, segment.texts) for segment in segments]
    texts, counts = np.unique(np.concatenate(stands), return_counts=True)
    frequent = texts[counts > max(FEWEST, SHARE * documents)]
    return [_beside_others(segment, np.isin(segment.texts, frequent)) for segment in segments]


def _each_once(documents: Rows, texts: Marks) -> Marks:
    """The texts, each as often as there are documents that have it."""
    order = np.lexsort((texts, documents))
    sorted_texts = texts[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(documents[order]) != 0) | (np.diff(sorted_texts) != 0)
    return sorted_texts[first]


def _beside_others(segment: Segment, frequent: Mask) -> Mask | None:
    has_other = np.zeros(segment.documents.num_rows, np.bool_)
    has_other[segment.document_of[~frequent]] = True
    found: Mask = frequent & has_other[segment.document_of]
    return found if found.any() else None
