"""Copies: chunks that say the same, and chunks that nearly every document has.

Two texts are the same when their digests are, or when they differ in case and white space only and the model makes one
vector of both: such texts have equal scores, so only what has the score of another text is looked at. A text that
stands in more than SHARE of the documents of a corpus is boilerplate: it never represents a document that has something
else to say.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from engine.search.fusion import counted, grouped
from engine.search.lists import Floats, Lists, Marks
from engine.search.prints import VECTORS, WORDS, Prints
from engine.search.segment import Segment
from engine.search.vectors.protocol import Mask, Rows

if TYPE_CHECKING:
    from engine.search.generation import Generation

SHARE, FEWEST = 0.05, 10  # a text of more documents, by share and by number, is boilerplate

_boilerplate: "WeakKeyDictionary[Generation, list[Mask | None]]" = WeakKeyDictionary()
_lock = threading.Lock()


def marks(lists: Lists, spelt: "Spelt") -> Marks:
    """A number for each row of some lists, equal for rows of one question that say the same: int64 [rows].

    Those of `lists` are by digest; `spelt` knows the chunks.
    """
    question, texts = lists.question, lists.text
    beside = tied(question, lists.score) & (texts[1:] != texts[:-1])
    if not beside.any():
        return texts
    looked = _either(beside).nonzero()[0]  # beside another text with the same score
    prints = spelt.prints(lists.chunk[looked], VECTORS)
    order = np.lexsort((texts[looked], prints, question[looked]))
    prints, looked = prints[order], looked[order]
    same = (prints[1:] == prints[:-1]) & (texts[looked[1:]] != texts[looked[:-1]])
    same &= question[looked[1:]] == question[looked[:-1]]
    if not same.any():
        return texts
    leader, _ = grouped(question, texts)
    anew = np.isin(leader, leader[looked[_either(same)]])
    found = texts.copy()
    found[anew] = spelt.prints(lists.chunk[anew], WORDS)
    return found


def tied(question: Rows, scores: Floats) -> Mask:
    """Whether each row but the last has the score of the next one, for the same question; the best stand first."""
    found: Mask = (scores[1:] == scores[:-1]) & (question[1:] == question[:-1])
    return found


def _either(pairs: Mask) -> Mask:
    """The rows of which a pair of neighbours is marked."""
    found = np.zeros(len(pairs) + 1, np.bool_)
    found[:-1] = pairs
    found[1:] |= pairs
    return found


class Spelt(Protocol):
    """The chunks of some lists, by number."""

    def prints(self, chunks: Rows, kind: Prints) -> Rows:
        """Numbers for some of them."""


def varied(question: Rows, texts: Marks, depth: int) -> Mask:
    """Which rows, best first for each question, stand before the `depth`-th different text of it ends.

    Of each text at most `depth` copies.
    """
    _, before = grouped(question, texts)
    kept: Mask = (counted(question, before == 0) <= depth) & (before < depth)
    return kept


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
