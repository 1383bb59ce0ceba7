"""Retrieval: the ranked lists of one question over a scope of corpora, exact under its filter.

A scope is fixed before any question is looked at: which generations, and which of their documents may be found. Every
list folds chunks to documents: the best chunk stands for its document.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.access.profiles import Grant
from engine.search import copies, filters, text
from engine.search.fusion import Key
from engine.search.generation import Generation
from engine.search.nearest import DECIMALS, Indexed, Nearest, nearest
from engine.search.segment import Segment
from engine.search.vectors import exact
from engine.search.vectors.protocol import Rows, Vectors

DEEPER = 4  # how much further a list is made when too few different texts are found


class Place(NamedTuple):
    """Where a hit is: its generation, the segment in it, the chunk and the document in that."""

    generation: Generation
    segment: Segment
    chunk: int
    document: int


class Hit(NamedTuple):
    """A document found by one list: its score there and where it is."""

    score: float
    place: Place
    text: int = 0  # equal for chunks that say the same, see `copies`; 0: not known


Found = dict[Key, Hit]


@dataclass(frozen=True)
class Lexical:
    """What words found: documents with their BM25 scores, and the greatest score that was possible."""

    found: Found
    late: Found  # what only boilerplate found
    ceiling: float


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
    excluded: frozenset[str] = frozenset()  # ids that the caller wants left out
    filtered: bool = False  # the masks are more than tombstones, so that an index must find what exact search finds

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


def shared(found: Mapping[Key, Hit]) -> dict[Key, int]:
    """Those documents that were found by a text that another one has too, with the number of the text."""
    texts = [hit.text for hit in found.values()]
    if len(set(texts)) == len(texts):
        return {}
    counts = Counter(texts)
    return {key: hit.text for key, hit in found.items() if hit.text and counts[hit.text] > 1}


def dense(scope: Scope, questions: Vectors, depth: int, how: How = DEFAULT) -> list[Found]:
    """For each question (float32 [n, dimension]) the documents of the `depth` texts of greatest cosine, see `merged`.

    A text that many documents have counts once; at most `depth` of them are found by it.
    """
    lists: list[list[Part]] = [[] for _ in questions]
    for generation in scope.generations:
        common = copies.boilerplate(generation)
        for at, (segment, mask) in enumerate(zip(generation.segments, scope.masks[generation.corpus], strict=True)):
            indexed = None if how.exact else generation.indexed(at, how.ef)
            search = _Search(segment, indexed, mask, common[at], scope.filtered)
            for parts, near in zip(lists, search.varied(questions, depth + len(scope.excluded)), strict=True):
                parts.append(Part(generation, segment, near.documents, near.chunks, near.scores))
    return [merged(parts, depth, scope.excluded) for parts in lists]


@dataclass(frozen=True)
class _Search:
    """A dense search of one segment."""

    segment: Segment
    indexed: Indexed | None
    mask: filters.Mask
    common: filters.Mask | None  # chunks that are boilerplate
    filtered: bool

    def varied(self, questions: Vectors, depth: int) -> list[Nearest]:
        """The nearest documents of each question, so far down that they have `depth` different texts."""
        many = self._nearest(questions, depth)
        return [self._deeper(questions[at : at + 1], near, depth) for at, near in enumerate(many)]

    def _nearest(self, questions: Vectors, depth: int) -> list[Nearest]:
        known = self.segment, self.indexed, questions, depth, self.mask, self.common
        return nearest(*known, filtered=self.filtered)

    def _deeper(self, question: Vectors, near: Nearest, depth: int) -> Nearest:
        wanted = depth
        while True:
            texts = self._copies(near)
            if texts is None:
                return near
            if copies.different(texts) >= depth or len(near.chunks) < wanted:
                break
            wanted *= DEEPER
            near = self._nearest(question, wanted)[0]
        chosen = copies.varied(texts, depth)
        return Nearest(near.documents[chosen], near.chunks[chosen], near.scores[chosen])

    def _copies(self, near: Nearest) -> copies.Marks | None:
        """The texts of a list that has some more than once: their scores are equal."""
        if np.diff(near.scores).all():
            return None
        texts = copies.marks(self.segment.texts[near.chunks], near.scores, _Chunks([(self.segment, near.chunks)]))
        return texts if copies.different(texts) < len(texts) else None


class _Chunks:
    """Chunks of several segments, one after the other."""

    def __init__(self, parts: Sequence[tuple[Segment, Rows]]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(chunks) for _, chunks in parts)])

    def vectors(self, at: Rows) -> Vectors:
        """The vectors of those at some positions, ascending."""
        split = np.split(at, np.searchsorted(at, self._starts[1:-1]))
        found = [
            segment.vectors[chunks[some - start]]
            for (segment, chunks), some, start in zip(self._parts, split, self._starts[:-1], strict=True)
        ]
        return np.concatenate(found)

    def content(self, at: int) -> str:
        """The text of the one at a position."""
        number = int(np.searchsorted(self._starts, at, side="right")) - 1
        segment, chunks = self._parts[number]
        return segment.content(int(chunks[at - self._starts[number]]))


class Part(NamedTuple):
    """What one segment gives to a list, best first."""

    generation: Generation
    segment: Segment
    documents: Rows
    chunks: Rows
    scores: NDArray[np.floating]

    def at(self, positions: Rows | filters.Mask) -> "Part":
        """Some of it."""
        chosen = self.documents[positions], self.chunks[positions], self.scores[positions]
        return Part(self.generation, self.segment, *chosen)

    def without(self, ids: Collection[str]) -> "Part":
        """It without some documents."""
        kept = [self.segment.ids[document] not in ids for document in self.documents.tolist()]
        return self.at(np.array(kept, np.bool_))


# Hundreds are made for every question: without a call of Python each, they take a third of the time.
_KEY: Callable[[tuple[str, str]], Key] = partial(tuple.__new__, Key)
_HIT: Callable[[tuple[float, Place, int]], Hit] = partial(tuple.__new__, Hit)
_PLACE: Callable[[tuple[Generation, Segment, int, int]], Place] = partial(tuple.__new__, Place)


def merged(parts: Sequence[Part], depth: int, excluded: Collection[str] = ()) -> Found:
    """One list of several: the documents of the `depth` best texts of all, and the best document of each segment."""
    parts = [part.without(excluded) if excluded else part for part in parts]
    starts = np.cumsum([0, *(len(part.chunks) for part in parts)])
    if not starts[-1]:
        return {}
    scores = np.concatenate([part.scores for part in parts])
    digests = np.concatenate([part.segment.texts[part.chunks] for part in parts])
    texts = copies.marks(digests, scores, _Chunks([(part.segment, part.chunks) for part in parts]))
    kept = _best_texts(scores, texts, depth)
    kept[starts[:-1][np.diff(starts) > 0]] = True
    found: Found = {}
    for number, part in enumerate(parts):
        chosen = np.flatnonzero(kept[starts[number] : starts[number + 1]])
        found.update(_hits(part.at(chosen), texts[starts[number] + chosen]))
    return found


def _best_texts(scores: NDArray[np.floating], texts: copies.Marks, depth: int) -> filters.Mask:
    """Which rows have one of the `depth` texts of greatest score, or a score equal to the least of them."""
    if len(scores) <= depth:
        return np.ones(len(scores), np.bool_)
    order = np.argsort(-scores, kind="stable")
    _, first = np.unique(texts[order], return_index=True)
    if len(first) <= depth:
        return np.ones(len(scores), np.bool_)
    last = int(np.partition(first, depth - 1)[depth - 1])
    kept: filters.Mask = scores >= scores[order[last]]
    return kept if len(first) == len(scores) else kept | np.isin(texts, texts[order[: last + 1]])


def _hits(part: Part, texts: copies.Marks) -> Iterator[tuple[Key, Hit]]:
    generation, segment = part.generation, part.segment
    ids = map(segment.ids.__getitem__, part.documents.tolist())
    rows = zip(repeat(generation), repeat(segment), part.chunks.tolist(), part.documents.tolist(), strict=False)
    hits = zip(part.scores.tolist(), map(_PLACE, rows), texts.tolist(), strict=True)
    return zip(map(_KEY, zip(repeat(generation.corpus), ids, strict=False)), map(_HIT, hits), strict=True)


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


def lexical(scope: Scope, question: str, depth: int) -> Lexical:
    """The documents of the `depth` texts of greatest BM25, see `merged`, with statistics over all corpora."""
    terms = text.terms(question)
    statistics = count(scope, terms)
    plain, late = [], []
    for generation in scope.generations:
        common = copies.boilerplate(generation)
        for at, (segment, mask) in enumerate(zip(generation.segments, scope.masks[generation.corpus], strict=True)):
            search = _Words(segment, mask, common[at], terms, statistics)
            rows, scores = search.varied(depth + len(scope.excluded))
            part = Part(generation, segment, segment.document_of[rows], rows, scores)
            if (skip := common[at]) is None:
                plain.append(part)
            else:
                plain.append(part.at(~skip[rows]))
                late.append(part.at(skip[rows]))
    ceiling = text.ceiling(terms, statistics)
    return Lexical(merged(plain, depth, scope.excluded), merged(late, depth, scope.excluded), ceiling)


@dataclass(frozen=True)
class _Words:
    """A search of one segment by words."""

    segment: Segment
    mask: filters.Mask
    common: filters.Mask | None  # chunks that are boilerplate
    terms: Sequence[str]
    statistics: text.Statistics

    def varied(self, depth: int) -> tuple[Rows, NDArray[np.float64]]:
        """The best chunk of each document, best first; of boilerplate only where the document has no other."""
        allowed: NDArray[np.bool_] = self.mask if self.segment.is_flat else self.mask[self.segment.document_of]
        wanted = depth if self.segment.is_flat else 2 * depth
        while True:
            rows, scores = self.segment.text.search(self.terms, wanted, self.statistics, allowed)
            chosen = self._of_documents(rows)
            plain = chosen if self.common is None else chosen[~self.common[rows[chosen]]]
            texts = self.segment.texts[rows[plain]]
            known = copies.different(texts)
            if known >= depth or len(rows) < wanted:
                break
            wanted *= DEEPER  # one long document, or many copies of one text, filled the list
        if known < len(plain):
            kept = plain[copies.varied(texts, depth)]
            chosen = np.sort(np.concatenate([kept, np.setdiff1d(chosen, plain)]))
        return rows[chosen], scores[chosen]

    def _of_documents(self, rows: Rows) -> Rows:
        """Positions of the first of the `rows` of each document; boilerplate only where there is no other."""
        if self.segment.is_flat:
            return np.arange(len(rows))
        documents = self.segment.document_of[rows]
        if self.common is None or not self.common[rows].any():
            _, first = np.unique(documents, return_index=True)
        else:
            order = np.lexsort((np.arange(len(rows)), self.common[rows]))
            _, first = np.unique(documents[order], return_index=True)
            first = order[first]
        return np.sort(first)


def vectors(places: Sequence[Place]) -> Vectors:
    """The vectors of the chunks of some places: float32 [places, dimension]."""
    chunks: dict[int, list[int]] = {}
    for at, place in enumerate(places):
        chunks.setdefault(id(place.segment), []).append(at)
    found = np.empty((len(places), places[0].segment.vectors.shape[1] if places else 0), np.float32)
    for positions in chunks.values():
        rows = [places[at].chunk for at in positions]
        found[positions] = places[positions[0]].segment.vectors[rows]
    return found


def cosines(compared: Vectors, question: NDArray[np.float32]) -> list[float]:
    """Cosine of each row with a question (float32 [dimension])."""
    rounded: list[float] = np.round(exact.cosines(compared, question).astype(np.float64), DECIMALS).tolist()
    return rounded
