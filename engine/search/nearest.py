"""The nearest documents of one segment, under a filter.

An index proposes chunks, and every one of them is compared exactly: equal questions have equal answers, with the scores
that a search without an index gives. Where comparing all that the filter keeps costs less than the index, or where the
index finds fewer documents than there are, all of it is compared.

Without a filter an index is as wide as it was promoted, and finds what its recall promises. Under a filter it has to
find what exact search finds. The walk of a graph is then FILTERED wide: that found all of the nearest ten at 50, 20, 10
and 5 % of 100,000 × 384, half of it 99.9 %, and the width of a search without a filter 91 %. It costs as much as 54,000
rows compared: up to some 160,000 chunks a filter is answered by comparing, beyond by the graph, unless it keeps less.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.search.segment import Segment
from engine.search.vectors import exact
from engine.search.vectors.protocol import Mask, Rows, Vector, VectorIndex, Vectors

DECIMALS = 6  # the last bits of a cosine are noise; rows that are equal must tie
NOISE = 4e-6  # a matrix product rounds otherwise than the comparison of one row
WIDER = 4  # how much further an index looks when it has found too few
FILTERED = 2048  # width of the walk under a filter, see above
MASKED = 400  # and of an index that looks at allowed rows only: four times what it looks at without a filter
PRODUCT = 8_000_000  # cosines that one matrix product makes, at most: 32 MB
GATHERED = 40_000  # rows that are gathered for a product, at most: 60 MB of 384 dimensions
FEW = 0.2  # share of the rows from which on it costs less to compare all of them in sequence (5.3 ms both at 100,000)
IN_SEQUENCE = 3  # rows that cost in sequence as much as one that is gathered
A_PRODUCT = 12  # rows that cost as much in a product of MANY questions
MANY = 64


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


def nearest(
    segment: Segment,
    indexed: Indexed | None,
    questions: Vectors,
    depth: int,
    mask: Mask,
    without: Mask | None = None,
    *,
    filtered: bool = False,
) -> Iterator[Nearest]:
    """For each question the `depth` documents of greatest cosine among those of the mask (one bool a document).

    `indexed`: None compares everything. `without`: chunks that represent no document, one bool each; every document has
    others. `filtered`: the mask is what a caller asks for, so that the answer must be exact, see above. Never fewer
    than `depth` while so many match. The answers are made one by one, so that a caller can stop between them.
    """
    kept = _kept(segment, mask, without)
    if not kept.documents:
        return iter([NONE] * len(questions))
    if indexed is not None:
        width = _width(indexed, depth, kept.chunks / len(segment.document_of), filtered)
        if indexed.index.effort(width) < _effort(segment, kept, len(questions)):
            return (_through(segment, indexed.index, one, width, depth, kept) for one in questions)
    return _everything(segment, questions, depth, kept)


def _width(indexed: Indexed, depth: int, share: float, filtered: bool) -> float:
    """How many candidates an index is asked for where `share` of the chunks are kept."""
    if indexed.index.masks:
        return max(indexed.ef, depth, MASKED if filtered else 0)
    width = max(indexed.ef, depth) / share
    return max(width, FILTERED, FILTERED / 4 / share, 4 * depth / share) if filtered else width


def _kept(segment: Segment, mask: Mask, without: Mask | None) -> _Kept:
    rows, _ = segment.first_chunks
    if without is None and mask.all():
        return _Kept(len(rows), len(segment.document_of), None)
    if without is None and segment.is_flat:
        kept = int(np.count_nonzero(mask))
        return _Kept(kept, kept, mask)
    chunks = mask[segment.document_of] if without is None else mask[segment.document_of] & ~without
    return _Kept(int(np.count_nonzero(mask[rows])), int(np.count_nonzero(chunks)), chunks)


def _effort(segment: Segment, kept: _Kept, questions: int) -> float:
    """What comparing everything that is kept costs a question, in gathered rows of 174 ns."""
    rows = len(segment.document_of)
    return rows / A_PRODUCT if questions >= MANY else min(kept.chunks, rows / IN_SEQUENCE)


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
    rows = len(segment.document_of)
    chunks = np.arange(rows) if kept.mask is None else np.flatnonzero(kept.mask)
    few = len(chunks) < FEW * rows
    if len(questions) == 1:
        scores = segment.cosines(questions[0], chunks if few else None)
        yield _best(segment, questions[0], depth, chunks, scores if few or len(chunks) == rows else scores[chunks])
        return
    compared = segment.vectors[chunks] if few and len(chunks) <= GATHERED else segment.vectors
    at_once = max(1, PRODUCT // len(compared))
    for start in range(0, len(questions), at_once):
        some = questions[start : start + at_once]
        for question, scores in zip(some, exact.similarities(compared, some), strict=True):
            yield _best(segment, question, depth, chunks, scores if len(scores) == len(chunks) else scores[chunks])


def _best(segment: Segment, question: Vector, depth: int, chunks: Rows, scores: NDArray[np.float32]) -> Nearest:
    """The best documents of all `chunks` (ascending) by their scores, which may be off in the last bits."""
    if len(segment.first_chunks[0]) == len(segment.document_of):
        return _folded(segment, question, chunks[exact.reaching(scores, depth, NOISE)], depth)
    documents = segment.document_of[chunks]
    first = np.flatnonzero(np.concatenate(([True], documents[1:] != documents[:-1])))
    by_document = np.maximum.reduceat(scores, first)
    winners = exact.reaching(by_document, depth, NOISE)
    lengths = np.diff(np.append(first, len(chunks)))[winners]
    starts = first[winners]
    chosen = [
        start + int(np.argmax(scores[start : start + length]))
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]
    return _folded(segment, question, chunks[chosen], depth)


def _folded(segment: Segment, question: Vector, chunks: Rows, depth: int) -> Nearest:
    """Chunks compared exactly and folded to their documents, the best `depth` of them."""
    scores = np.round(segment.cosines(question, chunks), DECIMALS)
    documents = segment.document_of[chunks]
    order = np.lexsort((chunks, documents, -scores))
    if segment.is_flat:
        chosen = order[:depth]
        return Nearest(documents[chosen], chunks[chosen], scores[chosen])
    _, first = np.unique(documents[order], return_index=True)
    chosen = order[np.sort(first)[:depth]]
    return Nearest(documents[chosen], chunks[chosen], scores[chosen])
