"""Retrieval: the ranked lists of one question over a scope of corpora, exact under its filter.

A scope is fixed before any question is looked at: which generations, and which of their documents may be found. Every
list folds chunks to documents: the best chunk stands for its document.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.access.profiles import Grant
from engine.search import filters, text
from engine.search.fusion import Key
from engine.search.generation import Generation
from engine.search.nearest import DECIMALS, nearest
from engine.search.segment import Segment
from engine.search.vectors.protocol import Vectors


@dataclass(frozen=True)
class Place:
    """Where a hit is: its generation, the segment in it, the chunk and the document in that."""

    generation: Generation
    segment: Segment
    chunk: int
    document: int


@dataclass(frozen=True)
class Hit:
    """A document found by one list: its score there and where it is."""

    score: float
    place: Place


Found = dict[Key, Hit]


@dataclass(frozen=True)
class Shown:
    """The part of a corpus that a grant shows."""

    grant: Grant
    masks: list[filters.Mask]  # one a segment: which documents, before the caller's own filter


@dataclass(frozen=True)
class How:
    """How the dense list is made."""

    exact: bool = False  # compare everything, whatever index there is
    ef: int | None = None  # how wide an index searches; None: as it was promoted


DEFAULT = How()


@dataclass(frozen=True)
class Scope:
    """What may be found."""

    generations: list[Generation]
    masks: dict[str, list[filters.Mask]]  # by corpus, one mask a segment: which documents
    skipped: dict[str, str] = field(default_factory=dict)  # corpora left out, and why
    shown: dict[str, Shown] = field(default_factory=dict)  # by corpus, where a grant shows a part of it

    def shows(self, key: Key) -> bool:
        """Whether a document is shown to the caller at all, whatever the filter of the search."""
        for generation in self.generations:
            if generation.corpus == key.corpus:
                position, document = generation.places.get(key.id, (-1, -1))
                shown = self.shown.get(key.corpus)
                return position >= 0 and (shown is None or bool(shown.masks[position][document]))
        return False

    def allows(self, key: Key) -> Place | None:
        """Where a document is when it may be found, else None. The place is that of its first chunk."""
        for generation in self.generations:
            if generation.corpus == key.corpus:
                position, document = generation.places.get(key.id, (-1, -1))
                if position >= 0 and self.masks[key.corpus][position][document]:
                    return _place_of(generation, generation.segments[position], document)
        return None


def _place_of(generation: Generation, segment: Segment, document: int) -> Place | None:
    rows, first = segment.first_chunks
    at = int(np.searchsorted(rows, document))
    if at == len(rows) or rows[at] != document:
        return None
    return Place(generation, segment, int(first[at]), document)


def dense(scope: Scope, questions: Vectors, depth: int, how: How = DEFAULT) -> list[Found]:
    """For each question (float32 [n, dimension]) the `depth` documents of greatest cosine of each corpus."""
    found: list[Found] = [{} for _ in questions]
    for generation in scope.generations:
        for at, (segment, mask) in enumerate(zip(generation.segments, scope.masks[generation.corpus], strict=True)):
            indexed = None if how.exact else generation.indexed(at, how.ef)
            for answer, near in zip(found, nearest(segment, indexed, questions, depth, mask), strict=True):
                for document, chunk, score in zip(
                    near.documents.tolist(), near.chunks.tolist(), near.scores.tolist(), strict=True
                ):
                    key = Key(generation.corpus, segment.ids[document])
                    answer[key] = Hit(score, Place(generation, segment, chunk, document))
    return found


def count(scope: Scope, terms: Sequence[str]) -> text.Statistics:
    """How often the terms stand in all segments of the scope; where a grant hides rows, in those that it shows."""
    statistics = text.Statistics()
    for generation in scope.generations:
        shown = scope.shown.get(generation.corpus)
        for at, segment in enumerate(generation.segments):
            partly = shown is not None and shown.grant.filter is not None
            allowed = shown.masks[at][segment.document_of] if shown is not None and partly else None
            segment.text.count(terms, statistics, allowed)
    return statistics


def lexical(scope: Scope, question: str, depth: int) -> tuple[Found, float]:
    """The `depth` documents of greatest BM25 of each corpus, with statistics over all of them, and BM25's ceiling."""
    terms = text.terms(question)
    statistics = count(scope, terms)
    found: Found = {}
    for generation in scope.generations:
        for segment, mask in zip(generation.segments, scope.masks[generation.corpus], strict=True):
            found.update(_lexical_segment(generation, segment, mask, terms, statistics, depth))
    return found, text.ceiling(terms, statistics)


def _lexical_segment(
    generation: Generation,
    segment: Segment,
    mask: filters.Mask,
    terms: Sequence[str],
    statistics: text.Statistics,
    depth: int,
) -> Found:
    allowed: NDArray[np.bool_] = mask[segment.document_of]
    wanted = 2 * depth
    while True:
        rows, scores = segment.text.search(terms, wanted, statistics, allowed)
        found: Found = {}
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            document = int(segment.document_of[row])
            key = Key(generation.corpus, segment.ids[document])
            if key not in found:
                found[key] = Hit(score, Place(generation, segment, row, document))
        if len(found) >= depth or len(rows) < wanted:
            return found
        wanted *= 4  # one long document filled the list with its chunks


def cosines(places: Sequence[Place], question: NDArray[np.float32]) -> list[float]:
    """Cosine of the chunk of each place with a question (float32 [dimension])."""
    chunks: dict[int, list[int]] = {}
    for at, place in enumerate(places):
        chunks.setdefault(id(place.segment), []).append(at)
    found = np.zeros(len(places))
    for positions in chunks.values():
        rows = np.array([places[at].chunk for at in positions])
        found[positions] = places[positions[0]].segment.cosines(question, rows)
    rounded: list[float] = np.round(found, DECIMALS).tolist()
    return rounded
