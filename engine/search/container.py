"""The file format LHV1: one index of vectors in one file, so that no half of it can be old.

bytes 0-3   the letters LHV1
bytes 4-7   length of the envelope, an unsigned integer of 32 bits, the most significant byte first
next        the envelope, JSON in UTF-8:
              version   2; files of version 1, which name no ids, are read too: their ids are the keys of `metadata`
              params    name, dimension, distance (cosine), model, model_sha256, engine, parameters
              metadata  by id, an object
              ids       one for each vector, in order
              graph     vectors (bytes), files (name: bytes, in order), sha256 (of all bytes after the envelope)
rest        the vectors, float32, the least significant byte first, row by row; then the files of the engine's index
"""

import errno
import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.errors import Invalid, LakehouseError
from engine.search.vectors import stored
from engine.search.vectors.protocol import Vectors

MAGIC, VERSION, READABLE = b"LHV1", 2, (1, 2)
SUFFIX = ".lhv1"
VECTORS = "vectors.f32"  # in the folder that a file is unpacked to
LONGEST_ENVELOPE = 1 << 30
CHUNK = 1 << 20
AGAIN = "export it again"


@dataclass(frozen=True)
class Index:
    """What a file holds."""

    params: dict[str, Any]
    metadata: dict[str, Any]
    ids: list[str]
    vectors: Vectors  # float32 [ids, dimension]
    files: list[Path]  # of the engine's index


def write(index: Index) -> Iterator[bytes]:
    """The bytes of a file, part by part. Raises Invalid when the envelope is longer than it may be."""
    blobs = index.files
    digest = hashlib.sha256()
    for part in _rest(index.vectors, blobs):
        digest.update(part)
    envelope = {
        "version": VERSION,
        "params": index.params,
        "metadata": index.metadata,
        "ids": index.ids,
        "graph": {
            "vectors": index.vectors.size * 4,
            "files": {path.name: path.stat().st_size for path in blobs},
            "sha256": digest.hexdigest(),
        },
    }
    encoded = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > LONGEST_ENVELOPE:
        raise Invalid(f"the ids and metadata take {len(encoded)} bytes", f"at most {LONGEST_ENVELOPE} fit into a file")
    yield MAGIC + struct.pack(">I", len(encoded)) + encoded
    yield from _rest(index.vectors, blobs)


def _rest(vectors: Vectors, blobs: Iterable[Path]) -> Iterator[bytes]:
    rows = max(1, CHUNK // max(1, vectors.shape[1] * 4))
    for start in range(0, len(vectors), rows):
        yield np.ascontiguousarray(vectors[start : start + rows], "<f4").tobytes()
    for path in blobs:
        with path.open("rb") as stream:
            while part := stream.read(CHUNK):
                yield part


def read(path: Path, folder: Path, check: Callable[[], None]) -> Index:
    """Unpack the file at `path` into `folder`. Everything that the file says of itself is checked.

    Raises Invalid for a file that is no whole LHV1 file, or whose vectors are not usable.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream, path, folder, check)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # what it is unpacked into
            raise
        raise Invalid(f"{path.name} cannot be read: {error.strerror}", "check the file and the disk") from None
    except LakehouseError as error:
        raise type(error)(f"{path.name}: {error.message}", error.hint) from None


def _read(stream: BinaryIO, path: Path, folder: Path, check: Callable[[], None]) -> Index:
    size = path.stat().st_size
    head = stream.read(8)
    if head[:4] != MAGIC:
        raise Invalid("it is not an LHV1 file", "it must begin with the letters LHV1")
    if len(head) < 8:
        raise Invalid("it ends within its first 8 bytes", AGAIN)
    length = struct.unpack(">I", head[4:])[0]
    if length > LONGEST_ENVELOPE:
        raise Invalid(f"its envelope is {length} bytes long", f"at most {LONGEST_ENVELOPE} are read")
    if 8 + length > size:
        raise Invalid(f"it is cut: the envelope alone needs {8 + length} bytes, the file has {size}", AGAIN)
    envelope = _Envelope(stream.read(length))
    wanted = 8 + length + envelope.vectors + sum(envelope.files.values())
    if wanted != size:
        what = "is cut" if wanted > size else "is longer than it says"
        raise Invalid(f"it {what}: {wanted} bytes are told, the file has {size}", AGAIN)
    digest = hashlib.sha256()
    for name, count in ((VECTORS, envelope.vectors), *envelope.files.items()):
        _copy(stream, folder / name, count, digest.update, check)
    if digest.hexdigest() != envelope.sha256:
        raise Invalid("it is damaged: the bytes after the envelope have another SHA-256", AGAIN)
    flat = np.memmap(folder / VECTORS, "<f4", "r") if envelope.vectors else np.empty(0, "<f4")
    vectors = flat.reshape(len(envelope.ids), envelope.dimension)
    try:
        stored.refuse_unusable(vectors, envelope.dimension)
    except Invalid as error:
        raise Invalid(error.message, AGAIN) from None
    files = [folder / name for name in envelope.files]
    return Index(envelope.params, envelope.metadata, envelope.ids, vectors, files)


def _copy(
    stream: BinaryIO, target: Path, count: int, update: Callable[[bytes], None], check: Callable[[], None]
) -> None:
    with target.open("wb") as written:
        while count:
            check()
            part = stream.read(min(count, CHUNK))
            if not part:
                raise Invalid("it became shorter while it was read", "repeat when nobody writes to it")
            update(part)
            written.write(part)
            count -= len(part)


class _Envelope:
    """The envelope of a file, checked."""

    def __init__(self, encoded: bytes) -> None:
        """Raises Invalid naming the first thing that is wrong."""
        try:
            whole = json.loads(encoded)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"its envelope is not JSON: {error}", AGAIN) from None
        if not isinstance(whole, dict):
            raise Invalid("its envelope is not an object", AGAIN)
        version = whole.get("version")
        if version not in READABLE:
            raise Invalid(f"its version is {version!r}", f"versions {READABLE[0]} and {READABLE[1]} are read")
        self.params = _object(whole, "params")
        self.metadata = _object(whole, "metadata")
        self.ids = _ids(whole.get("ids")) if version > 1 else list(self.metadata)
        self.dimension = _count(self.params, "dimension")
        graph = _object(whole, "graph")
        self.vectors = _count(graph, "vectors")
        self.files = {str(name): _count(_object(graph, "files"), name) for name in _object(graph, "files")}
        self.sha256 = str(graph.get("sha256"))
        for name in self.files:
            if name == VECTORS or Path(name).name != name or name.startswith("."):
                raise Invalid(f"it holds a file of the name {name!r}", AGAIN)
        if not self.dimension or self.vectors != len(self.ids) * self.dimension * 4:
            told = f"{len(self.ids)} ids of {self.dimension} dimensions do not take {self.vectors} bytes of vectors"
            raise Invalid(told, "a file of version 1 must have metadata for each id" if version == 1 else AGAIN)


def _object(whole: dict[str, Any], name: str) -> dict[str, Any]:
    value = whole.get(name)
    if not isinstance(value, dict):
        raise Invalid(f"its envelope has no object {name!r}", AGAIN)
    return value


def _count(whole: dict[str, Any], name: str) -> int:
    value = whole.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Invalid(f"{name!r} of its envelope is not a count", AGAIN)
    return value


def _ids(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid("the ids of its envelope are not a list of texts", AGAIN)
    if len(set(value)) < len(value):
        raise Invalid("an id of its envelope stands twice", AGAIN)
    return value
