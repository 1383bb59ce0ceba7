"""The nearest documents of one segment, under a filter.

An index proposes chunks, and every one of them is compared exactly: equal questions have equal answers, with the scores
that a search without an index gives. Where the filter keeps so little that comparing all of it costs less than the
index, or where the index finds fewer documents than there are, all of it is compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.segment import Segment
from engine.search.vectors import exact
from engine.search.vectors.protocol import Mask, Rows, Vector, VectorIndex, Vectors

DECIMALS = 6  # the last bits of a cosine are noise; rows that are equal must tie
WIDER = 4  # how much further an index looks when it has found too few
PRODUCT = 8_000_000  # cosines that one matrix product makes, at most: 32 MB


@dataclass(frozen=True)
class Nearest:
    """Documents with their best chunk, best first; equal scores by document."""

    documents: Rows
    chunks: Rows
    scores: NDArray[np.float32]


NONE = Nearest(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class Indexed:
    """An index over a segment and how wide it searches."""

    index: VectorIndex
    ef: int  # candidates that are looked at, at least


@dataclass(frozen=True)
class _Kept:
    """What a filter keeps of a segment."""

    documents: int  # that have chunks
    chunks: int
    mask: Mask | None  # of chunks; None: all


def nearest(segment: Segment, indexed: Indexed | None, questions: Vectors, depth: int, mask: Mask) -> list[Nearest]:
    """For each question the `depth` documents of greatest cosine among those of the mask (one bool a document).

    `indexed`: None compares everything. Never fewer than `depth` while so many match.
    """
    kept = _kept(segment, mask)
    if not kept.documents:
        return [NONE] * len(questions)
    if indexed is not None:
        width = max(indexed.ef, depth)
        share = kept.chunks / len(segment.document_of)
        if indexed.index.effort(width, share) < _effort(segment, kept):
            return [_through(segment, indexed.index, one, width / share, depth, kept) for one in questions]
    return list(_everything(segment, questions, depth, kept))


def _kept(segment: Segment, mask: Mask) -> _Kept:
    rows, _ = segment.first_chunks
    if mask.all():
        return _Kept(len(rows), len(segment.document_of), None)
    if segment.is_flat:
        kept = int(np.count_nonzero(mask))
        return _Kept(kept, kept, mask)
    chunks = mask[segment.document_of]
    return _Kept(int(np.count_nonzero(mask[rows])), int(np.count_nonzero(chunks)), chunks)


def _effort(segment: Segment, kept: _Kept) -> float:
    """What comparing everything that is kept costs, in gathered rows; rows in sequence cost a third."""
    return min(kept.chunks, len(segment.document_of) / 3)


def _through(segment: Segment, index: VectorIndex, question: Vector, count: float, depth: int, kept: _Kept) -> Nearest:
    """Ask the index, further and further, until there are enough documents or asking costs more than comparing."""
    wanted = min(depth, kept.documents)
    while count * 2 < len(segment.document_of):
        chunks = index.candidates(question, int(np.ceil(count)), kept.mask)
        if kept.mask is not None:
            chunks = chunks[kept.mask[chunks]]
        first = len(chunks) if index.slack is None else 2 * depth + index.slack
        for some in (chunks[:first], chunks) if first < len(chunks) else (chunks,):
            found = _folded(segment, question, some, depth)
            if len(found.documents) >= wanted:
                return found
        count *= WIDER
    return next(_everything(segment, question[np.newaxis], depth, kept))


def _everything(segment: Segment, questions: Vectors, depth: int, kept: _Kept) -> Iterator[Nearest]:
    few = kept.mask is not None and kept.chunks < len(segment.document_of) / 3
    if few and kept.mask is not None:
        chunks = np.flatnonzero(kept.mask)
        for question in questions:
            yield _best(segment, question, depth, chunks, segment.cosines(question, chunks))
        return
    every = np.arange(len(segment.document_of)) if kept.mask is None else np.flatnonzero(kept.mask)
    at_once = max(1, PRODUCT // len(segment.document_of))
    for start in range(0, len(questions), at_once):
        some = questions[start : start + at_once]
        for question, scores in zip(some, exact.similarities(segment.vectors, some), strict=True):
            yield _best(segment, question, depth, every, scores if kept.mask is None else scores[every])


def _best(segment: Segment, question: Vector, depth: int, chunks: Rows, scores: NDArray[np.float32]) -> Nearest:
    """The best documents of all `chunks` (ascending) by their scores."""
    if len(segment.first_chunks[0]) < len(segment.document_of):
        documents = segment.document_of[chunks]
        first = np.flatnonzero(np.concatenate(([True], documents[1:] != documents[:-1])))
        by_document = np.maximum.reduceat(scores, first)
        winners = exact.best(np.round(by_document, DECIMALS), depth)
        lengths = np.diff(np.append(first, len(chunks)))[winners]
        starts = first[winners]
        chosen = [
            start + int(np.argmax(scores[start : start + length]))
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]
        return _folded(segment, question, chunks[chosen], depth)
    return _folded(segment, question, chunks[exact.best(np.round(scores, DECIMALS), depth)], depth)


def _folded(segment: Segment, question: Vector, chunks: Rows, depth: int) -> Nearest:
    """Chunks compared exactly and folded to their documents, the best `depth` of them."""
    scores = np.round(segment.cosines(question, chunks), DECIMALS)
    documents = segment.document_of[chunks]
    order = np.lexsort((chunks, documents, -scores))
    _, first = np.unique(documents[order], return_index=True)
    chosen = order[np.sort(first)[:depth]]
    return Nearest(documents[chosen], chunks[chosen], scores[chosen])
