"""Folding: all living documents of a generation in one new base segment, without what is dead.

Chunks and vectors are taken as they are, so that nothing is read or embedded again. What becomes live meanwhile is laid
over the new base when it takes the place of the old segments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.search import room
from engine.search.build import FOLD_DEAD, FOLD_DELTA, write_segment
from engine.search.generation import Generation, Manifest, Part
from engine.search.segment import Contents, Segment
from engine.search.vectors.protocol import Vectors

if TYPE_CHECKING:
    from engine.search.builds import Build
    from engine.search.corpora import Corpora
    from engine.search.indexwork import IndexWork, Trial

INDEX = "index"  # the folder of the index, in that of the segment
TIMES = 3  # vectors are in memory by segment, in a row, and in the order of their ids
WIDTHS = (64, 96, 128, 192, 256, 400)  # of the walk: the least one that reaches the floor is kept


@dataclass(frozen=True)
class Base:
    """A base that was written in the place of the segments of a generation."""

    manifest: Manifest  # of what it folds
    part: Part
    ids: list[str]  # of its documents, by row


def is_due(manifest: Manifest) -> bool:
    """Whether so much of a generation is new or dead that it should be folded."""
    alive = max(1, manifest.documents)
    later = sum(part.documents for part in manifest.parts[1:])
    dead = sum(len(part.dead) for part in manifest.parts)
    total = max(1, sum(part.documents for part in manifest.parts))
    return later > FOLD_DELTA * alive or dead > FOLD_DEAD * total


def contents(live: Generation, check: Callable[[], None]) -> Contents:
    """What is alive, in the order of the ids, as one segment holds it."""
    documents, chunks, vectors = [], [], []
    offset = 0
    for _, segment, rows in live.each_alive():
        check()
        kept, its_vectors = _chunks(segment, rows, offset)
        documents.append(segment.documents.take(pa.array(rows)))
        chunks.append(kept)
        vectors.append(its_vectors)
        offset += len(rows)
    check()
    every = pa.concat_tables(documents)
    order = pc.sort_indices(every.column("_id")).to_numpy()
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return _ordered(every.take(pa.array(order)), pa.concat_tables(chunks), np.concatenate(vectors), place)


def _chunks(segment: Segment, rows: NDArray[np.int64], offset: int) -> tuple[pa.Table, Vectors]:
    """The chunks of some document rows, which count from `offset` now, and their vectors."""
    place = np.full(segment.documents.num_rows, -1, np.int32)
    place[rows] = np.arange(offset, offset + len(rows), dtype=np.int32)
    documents = place[segment.document_of]
    kept = np.flatnonzero(documents >= 0)
    table = segment.chunks.take(pa.array(kept))
    return table.set_column(0, "document", pa.array(documents[kept])), segment.vectors[kept]


def _ordered(documents: pa.Table, chunks: pa.Table, vectors: Vectors, place: NDArray[np.int32]) -> Contents:
    """`place`: the row that each document has now."""
    moved = place[chunks.column("document").to_numpy()]
    order = np.lexsort((chunks.column("ordinal").to_numpy(), moved))
    ordered = chunks.set_column(0, "document", pa.array(moved)).take(pa.array(order)).combine_chunks()
    return Contents(documents.combine_chunks(), ordered, vectors[order])


def fold(build: "Build", work: "IndexWork", corpora: "Corpora") -> "Trial":
    """Write the new base of a generation and its index, with the parameters of the one that is live, and try it."""
    made = build.manifest
    live = corpora.opened(made)
    room.refuse_large(f"a fold of corpus {made.corpus!r}", TIMES * sum(part.vectors.nbytes for part in live.segments))
    written = contents(live, build.check)
    part = write_segment(corpora.folder(made.corpus), made.generation, written)
    folded = replace(made, parts=[part], graph=None)
    width = build.choice.parameters.get("ef", 0)
    graph = work.make(folded, build.choice, INDEX)
    trial = work.try_out(folded, graph, (width, *(wider for wider in WIDTHS if wider > width)), made)
    base = Base(made, part, written.documents.column("_id").to_pylist())
    return replace(trial, told={"why": "folded"}, base=base)


def was_refused(manifest: Manifest, aside: Sequence[Manifest]) -> bool:
    """Whether a fold of this base is among the generations that are `aside`: held back, or rolled back."""
    base = manifest.parts[0].folder
    return any(one.generation == one.parts[0].folder and one.generation > base for one in aside)


def onto(live: Generation, base: Base) -> list[Part]:
    """The segments of what is live now, with `base` in the place of those that it folds."""
    folded = len(base.manifest.parts)
    dead = [row for row, id in enumerate(base.ids) if live.places.get(id, (folded, 0))[0] >= folded]
    return [replace(base.part, dead=dead), *live.manifest.parts[folded:]]
