"""Deepening: the lists of one segment, made so far down that they hold enough different texts."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.search import copies
from engine.search.fusion import grouped
from engine.search.lists import Lists, Marks, joined
from engine.search.segment import Segment
from engine.search.vectors.protocol import Mask, Rows

DEEPER = 4  # how much further a list is made when too few different texts are found


@dataclass(frozen=True)
class Part:
    """A segment of a scope."""

    segment: Segment
    mask: Mask  # documents that may be found
    common: Mask | None  # chunks that are boilerplate
    first_chunk: int  # the number of its first chunk, see `Numbering`
    first_document: int

    def allowed(self) -> Mask:
        """Chunks that may be found."""
        return self.mask if self.segment.is_flat else self.mask[self.segment.document_of]

    def lists(self, question: Rows, chunks: Rows, scores: NDArray[np.floating]) -> Lists:
        """Rows of it, by chunk."""
        document, text = self.segment.document_of[chunks], self.segment.texts[chunks]
        numbers = document + self.first_document, chunks + self.first_chunk
        return Lists(question, *numbers, scores.astype(np.float64), text)


class Search(Protocol):
    """A search of one segment for several questions."""

    def found(self, questions: Rows, wanted: int) -> tuple[Lists, Rows]:
        """The documents of the `wanted` best rows of some questions, and how many rows each of these had."""

    def texts(self, lists: Lists) -> Marks:
        """Numbers, equal for rows of one question that say the same."""

    def plain(self, lists: Lists) -> Mask | None:
        """Which rows are no boilerplate; None: all."""


def varied(search: Search, questions: int, wanted: int, depth: int) -> Lists:
    """What is found for each of so many questions, so far down that it has `depth` different texts.

    At first `wanted` rows are looked at. One long document, or many copies of one text, may fill such a list; what has
    copies ends with its `depth`-th text, and of each text at most `depth` copies are in it.
    """
    done: list[Lists] = []
    pending = np.arange(questions)
    while len(pending):
        found, looked = search.found(pending, wanted)
        kept, different = _varied(search, found, depth, questions)
        enough = np.ones(questions, np.bool_)
        enough[pending] = (different[pending] >= depth) | (looked < wanted)
        pending = np.flatnonzero(~enough)
        done.append(found.at(kept & enough[found.question]) if len(pending) or not kept.all() else found)
        wanted *= DEEPER
    return joined(done)


def _varied(search: Search, found: Lists, depth: int, questions: int) -> tuple[Mask, Rows]:
    """Which rows are kept, and how many different texts each question has found: copies in a segment tie."""
    plain = search.plain(found)
    rows = slice(None) if plain is None else plain.nonzero()[0]
    some = found.at(rows)
    kept, every = np.ones(len(found.question), np.bool_), np.bincount(some.question, minlength=questions)
    if not copies.tied(some.question, some.score).any():
        return kept, every
    texts = search.texts(some)
    _, before = grouped(some.question, texts)
    different = np.bincount(some.question[before == 0], minlength=questions)
    has_copies = different < every
    if has_copies.any():
        kept[rows] = copies.varied(some.question, texts, depth) | ~has_copies[some.question]
    return kept, different
