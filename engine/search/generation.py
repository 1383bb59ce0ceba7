"""A generation: an immutable, searchable state of one corpus. Segments, tombstones and a manifest; never changed.

The first segment of a generation is the base, the others are what came later; tombstones name the documents of any
segment that are gone or were replaced. Segments are shared: a refresh writes what is new and names the old ones again.
The base may have an index of its vectors; what came later is small and is compared exactly.
"""

import hashlib
import json
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import Internal
from engine.search.digests import Digests, File, Files
from engine.search.nearest import Indexed
from engine.search.segment import Segment, sync
from engine.search.vectors import choosing
from engine.search.vectors.protocol import VectorIndex

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One segment as the manifest has it."""

    folder: str  # below the folder of the corpus
    documents: int
    chunks: int
    files: Files
    dead: list[int] = field(default_factory=list)  # rows of documents.arrow that are gone


@dataclass(frozen=True)
class Graph:
    """The index of the vectors of one segment as the manifest has it."""

    engine: str
    parameters: dict[str, int]
    part: str  # the folder of the segment
    folder: str  # where the files are, below the folder of the corpus
    files: Files


@dataclass(frozen=True)
class Manifest:
    """Everything that defines a generation."""

    corpus: str
    generation: str
    model: str
    model_sha256: str
    dimension: int
    chunk_size: int
    floor: float  # the best cosine below which a question is not answered
    parts: list[Part]
    metric: str = "cosine"
    engine: str = "exact"
    graph: Graph | None = None
    format: int = FORMAT

    @property
    def documents(self) -> int:
        """Documents that are alive."""
        return sum(part.documents - len(part.dead) for part in self.parts)

    def text(self) -> str:
        """The manifest as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, indent=1)


def parse(text: str) -> Manifest:
    """Read a manifest. Raises Internal for one of another format."""
    data = json.loads(text)
    if data.get("format") != FORMAT:
        raise Internal(f"the generation has format {data.get('format')}, not {FORMAT}", "rebuild the corpus")
    graph = Graph(**data["graph"]) if data.get("graph") else None
    return Manifest(**{**data, "parts": [Part(**part) for part in data["parts"]], "graph": graph})


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a generation, and bring it to the disk."""
    path = folder / MANIFEST
    path.write_text(manifest.text(), encoding="utf-8")
    sync(path)
    sync(folder)


@dataclass(frozen=True)
class Shared:
    """What open generations have in common, by folder and digests: each is opened once while anyone holds it."""

    segments: MutableMapping[tuple[str, ...], Segment]
    indexes: MutableMapping[tuple[str, ...], VectorIndex]
    digests: Digests = field(default_factory=Digests)


class Generation:
    """An open generation. A reader that holds it keeps it, whatever becomes live meanwhile."""

    def __init__(self, root: Path, manifest: Manifest, shared: Shared, *, deep: bool = False) -> None:
        """`root`: the folder of the corpus; `shared`: what is open already; `deep`: compare every byte of every file.

        Raises Internal, naming the file, when one is missing or damaged.
        """
        self.manifest = manifest
        self.unread: list[File] = []  # files whose content is still to be compared
        self.kept_masks: dict[str, list[NDArray[np.bool_]]] = {}  # documents that a grant's filter shows, by its text
        self.lacking: str | None = None  # why its index cannot be used on this machine
        self.lost: Graph | None = None  # its index, where the files of that are damaged
        self.segments: list[Segment] = []
        for part in manifest.parts:
            key = _key(root / part.folder, part.files)
            self.unread += shared.digests.check(root / part.folder, part.folder, part.files, deep=deep)
            segment = shared.segments.get(key)
            if segment is None:
                segment = Segment(root / part.folder, manifest.dimension)
                shared.segments[key] = segment
            self.segments.append(segment)
        self._index = self._open_index(root, manifest.graph, shared, deep) if manifest.graph else None

    def _open_index(self, root: Path, graph: Graph, shared: Shared, deep: bool) -> VectorIndex | None:
        if graph.engine not in choosing.ENGINES:
            raise Internal(f"the index was made by an unknown engine {graph.engine!r}", "rebuild the corpus")
        self.lacking = choosing.failure(graph.engine)
        if self.lacking:
            return None
        key = _key(root / graph.folder, graph.files)
        shared.digests.check(root / graph.folder, graph.folder, graph.files, deep=deep)
        index = shared.indexes.get(key)
        if index is None:
            rows = next(part.chunks for part in self.manifest.parts if part.folder == graph.part)
            index = choosing.ENGINES[graph.engine].open(root / graph.folder, rows, self.manifest.dimension)
            shared.indexes[key] = index
        return index

    def indexed(self, position: int, ef: int | None = None) -> Indexed | None:
        """The index of the segment at a position; None: it is compared exactly. `ef`: instead of the promoted one."""
        graph = self.manifest.graph
        if self._index is None or graph is None or self.manifest.parts[position].folder != graph.part:
            return None
        return Indexed(self._index, ef if ef is not None else graph.parameters.get("ef", 0))

    @property
    def corpus(self) -> str:
        """The corpus that this is a state of."""
        return self.manifest.corpus

    @property
    def name(self) -> str:
        """The name of the generation."""
        return self.manifest.generation

    @cached_property
    def identity(self) -> str:
        """The SHA-256 of its manifest, and so of all it holds: names are given again when a corpus is made anew."""
        return hashlib.sha256(self.manifest.text().encode()).hexdigest()

    @cached_property
    def alive(self) -> list[NDArray[np.bool_]]:
        """For each segment, which documents are alive."""
        masks = []
        for part in self.manifest.parts:
            mask = np.ones(part.documents, np.bool_)
            mask[part.dead] = False
            masks.append(mask)
        return masks

    @property
    def metadata_columns(self) -> list[str]:
        """The metadata columns, those of the newest segment."""
        return self.segments[-1].metadata_columns if self.segments else []

    def each_alive(self) -> Iterator[tuple[int, Segment, NDArray[np.int64]]]:
        """(position, segment, rows of its living documents)."""
        for position, (segment, mask) in enumerate(zip(self.segments, self.alive, strict=True)):
            yield position, segment, np.flatnonzero(mask)

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Where each living document is: id -> (segment, document row)."""
        return {
            segment.ids[row]: (position, row) for position, segment, rows in self.each_alive() for row in rows.tolist()
        }


def _key(folder: Path, files: Files) -> tuple[str, ...]:
    return (str(folder), *(str(facts["sha256"]) for facts in files.values()))


def folders(manifests: Sequence[Manifest]) -> set[str]:
    """The folders, below that of the corpus, that some manifests need."""
    wanted = {manifest.generation for manifest in manifests}
    for manifest in manifests:
        wanted |= {part.folder for part in manifest.parts}
        wanted |= {manifest.graph.folder} if manifest.graph else set()
    return wanted
