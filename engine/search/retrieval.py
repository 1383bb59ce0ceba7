"""Retrieval: the ranked lists of some questions over a scope of corpora, exact under its filter.

A scope is fixed before any question is looked at: which generations, and which of their documents may be found. Every
list folds chunks to documents: the best chunk stands for its document.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from engine.access.profiles import Grant
from engine.search import copies, filters, text
from engine.search.deepening import Part, varied
from engine.search.fusion import Key, counted, grouped, sorting, starts
from engine.search.generation import Generation
from engine.search.lists import NOTHING, Floats, Found, Hit, Lists, Marks
from engine.search.nearest import DECIMALS, Indexed, Nearest, nearest
from engine.search.numbering import Numbering, Place
from engine.search.segment import Segment
from engine.search.vectors import exact
from engine.search.vectors.protocol import Mask, Rows, Vectors

__all__ = ["Found", "Hit", "Place"]
ROWS = 4096  # vectors that are compared at a time: they stay in the cache


@dataclass(frozen=True)
class Lexical:
    """What words found: documents with their BM25 scores, and the greatest score that was possible."""

    found: Lists
    late: Lists  # what only boilerplate found
    ceiling: Floats  # of each question


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

    @cached_property
    def numbering(self) -> Numbering:
        """Numbers for all chunks and documents of the generations."""
        return Numbering(self.generations)

    def parts(self) -> Iterator[tuple[Generation, int, Part]]:
        """The segments: the generation, the position in it, and what is searched there."""
        number = 0
        for generation in self.generations:
            common = copies.boilerplate(generation)
            for at, (segment, mask) in enumerate(zip(generation.segments, self.masks[generation.corpus], strict=True)):
                firsts = int(self.numbering.first_chunks[number]), int(self.numbering.first_documents[number])
                yield generation, at, Part(segment, mask, common[at], *firsts)
                number += 1

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
    chunks = segment.chunks_of(document)
    return Place(generation, segment, chunks[0], document) if chunks else None


def dense(scope: Scope, questions: Vectors, depth: int, how: How = DEFAULT) -> list[Found]:
    """What `by_vectors` finds, for each question by document."""
    lists = by_vectors(scope, questions, depth, how)
    ends = np.searchsorted(lists.question, np.arange(len(questions) + 1))
    return [Found(scope.numbering, lists.at(np.arange(*pair)).alone()) for pair in pairwise(ends.tolist())]


def by_vectors(
    scope: Scope, questions: Vectors, depth: int, how: How = DEFAULT, check: Callable[[], None] = lambda: None
) -> Lists:
    """For each question (float32 [n, dimension]) the documents of the `depth` texts of greatest cosine, see `merged`.

    A text that many documents have counts once; at most `depth` of them are found by it. `check`, which may raise to
    stop, is called between questions.
    """
    wanted = depth + len(scope.excluded)
    lists = []
    for generation, at, part in scope.parts():
        indexed = None if how.exact else generation.indexed(at, how.ef)
        search = _Meaning(scope, part, indexed, questions, wanted, check)
        lists.append(varied(search, len(questions), wanted, wanted))
    return merged(scope.numbering, lists, depth, scope.excluded)


@dataclass(frozen=True)
class _Meaning:
    """A dense search of one segment."""

    scope: Scope
    part: Part
    indexed: Indexed | None
    questions: Vectors
    first: int  # rows that are wanted first
    check: Callable[[], None]

    def found(self, questions: Rows, wanted: int) -> tuple[Lists, Rows]:
        """The nearest documents, each by its nearest chunk."""
        if wanted == self.first:
            many = self._nearest(self.questions, wanted)
        else:
            many = [one for at in questions.tolist() for one in self._nearest(self.questions[at : at + 1], wanted)]
        looked = np.array([len(one.chunks) for one in many], np.int64)
        chunks, scores = (np.concatenate([getattr(one, name) for one in many]) for name in ("chunks", "scores"))
        return self.part.lists(np.repeat(questions, looked), chunks, scores), looked

    def _nearest(self, questions: Vectors, depth: int) -> list[Nearest]:
        part = self.part
        known = part.segment, self.indexed, questions, depth, part.mask, part.common
        many = []
        for one in nearest(*known, filtered=self.scope.filtered):
            self.check()
            many.append(one)
        return many

    def texts(self, lists: Lists) -> Marks:
        """Numbers, equal for rows of one question that say the same."""
        return copies.marks(lists, self.scope.numbering)

    def plain(self, lists: Lists) -> Mask | None:
        """All rows: boilerplate was left out."""
        return None


def merged(numbering: Numbering, lists: Sequence[Lists], depth: int, excluded: Collection[str] = ()) -> Lists:
    """One list of several: for each question the documents of the `depth` best texts of all, and the best of each list.

    `excluded`: ids of documents that are left out before.
    """
    if excluded:
        lists = [
            one.at(np.array([id not in excluded for id in numbering.ids(one.document)], np.bool_)) for one in lists
        ]
    lists = [one for one in lists if len(one.question)]
    if not lists:
        return NOTHING
    found = lists[0]
    best = _best(found)
    if len(lists) > 1:
        found = Lists._make(map(np.concatenate, zip(*lists, strict=True)))
        order = sorting(found.question, -found.score)
        found, best = found.at(order), np.concatenate([best, *map(_best, lists[1:])])[order]
    found = found._replace(text=copies.marks(found, numbering))
    question = found.question
    if np.bincount(question).max() <= depth:
        return found
    leader, before = grouped(question, found.text)
    number = counted(question, before == 0)
    least = np.full(int(question[-1]) + 1, -np.inf)
    last = (before == 0) & (number == depth)
    least[question[last]] = found.score[last]
    return found.at((found.score >= least[question]) | (number[leader] <= depth) | best)


def _best(lists: Lists) -> Mask:
    """Which rows are the best of their question."""
    found = np.zeros(len(lists.question), np.bool_)
    found[starts(lists.question)] = True
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


def by_words(scope: Scope, questions: Sequence[str], depth: int, check: Callable[[], None] = lambda: None) -> Lexical:
    """The documents of the `depth` texts of greatest BM25, see `merged`, with statistics over all corpora.

    `check`, which may raise to stop, is called between questions.
    """
    if not questions:
        return Lexical(NOTHING, NOTHING, np.empty(0))
    terms = [text.terms(question) for question in questions]
    statistics = count(scope, list(dict.fromkeys(term for one in terms for term in one)))
    asked = [text.heaviest(one, statistics) for one in terms]
    plain, late = [], []
    wanted = depth + len(scope.excluded)
    for _, _, part in scope.parts():
        search = _Words(part, asked, part.segment.text.searching(part.allowed()), check)
        found = varied(search, len(questions), wanted if part.segment.is_flat else 2 * wanted, wanted)
        is_plain = search.plain(found)
        plain.append(found if is_plain is None else found.at(is_plain))
        if is_plain is not None:
            late.append(found.at(~is_plain))
    ceiling = np.array([text.ceiling(one) for one in asked], np.float64)
    plain_list, late_list = (merged(scope.numbering, some, depth, scope.excluded) for some in (plain, late))
    return Lexical(plain_list, late_list, ceiling)


@dataclass(frozen=True)
class _Words:
    """A search of one segment by words."""

    part: Part
    asked: Sequence[Sequence[text.Term]]
    searching: text.Searching
    check: Callable[[], None]

    def found(self, questions: Rows, wanted: int) -> tuple[Lists, Rows]:
        """The best chunk of each document; boilerplate only where the document has no other."""
        many = []
        for at in questions.tolist():
            self.check()
            many.append(self.searching.best(self.asked[at], wanted))
        looked = np.array([len(one.rows) for one in many], np.int64)
        rows, scores = (np.concatenate(column) for column in zip(*many, strict=True))
        question = np.repeat(questions, looked)
        if not self.part.segment.is_flat:
            kept = self._of_documents(question, rows)
            question, rows, scores = question[kept], rows[kept], scores[kept]
        return self.part.lists(question, rows, scores), looked

    def _of_documents(self, question: Rows, rows: Rows) -> Rows:
        """Positions of the first of the `rows` of each document; boilerplate only where there is no other."""
        documents, common = self.part.segment.document_of[rows], self.part.common
        order = np.arange(len(rows)) if common is None else np.argsort(common[rows], kind="stable")
        _, before = grouped(question[order], documents[order])
        return np.sort(order[before == 0])

    def texts(self, lists: Lists) -> Marks:
        """Their digests."""
        return lists.text

    def plain(self, lists: Lists) -> Mask | None:
        """Which rows are no boilerplate; None: all."""
        return None if self.part.common is None else ~self.part.common[lists.chunk - self.part.first_chunk]


def cosines(numbering: Numbering, question: Rows, chunks: Rows, vectors: Vectors) -> Floats:
    """Cosine of each chunk with the question beside it; the rows of a question stand together.

    `vectors`: those of all questions, float32 [n, dimension].
    """
    found = np.empty(len(chunks))
    for rows in at_a_time(question):
        found[rows] = compared(numbering.vectors(chunks[rows]), question[rows], vectors)
    return found


def at_a_time(question: Rows) -> Iterator[slice]:
    """The rows of as many questions at a time as have some ROWS; the rows of a question stand together."""
    ends = np.append(starts(question)[1:], len(question))
    start = 0
    while start < len(question):
        last = max(np.searchsorted(ends, start + ROWS, side="right") - 1, np.searchsorted(ends, start + 1))
        end = int(ends[last])
        yield slice(start, end)
        start = end


def compared(rows: Vectors, question: Rows, vectors: Vectors) -> Floats:
    """Cosine of each row with the question beside it; the rows of a question stand together."""
    found = np.empty(len(rows), np.float32)
    runs = starts(question)
    bounds = pairwise([*runs.tolist(), len(rows)])
    for number, (start, end) in zip(question[runs].tolist(), bounds, strict=True):
        found[start:end] = exact.cosines(rows[start:end], vectors[number])
    return found.astype(np.float64).round(DECIMALS)
