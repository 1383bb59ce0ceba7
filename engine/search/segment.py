"""A segment: an immutable folder with documents, their chunks, vectors and full text.

documents.arrow   id, sha (of text and metadata), metadata (JSON), and the metadata columns as they are in the source
chunks.arrow      document (row in documents.arrow), ordinal, start, end, content, sha (of the content)
vectors.arrow     one vector a chunk
text/             a tantivy index, one row a chunk
"""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
from numpy.typing import NDArray

from engine.search import text
from engine.search.vectors import exact, stored
from engine.search.vectors.protocol import Rows, Vector, Vectors

CHUNK_SCHEMA = pa.schema(
    [
        ("document", pa.int32()),
        ("ordinal", pa.int32()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("content", pa.large_string()),
        ("sha", pa.binary(16)),
    ]
)
OWN_COLUMNS = ("_id", "_sha", "_metadata")


def digest(*parts: str) -> bytes:
    """The first 16 bytes of the SHA-256 of `parts`, joined by a unit separator."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest()[:16]


@dataclass(frozen=True)
class Contents:
    """What goes into a segment."""

    documents: pa.Table  # _id, _sha, _metadata, then the metadata columns
    chunks: pa.Table  # CHUNK_SCHEMA
    vectors: Vectors  # float32 [chunks, dimension]


def write(folder: Path, contents: Contents) -> dict[str, dict[str, object]]:
    """Write a segment and bring it to the disk; returns size and sha256 of each file, by its path in `folder`."""
    folder.mkdir(parents=True)
    for name, table in (("documents.arrow", contents.documents), ("chunks.arrow", contents.chunks)):
        with ipc.new_file(folder / name, table.schema) as writer:
            writer.write_table(table, max_chunksize=65536)
    stored.write(folder, contents.vectors)
    text.write(folder / "text", contents.chunks.column("content").to_pylist())
    for lock in (folder / "text").glob("*.lock"):
        lock.unlink()
    return settled(folder)


def settled(folder: Path) -> dict[str, dict[str, object]]:
    """Bring all files of a folder to the disk; returns size and sha256 of each, by its path in `folder`."""
    files: dict[str, dict[str, object]] = {}
    for path in sorted(folder.rglob("*")):
        sync(path)
        if path.is_file():
            files[str(path.relative_to(folder))] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    sync(folder)
    return files


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Segment:
    """An open segment, shared by all readers. Its files may be removed meanwhile: every one of them is open."""

    def __init__(self, folder: Path, dimension: int) -> None:
        """Open `folder`; `dimension` of its vectors, from the manifest."""
        self.documents = _mapped(folder / "documents.arrow")  # memory-mapped
        self.chunks = _mapped(folder / "chunks.arrow")
        self.vectors = stored.read(folder, dimension)  # float32 [chunks, dimension], mapped
        self.text = text.TextIndex(folder / "text")

    @cached_property
    def document_of(self) -> NDArray[np.int64]:
        """The document row of each chunk."""
        rows: NDArray[np.int64] = self.chunks.column("document").to_numpy().astype(np.int64)
        return rows

    @cached_property
    def first_chunks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(document rows that have chunks, the first chunk of each); the chunks of a document stand together."""
        rows, first = np.unique(self.document_of, return_index=True)
        return rows, first.astype(np.int64)

    @cached_property
    def is_flat(self) -> bool:
        """Whether every document is one chunk, so that rows of both are the same."""
        return bool(len(self.first_chunks[0]) == len(self.document_of) == self.documents.num_rows)

    @cached_property
    def ids(self) -> list[str]:
        """The id of each document row."""
        found: list[str] = self.documents.column("_id").to_pylist()
        return found

    @cached_property
    def metadata_columns(self) -> list[str]:
        """The names of the metadata columns."""
        return [name for name in self.documents.column_names if name not in OWN_COLUMNS]

    @cached_property
    def texts(self) -> NDArray[np.int64]:
        """A number for the text of each chunk, equal for equal texts of all segments: the first 8 bytes of its SHA."""
        parts = [
            np.frombuffer(part.buffers()[1], np.int64)[2 * part.offset : 2 * (part.offset + len(part)) : 2]
            for part in self.chunks.column("sha").chunks
        ]
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])

    def content(self, row: int) -> str:
        """The text of one chunk."""
        return str(self.chunks.column("content")[row])

    def chunks_of(self, document: int) -> range:
        """The chunks of a document row, in order; none where its text is blank."""
        rows, first = self.first_chunks
        at = int(np.searchsorted(rows, document))
        if at == len(rows) or rows[at] != document:
            return range(0)
        return range(int(first[at]), int(first[at + 1]) if at + 1 < len(rows) else len(self.document_of))

    def firsts_of(self, documents: Rows) -> Rows:
        """The first chunk of each document row; -1 where its text is blank."""
        rows, first = self.first_chunks
        at = np.minimum(np.searchsorted(rows, documents), max(len(rows) - 1, 0))
        return np.where(rows[at] == documents, first[at], -1) if len(rows) else np.full(len(documents), -1, np.int64)

    def cosines(self, question: Vector, chunks: Rows | None = None) -> NDArray[np.float32]:
        """Cosine of each chunk, or of some, with a question: float32 [chunks]."""
        return exact.cosines(self.vectors, question, chunks)

    def chunk(self, row: int) -> dict[str, object]:
        """One chunk as a dictionary."""
        return {
            name: self.chunks.column(name)[row].as_py() for name in ("document", "ordinal", "start", "end", "content")
        }

    def metadata(self, document: int) -> str:
        """The metadata of one document as JSON text."""
        return str(self.documents.column("_metadata")[document].as_py())


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return ipc.open_file(source).read_all()
