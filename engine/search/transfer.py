"""The index of a corpus into a file and back: `export_index` and `import_index`.

A file holds the vectors of the base segment and the index over them. It comes back only where the same chunks are: the
corpus has their text. An imported index passes the gate of every build before it is live.
"""

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import Conflict, Invalid, nearest
from engine.search import container, segment
from engine.search.builds import Build
from engine.search.container import AGAIN, Index
from engine.search.generation import Generation, Graph, Manifest
from engine.search.indexwork import Trial
from engine.search.segment import Segment
from engine.search.vectors import choosing, foreign
from engine.search.vectors.choosing import M_RANGE, Choice
from engine.storage import targets

if TYPE_CHECKING:
    from engine.lake import Lake

SAME = 1e-4  # how far a component of a vector may be from that of the corpus
PARAMETERS = {"m": M_RANGE, "ef_construction": (1, 1000), "ef": (1, 10_000), "seed": (0, 2**31)}
NEEDED = {"hnswlib": ("m", "ef_construction", "ef", "seed"), "usearch": ("m", "ef_construction", "ef", "seed")}


def export(lake: "Lake", corpus: str, uri: str, check: Callable[[], None]) -> dict[str, Any]:
    """Write the live index of a corpus to `uri`; the file is replaced whole or not at all.

    Raises Invalid, NotFound or Forbidden for a place that cannot be written.
    """
    target = targets.to_write(lake, uri, (container.SUFFIX,))
    live = lake.corpora.live(corpus)

    def parts() -> Iterator[bytes]:
        for part in container.write(_index(live, lake.corpora.folder(corpus))):
            check()
            yield part

    size = targets.replace(target, parts())
    return {"corpus": corpus, "status": "written", "bytes": size, "generation": live.name, "reason": None}


def _index(live: Generation, root: Path) -> Index:
    base, manifest = live.segments[0], live.manifest
    graph = manifest.graph
    params = {
        "name": manifest.corpus,
        "dimension": manifest.dimension,
        "distance": manifest.metric,
        "model": manifest.model,
        "model_sha256": manifest.model_sha256,
        "engine": manifest.engine,
        "parameters": graph.parameters if graph else {},
    }
    ids = chunk_ids(base)
    documents: list[str] = base.documents.column("_metadata").to_pylist()
    metadata = {id: json.loads(documents[row]) for id, row in zip(ids, base.document_of.tolist(), strict=True)}
    files = [root / graph.folder / name for name in foreign.FILES[graph.engine]] if graph else []
    return Index(params, metadata, ids, base.vectors, files)


def chunk_ids(base: Segment) -> list[str]:
    """The id of each chunk in a file: that of its document, #, and its number in that."""
    ordinals = base.chunks.column("ordinal").to_pylist()
    return [f"{base.ids[row]}#{ordinal}" for row, ordinal in zip(base.document_of.tolist(), ordinals, strict=True)]


@dataclass(frozen=True)
class Import:
    """A file that is unpacked and checked."""

    manifest: Manifest  # what is live
    choice: Choice
    folder: Path
    files: list[Path]
    bytes: int


@contextmanager
def checked(lake: "Lake", corpus: str, uri: str, check: Callable[[], None]) -> Iterator[Import]:
    """Unpack the file of `uri` and check it against a corpus; nothing of the corpus is changed.

    Raises Invalid for a file that is not whole or not of the base of the corpus, and as `targets.to_read` does.
    """
    path = targets.to_read(lake, uri)
    live = lake.corpora.live(corpus)
    folder = Path(tempfile.mkdtemp(prefix="import-", dir=lake.home / "cache"))
    try:
        size = path.stat().st_size
        most = 8 + container.LONGEST_ENVELOPE + 8 * live.segments[0].vectors.nbytes + (64 << 20)
        if size > most:
            raise Invalid(f"{path.name} has {size} bytes", f"an index of this corpus has at most {most}")
        index = container.read(path, folder, check)
        _refuse_other(path.name, live, index)
        choice = _choice(path.name, index)
        _refuse_foreign(path.name, choice.engine, folder, index)
        yield Import(live.manifest, choice, folder, index.files, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_other(name: str, live: Generation, index: Index) -> None:
    """Raise Invalid unless the file holds the vectors of the base of a generation."""
    manifest, base = live.manifest, live.segments[0]
    told = {"dimension": manifest.dimension, "distance": manifest.metric, "model_sha256": manifest.model_sha256}
    for key, wanted in told.items():
        if index.params.get(key) != wanted:
            what = f"{name} has {key} {str(index.params.get(key))[:80]!r}, corpus {manifest.corpus!r} has {wanted!r}"
            raise Invalid(what, "import an index of the same model")
    wanted_ids = chunk_ids(base)
    if index.ids != wanted_ids:
        pairs = itertools.zip_longest(index.ids, wanted_ids)
        at, (found, wanted_id) = next((at, pair) for at, pair in enumerate(pairs) if pair[0] != pair[1])
        lengths = f"{len(index.ids)} ids, the corpus {len(wanted_ids)}"
        what = f"{name} has other ids than corpus {manifest.corpus!r} ({lengths}): row {at} is {found!r}, {wanted_id!r}"
        raise Invalid(what, "import it where the same documents are, or build_index()")
    for start in range(0, len(wanted_ids), 8192):
        far = np.abs(index.vectors[start : start + 8192] - base.vectors[start : start + 8192]).max(axis=1) > SAME
        if far.any():
            id = wanted_ids[start + int(np.argmax(far))]
            raise Invalid(f"{name} has another vector of {id!r} than corpus {manifest.corpus!r}", "build_index()")


def _choice(name: str, index: Index) -> Choice:
    engine, parameters = index.params.get("engine"), index.params.get("parameters")
    if engine not in choosing.NAMES:
        raise Invalid(f"{name} has an index of an unknown engine {engine!r}", nearest(str(engine), choosing.NAMES))
    if not isinstance(parameters, dict):
        raise Invalid(f"{name} names no parameters", AGAIN)
    for key, value in parameters.items():
        least, most = PARAMETERS.get(key, (0, -1))
        if not isinstance(value, int) or not least <= value <= most:
            raise Invalid(f"{name} has the parameter {str(key)[:80]!r} with {value!r}", AGAIN)
    missing = [key for key in NEEDED.get(engine, ()) if key not in parameters]
    if missing:
        raise Invalid(f"{name} does not name the parameter {missing[0]!r}", AGAIN)
    found = [path.name for path in index.files]
    if found != list(foreign.FILES[engine]):
        raise Invalid(f"{name} holds the files {found}, which {engine} does not write", AGAIN)
    failure = choosing.failure(engine)
    if failure:
        raise Conflict(f"the engine {engine} does not work here: {failure}", "build_index() with another one")
    return Choice(engine, parameters, f"imported from {name}")


def _refuse_foreign(name: str, engine: str, folder: Path, index: Index) -> None:
    rows, dimension = index.vectors.shape
    try:
        foreign.refuse_unusable(engine, folder, folder / container.VECTORS, rows, dimension)
    except Invalid as error:
        raise Invalid(f"{name}: {error.message}", error.hint) from None


def is_live(found: Import) -> bool:
    """Whether a file holds what is live already."""
    graph = found.manifest.graph
    if graph is None:
        return found.choice.engine == "exact"
    digests = {path.name: segment.file_sha256(path) for path in found.files}
    same = {name: facts["sha256"] for name, facts in graph.files.items()} == digests
    return same and (graph.engine, graph.parameters) == (found.choice.engine, found.choice.parameters)


def begin(lake: "Lake", found: Import, actor: str) -> Build:
    """Let the worker bring an imported index through the gate. `found` must last until the build ends."""
    builds, corpora = lake.corpora.builds, lake.corpora

    def make(build: Build) -> Trial:
        manifest, choice = build.manifest, build.choice
        told: dict[str, object] = {"why": "imported", "note": choice.reason}
        if choice.engine == "exact":
            return Trial(None, 1.0, None, told=told)
        target = corpora.folder(build.corpus) / manifest.generation
        target.mkdir(parents=True)
        for path in found.files:
            shutil.copyfile(path, target / path.name)
        files = segment.settled(target)
        graph = Graph(choice.engine, choice.parameters, manifest.parts[0].folder, manifest.generation, files)
        trial = builds.work(build).try_out(manifest, graph, (choice.parameters.get("ef", 0),))
        return replace(trial, told=told)

    return builds.begin(found.manifest, found.choice, actor, make)
