"""The corpora of a lake: their definitions, their live generations, and how one replaces the other."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine.access.profiles import Profile
from engine.errors import Busy, Conflict, Forbidden, Invalid, NotFound, nearest
from engine.search import generation
from engine.search.generation import Generation, Manifest
from engine.storage.buckets import blobs

if TYPE_CHECKING:
    from engine.lake import Lake

KEEP_GENERATIONS = 3  # the live one and those that readers may still hold or that a rollback may want
LONGEST_NAME = 200
COLUMNS = "corpus, description, source, id_column, text_column, metadata, embedder, chunk_size, refresh, owner"


@dataclass(frozen=True)
class Definition:
    """A corpus as it was asked for."""

    corpus: str
    description: str | None
    source: str
    id_column: str
    text_column: str
    metadata: list[str] | None
    embedder: str
    chunk_size: int
    refresh: str
    owner: str | None = None  # the profile with whose rights the source is read; None: an admin

    def row(self) -> list[Any]:
        """The values in the order of COLUMNS."""
        return list(vars(self).values())


class Corpora:
    """All corpora. Generations are opened when first searched and shared by all readers."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake, before its SQL is installed."""
        self._lake = lake
        self._open: dict[str, Generation] = {}
        self._known: dict[str, Definition] | None = None  # by name; this process is the only one that changes them
        self._lock = threading.Lock()
        self._building: set[str] = set()

    # -- definitions ---------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The names of all corpora, sorted. Each has a live generation: both come into being in one transaction."""
        return sorted(self._definitions())

    def definition(self, corpus: str) -> Definition:
        """The definition of a corpus; raises NotFound naming the nearest."""
        known = self._definitions()
        if corpus not in known:
            raise NotFound(f"corpus {corpus!r} does not exist", nearest(corpus, known))
        return known[corpus]

    def exists(self, corpus: str) -> bool:
        """Whether there is a corpus of that name."""
        return corpus in self._definitions()

    def _definitions(self) -> dict[str, Definition]:
        with self._lock:
            known = self._known
        if known is None:
            with self._lake.control() as cursor:
                rows = cursor.execute(f"select {COLUMNS} from control.corpus").fetchall()
            known = {row[0]: Definition(*row) for row in rows}
            with self._lock:
                self._known = known
        return known

    def refuse_other(self, wanted: Definition) -> None:
        """Raise Conflict when the corpus exists with another definition."""
        found = self.definition(wanted.corpus)
        told = {name: value for name, value in vars(wanted).items() if name != "owner"}
        differing = [name for name, value in told.items() if value != getattr(found, name)]
        if differing:
            raise Conflict(
                f"corpus {wanted.corpus!r} exists with another {' and '.join(differing)}",
                f"drop_corpus({wanted.corpus!r}) first, or choose another name",
            )

    def folder(self, corpus: str) -> Path:
        """The folder of all generations of a corpus."""
        return blobs(self._lake.home) / "_corpora" / quote(corpus, safe="").replace(".", "%2E")

    # -- live generations ----------------------------------------------------------------------------------------------

    def live(self, corpus: str) -> Generation:
        """The live generation of a corpus. Raises NotFound when there is none."""
        with self._lock:
            found = self._open.get(corpus)
        if found is not None:
            return found
        with self._lake.control() as cursor:
            row = cursor.execute(
                "select manifest from control.live join control.generation using (corpus, generation) where corpus = ?",
                [corpus],
            ).fetchone()
        if row is None:
            self.definition(corpus)
            raise NotFound(f"corpus {corpus!r} has no live index", f"run refresh_corpus({corpus!r})")
        opened = Generation(self.folder(corpus), generation.parse(row[0]), {})
        with self._lock:
            return self._open.setdefault(corpus, opened)

    def chosen(self, names: list[str] | None, reach: Profile) -> list[Generation]:
        """The live generations of the named corpora, or of all that a profile sees.

        Raises NotFound for one that is not there or hidden, Invalid for an empty list.
        """
        if names is not None and not names:
            raise Invalid("the list of corpora is empty", "leave it out to search all of them")
        seen = [name for name in self.names() if reach.sees_corpus(name)]
        for name in names or ():
            if name not in seen:
                raise NotFound(f"corpus {name!r} does not exist", nearest(name, seen))
        return [self.live(name) for name in dict.fromkeys(names if names is not None else seen)]

    def changed_by(self, corpus: str | None, reach: Profile) -> str:
        """The name of a corpus that a profile may refresh or drop. Raises NotFound or Forbidden."""
        name = check_name(corpus)
        if not reach.sees_corpus(name) or not self.exists(name):
            seen = [one for one in self.names() if reach.sees_corpus(one)]
            raise NotFound(f"corpus {name!r} does not exist", nearest(name, seen))
        if not reach.changes_corpus(name):
            raise Forbidden(f"corpus {name!r} is shown to your profile in part", "ask for a grant on all of it")
        return name

    @contextmanager
    def building(self, corpus: str) -> Iterator[None]:
        """Only one build of a corpus at a time; raises Busy."""
        with self._lock:
            if corpus in self._building:
                raise Busy(f"corpus {corpus!r} is being built", "wait for it; lake.statements shows how far it is")
            self._building.add(corpus)
        try:
            yield
        finally:
            with self._lock:
                self._building.discard(corpus)

    def next_name(self, corpus: str) -> str:
        """The name of the next generation: g000001, g000002 …"""
        with self._lake.control() as cursor:
            row = cursor.execute("select max(generation) from control.generation where corpus = ?", [corpus]).fetchone()
        last = str(row[0]) if row and row[0] else "g000000"
        return f"g{int(last[1:]) + 1:06d}"

    def swap(self, definition: Definition, manifest: Manifest, facts: dict[str, int], why: str, actor: str) -> None:
        """Make a written generation live: one transaction with its row, the definition and the pointer."""
        corpus, name = definition.corpus, manifest.generation
        chunks = sum(part.chunks for part in manifest.parts)
        with self._lake.control() as cursor:
            previous = cursor.execute("select generation from control.live where corpus = ?", [corpus]).fetchone()
            cursor.execute(
                f"insert or replace into control.corpus ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                definition.row(),
            )
            cursor.execute(
                "insert into control.generation (generation, corpus, documents, chunks, duplicates, failed, manifest) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                [name, corpus, manifest.documents, chunks, facts["duplicates"], facts["failed"], manifest.text()],
            )
            cursor.execute("insert or replace into control.live (corpus, generation) values (?, ?)", [corpus, name])
            body = {"generation": name, "previous": previous[0] if previous else None, "why": why, **facts}
            self._lake.journal.record_within(cursor, "swap", corpus, body, actor)
        with self._lock:
            self._known = None
            current = self._open.get(corpus)
            shared = (
                {part.folder: segment for part, segment in zip(current.manifest.parts, current.segments, strict=True)}
                if current
                else {}
            )
            self._open[corpus] = Generation(self.folder(corpus), manifest, shared)
        self._retire(corpus)

    def drop(self, corpus: str, actor: str) -> None:
        """Remove a corpus: first its rows, then its files. Its outcomes stay."""
        self.definition(corpus)
        with self._lake.control() as cursor:
            for table in ("live", "generation", "corpus"):
                cursor.execute(f"delete from control.{table} where corpus = ?", [corpus])
            self._lake.journal.record_within(cursor, "swap", corpus, {"generation": None, "why": "dropped"}, actor)
        with self._lock:
            self._open.pop(corpus, None)
            self._known = None
        shutil.rmtree(self.folder(corpus), ignore_errors=True)

    def _retire(self, corpus: str) -> None:
        """Forget generations beyond the kept ones, and remove the folders that no kept one needs."""
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select generation, manifest from control.generation where corpus = ? order by generation desc",
                [corpus],
            ).fetchall()
            for name, _ in rows[KEEP_GENERATIONS:]:
                cursor.execute("delete from control.generation where corpus = ? and generation = ?", [corpus, name])
        kept = generation.folders([generation.parse(text) for _, text in rows[:KEEP_GENERATIONS]])
        self._sweep(self.folder(corpus), kept)

    def _sweep(self, folder: Path, kept: set[str]) -> None:
        for child in folder.iterdir() if folder.is_dir() else ():
            if child.name not in kept:
                shutil.rmtree(child, ignore_errors=True)

    def recover(self) -> None:
        """After a crash: remove every folder that no row names."""
        started = time.monotonic()
        with self._lake.control() as cursor:
            rows = cursor.execute("select corpus, manifest from control.generation").fetchall()
        kept: dict[str, list[Manifest]] = {}
        for corpus, text in rows:
            kept.setdefault(self.folder(corpus).name, []).append(generation.parse(text))
        root = blobs(self._lake.home) / "_corpora"
        removed = 0
        for folder in root.iterdir() if root.is_dir() else ():
            wanted = generation.folders(kept.get(folder.name, []))
            removed += sum(1 for child in folder.iterdir() if child.name not in wanted)
            self._sweep(folder, wanted)
        if removed:
            body = {"removed": removed, "seconds": round(time.monotonic() - started, 3)}
            self._lake.journal.record("recovery", "corpora", body, durable=True)

    def close(self) -> None:
        """Forget the open generations; their files are unmapped with the last reader."""
        with self._lock:
            self._open.clear()


def check_name(corpus: str | None) -> str:
    """A usable corpus name; raises Invalid."""
    if not corpus or not corpus.strip():
        raise Invalid("the corpus needs a name", "for example 'resumes'")
    if len(corpus) > LONGEST_NAME or any(ord(character) < 32 for character in corpus):
        raise Invalid("the corpus name is too long or holds control characters", f"at most {LONGEST_NAME} characters")
    return corpus
