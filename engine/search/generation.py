"""A generation: an immutable, searchable state of one corpus. Segments, tombstones and a manifest; never changed.

The first segment of a generation is the base, the others are what came later; tombstones name the documents of any
segment that are gone or were replaced. Segments are shared: a refresh writes what is new and names the old ones again.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import Internal
from engine.search.segment import Segment, file_sha256, sync

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One segment as the manifest has it."""

    folder: str  # below the folder of the corpus
    documents: int
    chunks: int
    files: dict[str, dict[str, object]]  # path -> bytes, sha256
    dead: list[int] = field(default_factory=list)  # rows of documents.arrow that are gone


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
    return Manifest(**{**data, "parts": [Part(**part) for part in data["parts"]]})


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a generation, and bring it to the disk."""
    path = folder / MANIFEST
    path.write_text(manifest.text(), encoding="utf-8")
    sync(path)
    sync(folder)


class Generation:
    """An open generation. A reader that holds it keeps it, whatever becomes live meanwhile."""

    def __init__(self, root: Path, manifest: Manifest, shared: dict[str, Segment]) -> None:
        """`root`: the folder of the corpus; `shared`: segments already open, by their folder."""
        self.manifest = manifest
        self.kept_masks: dict[str, list[NDArray[np.bool_]]] = {}  # documents that a grant's filter shows, by its text
        self.segments: list[Segment] = []
        for part in manifest.parts:
            segment = shared.get(part.folder)
            if segment is None:
                check_files(root / part.folder, part)
                segment = Segment(root / part.folder, manifest.dimension)
            self.segments.append(segment)

    @property
    def corpus(self) -> str:
        """The corpus that this is a state of."""
        return self.manifest.corpus

    @property
    def name(self) -> str:
        """The name of the generation."""
        return self.manifest.generation

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


def check_files(folder: Path, part: Part, *, deep: bool = False) -> None:
    """Raise Internal, naming the file, when one of the segment is missing or has another size (or content: `deep`)."""
    for name, facts in part.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts["bytes"]:
            raise Internal(f"the file {part.folder}/{name} of an index is missing or cut", "rebuild the corpus")
        if deep and file_sha256(path) != facts["sha256"]:
            raise Internal(f"the file {part.folder}/{name} of an index is damaged", "rebuild the corpus")


def folders(manifests: Sequence[Manifest]) -> set[str]:
    """The folders, below that of the corpus, that some manifests need."""
    return {part.folder for manifest in manifests for part in manifest.parts} | {
        manifest.generation for manifest in manifests
    }
