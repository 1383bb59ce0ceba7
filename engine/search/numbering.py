"""Numbers for the chunks and the documents of a scope, so that lists of many questions are arrays.

The chunks of all its segments are counted through, and so are the documents. What a document is called is looked up for
those only that come into an answer, or that must be told apart by it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.search.fusion import Key, starts
from engine.search.prints import Prints
from engine.search.segment import Segment
from engine.search.vectors.protocol import Rows, Vectors

if TYPE_CHECKING:
    from engine.search.generation import Generation

FEW = 24  # texts that are read one by one: a call of Arrow for all of them costs more


class Place(NamedTuple):
    """Where a hit is: its generation, the segment in it, the chunk and the document in that."""

    generation: "Generation"
    segment: Segment
    chunk: int
    document: int


class Numbering:
    """The segments of some generations, in their order, with the numbers of their first chunks and documents."""

    def __init__(self, generations: "Sequence[Generation]") -> None:
        """Nothing is read."""
        self.parts = [(generation, segment) for generation in generations for segment in generation.segments]
        self.first_chunks = _firsts(segment.chunks.num_rows for _, segment in self.parts)
        self.first_documents = _firsts(segment.documents.num_rows for _, segment in self.parts)
        self.corpora = sorted({generation.corpus for generation in generations})
        numbers = [self.corpora.index(generation.corpus) for generation, _ in self.parts]
        self._corpus = np.array(numbers, np.int64)  # of each segment

    def corpus(self, documents: Rows) -> Rows:
        """The number of the corpus of each document, in the order of their names."""
        found: Rows = self._corpus[_part(self.first_documents, documents)]
        return found

    def keys(self, documents: Rows) -> list[Key]:
        """What some documents are called."""
        corpora = map(self.corpora.__getitem__, self.corpus(documents).tolist())
        return list(map(Key, corpora, self.ids(documents)))

    def ids(self, documents: Rows) -> list[str]:
        """Their ids in their corpora."""
        found = [""] * len(documents)
        for number, at in self._split(self.first_documents, documents):
            ids, rows = self.parts[number][1].ids, documents[at] - self.first_documents[number]
            for position, row in zip(at.tolist(), rows.tolist(), strict=True):
                found[position] = ids[row]
        return found

    def order(self, documents: Rows) -> Rows:
        """Numbers for some documents that rise with (corpus, id); equal for equal ones."""
        if len(documents) <= FEW:
            keys = list(zip(self.corpus(documents).tolist(), self.ids(documents), strict=True))
            places = {key: place for place, key in enumerate(sorted(set(keys)))}
            return np.array([places[key] for key in keys], np.int64)
        different, of = np.unique(documents, return_inverse=True)
        ids = self.ids(different)
        by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
        order = by_id[np.argsort(self.corpus(different[by_id]), kind="stable")]
        found: Rows = np.argsort(order)[of]
        return found

    def place(self, chunk: int) -> Place:
        """Where a chunk stands."""
        number = int(np.searchsorted(self.first_chunks, chunk, side="right")) - 1
        generation, segment = self.parts[number]
        row = chunk - int(self.first_chunks[number])
        return Place(generation, segment, row, int(segment.document_of[row]))

    def document(self, number: int) -> "tuple[Generation, Segment, int]":
        """Where a document stands: its generation, the segment, and the row there."""
        part = int(_part(self.first_documents, np.array([number]))[0])
        return *self.parts[part], number - int(self.first_documents[part])

    def segments(self, documents: Rows) -> "Iterator[tuple[Generation, Segment, Rows, Rows]]":
        """The segments that have some of the documents: the positions of these, and their rows there."""
        for number, at in self._split(self.first_documents, documents):
            yield *self.parts[number], at, documents[at] - self.first_documents[number]

    def generations(self, documents: Rows) -> list[str]:
        """The names of the generations of some documents."""
        names = [generation.name for generation, _ in self.parts]
        return [names[number] for number in _part(self.first_documents, documents).tolist()]

    def number(self, place: Place) -> tuple[int, int]:
        """The numbers of the chunk and of the document of a place."""
        at = next(at for at, (_, segment) in enumerate(self.parts) if segment is place.segment)
        return int(self.first_chunks[at]) + place.chunk, int(self.first_documents[at]) + place.document

    def vectors(self, chunks: Rows) -> Vectors:
        """The vectors of some chunks: float32 [chunks, dimension]. Fastest where those of a segment stand together."""
        width = self.parts[0][1].vectors.shape[1] if self.parts else 0
        found = np.empty((len(chunks), width), np.float32)
        numbers = _part(self.first_chunks, chunks)
        runs = starts(numbers)
        rows = chunks - self.first_chunks[numbers]
        bounds = pairwise([*runs.tolist(), len(chunks)])
        for number, (start, end) in zip(numbers[runs].tolist(), bounds, strict=True):
            vectors = self.parts[number][1].vectors
            np.take(vectors, rows[start:end], axis=0, out=found[start:end], mode="clip")  # `raise` would copy once more
        return found

    def prints(self, chunks: Rows, kind: Prints) -> Rows:
        """Numbers for their vectors, or for their words."""
        found = np.empty(len(chunks), np.int64)
        for number, at in self._split(self.first_chunks, chunks):
            found[at] = kind.of(self.parts[number][1], chunks[at] - self.first_chunks[number])
        return found

    def contents(self, chunks: Rows) -> list[str]:
        """The texts of some chunks."""
        return self._column(self.first_chunks, chunks, "chunks", "content")

    def metadata(self, documents: Rows) -> list[str]:
        """The metadata of some documents, as JSON."""
        return self._column(self.first_documents, documents, "documents", "_metadata")

    def _column(self, first: Rows, numbers: Rows, table: str, name: str) -> list[str]:
        found = [""] * len(numbers)
        for number, at in self._split(first, numbers):
            column: pa.ChunkedArray = getattr(self.parts[number][1], table).column(name)
            rows = numbers[at] - first[number]
            values = [column[row].as_py() for row in rows.tolist()] if len(at) <= FEW else column.take(rows).to_pylist()
            for position, value in zip(at.tolist(), values, strict=True):
                found[position] = str(value)
        return found

    def _split(self, first: Rows, numbers: Rows) -> Iterator[tuple[int, Rows]]:
        """For each segment that has some of the numbers, their positions."""
        parts = _part(first, numbers)
        if not len(parts):
            return
        if (parts == parts[0]).all():
            yield int(parts[0]), np.arange(len(parts))
            return
        order = parts.argsort(kind="stable")
        runs = starts(parts[order])
        for start, end in pairwise([*runs.tolist(), len(order)]):
            yield int(parts[order[start]]), order[start:end]


def _firsts(lengths: Iterable[int]) -> Rows:
    return np.array(list(accumulate(lengths, initial=0)), np.int64)


def _part(first: Rows, numbers: Rows) -> NDArray[np.int64]:
    """The segment that each number belongs to."""
    return first.searchsorted(numbers, side="right") - 1
