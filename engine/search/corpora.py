"""The corpora of a lake: their definitions, their live generations, and how one replaces the other."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from weakref import WeakValueDictionary

from engine import duck
from engine.access.profiles import Profile
from engine.errors import Busy, Conflict, Forbidden, Internal, Invalid, NotFound, nearest
from engine.search import generation, history, leftovers
from engine.search.builds import Builds
from engine.search.damage import Damage
from engine.search.definitions import COLUMNS, Definition, Definitions, check_name
from engine.search.digests import Digests
from engine.search.generation import Generation, Manifest, Shared
from engine.search.upkeep import Upkeep
from engine.storage.buckets import blobs

if TYPE_CHECKING:
    from engine.lake import Lake

BRIEF_SECONDS = 1.0  # longer than a swap takes, shorter than a refresh
WAIT_SECONDS = 0.05  # between two looks at whether a wait for a corpus has become pointless


@dataclass(frozen=True)
class Swap:
    """What became live, instead of what."""

    status: str  # promoted, rolled_back, unchanged
    generation: str | None
    previous: str | None


class Corpora(Definitions):
    """All corpora. Generations are opened when first searched and shared by all readers."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake, before its SQL is installed."""
        super().__init__(lake)
        self._open: dict[str, Generation] = {}
        self.digests = Digests()
        self._shared = Shared(WeakValueDictionary(), WeakValueDictionary(), self.digests)
        self._opening = threading.Lock()
        self._free = threading.Condition(self._lock)
        self._building: set[str] = set()
        self._last_names: dict[str, int] = {}  # numbers that were given to generations which have no row yet
        self.builds = Builds(lake, self)
        self.damage = Damage(lake, self)
        self.upkeep = Upkeep(lake, self)

    def folder(self, corpus: str) -> Path:
        """The folder of all generations of a corpus."""
        return blobs(self._lake.home) / "_corpora" / quote(corpus, safe="").replace(".", "%2E")

    # -- live generations ----------------------------------------------------------------------------------------------

    def live(self, corpus: str) -> Generation:
        """The live generation of a corpus. Raises NotFound when there is none, Internal when none can be opened."""
        with self._lock:
            found = self._open.get(corpus)
        if found is not None:
            return found
        with self._opening:  # one reader opens it, the others wait
            opened = self._opened_live(corpus)
        self.damage.replace_index(opened)
        return opened

    def _opened_live(self, corpus: str) -> Generation:
        while True:
            with self._lock:
                found = self._open.get(corpus)
            if found is not None:
                return found
            with self._lake.control() as cursor:
                name = history.live(cursor, corpus)
                entry = history.entry(cursor, corpus, name) if name else None
            if entry is None:
                self.definition(corpus)
                raise NotFound(f"corpus {corpus!r} has no live index", f"run refresh_corpus({corpus!r})")
            opened = self.damage.usable(generation.parse(entry.manifest))
            if opened is None:  # another one became live meanwhile
                continue
            with self._lock:
                found = self._open.setdefault(corpus, opened)
            if found is not opened or self.damage.is_live(opened.manifest):
                return found
            with self._lock:  # it was dropped, or replaced by one that was not put here yet
                if self._open.get(corpus) is opened:
                    del self._open[corpus]

    def reopen(self, corpus: str) -> Generation:
        """Open the live generation again: one of its files turned out to be damaged."""
        with self._lock:
            self._open.pop(corpus, None)
        return self.live(corpus)

    def base(self, corpus: str) -> Generation | None:
        """The live generation, for a refresh; None when no generation can be opened: it must begin anew."""
        try:
            return self.live(corpus)
        except Internal:
            if corpus in self.damage.closed:
                return None
            raise

    def usable(self, names: Sequence[str] | None = None) -> list[Generation]:
        """The live generations of some corpora, or of all, but those that are dropped or cannot be opened."""
        found = []
        for name in self.names() if names is None else names:
            with suppress(NotFound):
                found.append(self.base(name))
        return [one for one in found if one is not None]

    def opened(self, manifest: Manifest, *, deep: bool = False) -> Generation:
        """A generation, live or not, open. What is open already is shared; `deep` compares every file of it.

        Raises Internal, naming the file, when one is missing or damaged.
        """
        opened = Generation(self.folder(manifest.corpus), manifest, self._shared, deep=deep)
        if opened.lacking:
            self.builds.record_lacking(manifest, opened.lacking)
        if opened.unread:
            self.damage.inspect(opened)
        return opened

    def generation(self, corpus: str, name: str) -> Generation:
        """A named generation of a corpus. Raises NotFound, or Conflict while it is being built."""
        current = self.live(corpus)
        if current.name == name:
            return current
        with self._lake.control() as cursor:
            entry = history.entry(cursor, corpus, name)
        _refuse_unfinished(corpus, entry)
        return self.opened(generation.parse(entry.manifest))

    def build_seconds(self, opened: Generation) -> float | None:
        """How long the index of a generation took; None when it has none of its own."""
        graph = opened.manifest.graph
        with self._lake.control() as cursor:
            row = cursor.execute(
                "select build_seconds from control.generation where corpus = ? and generation = ?",
                [opened.corpus, graph.folder.partition("/")[0] if graph else opened.name],
            ).fetchone()
        return float(row[0]) if row and row[0] is not None else None

    def chosen(self, names: list[str] | None, reach: Profile, named: str | None = None) -> list[Generation]:
        """The live generations of the named corpora, or of all that a profile sees; or a `named` one of one corpus.

        Raises NotFound for one that is not there or hidden, Invalid for an empty list.
        """
        if names is not None and not names:
            raise Invalid("the list of corpora is empty", "leave it out to search all of them")
        if named is not None and (names is None or len(set(names)) != 1):
            raise Invalid("a generation is one of one corpus", "name it, for example corpora := ['resumes']")
        seen = [name for name in self.names() if reach.sees_corpus(name)]
        if names is None:
            return self.usable(seen) or [self.live(name) for name in seen]
        for name in names:
            if name not in seen:
                raise NotFound(f"corpus {name!r} does not exist", nearest(name, seen))
        if named is not None:
            return [self.generation(names[0], named)]
        return [self.live(name) for name in dict.fromkeys(names)]

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
    def building(self, corpus: str, pointless: Callable[[], bool] | None = None) -> Iterator[None]:
        """Only one change of a corpus at a time; waits until that is `pointless` (a second), then raises Busy."""
        until = time.monotonic() + BRIEF_SECONDS
        with self._lock:
            while corpus in self._building:
                if pointless() if pointless else time.monotonic() > until:
                    raise Busy(f"corpus {corpus!r} is being built", "wait for it; lake.statements shows how far it is")
                self._free.wait(WAIT_SECONDS)
            self._building.add(corpus)
        try:
            yield
        finally:
            with self._lock:
                self._building.discard(corpus)
                self._free.notify_all()

    def next_name(self, corpus: str) -> str:
        """The name of the next generation: g000001, g000002 … Every name is given once."""
        with self._lake.control() as cursor:
            row = cursor.execute("select max(generation) from control.generation where corpus = ?", [corpus]).fetchone()
        with self._lock:
            last = max(int(str(row[0])[1:]) if row and row[0] else 0, self._last_names.get(corpus, 0))
            self._last_names[corpus] = last + 1
        return f"g{last + 1:06d}"

    def swap(self, definition: Definition, manifest: Manifest, facts: dict[str, int], why: str, actor: str) -> None:
        """Make a written generation live: one transaction with its row, the definition and the pointer."""
        corpus, name = definition.corpus, manifest.generation
        opened = self.opened(manifest)  # first, so that nothing becomes live that cannot be opened
        chunks = sum(part.chunks for part in manifest.parts)
        with self._lake.control() as cursor:
            cursor.execute(
                f"insert or replace into control.corpus ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                definition.row(),
            )
            cursor.execute(
                "insert into control.generation (generation, corpus, documents, chunks, duplicates, failed, manifest) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                [name, corpus, manifest.documents, chunks, facts["duplicates"], facts["failed"], manifest.text()],
            )
            self._advance(cursor, corpus, name, {"why": why, **facts}, actor)
        self._follow(opened)
        self.builds.consider(manifest)

    def advance(
        self,
        opened: Generation,
        body: dict[str, object],
        actor: str | None,
        settle: Callable[[duck.Cursor], None] = lambda cursor: None,
    ) -> str | None:
        """Make an open generation, whose row is there, live; returns the one before. Within `building`.

        `settle`: what is to be true from the same moment on.
        """
        with self._lake.control() as cursor:
            settle(cursor)
            previous = self._advance(cursor, opened.corpus, opened.name, body, actor)
            cursor.execute(
                "update control.generation set status = 'served', reason = ? where corpus = ? and generation = ?",
                [body.get("note"), opened.corpus, opened.name],
            )
        self._follow(opened)
        return previous

    def _advance(
        self, cursor: duck.Cursor, corpus: str, name: str, body: dict[str, object], actor: str | None
    ) -> str | None:
        limit = self._lake.config.search.history
        previous = history.advance(cursor, corpus, name, str(body["why"]), limit)
        entry = {"generation": name, "previous": previous, **body}
        self._lake.journal.record_within(cursor, "swap", corpus, entry, actor)
        return previous

    def _follow(self, opened: Generation) -> None:
        """Let new readers have what the pointer names now, and forget what nobody may want any more."""
        with self._lock:
            self._known = None
            self._open[opened.corpus] = opened
        self.damage.closed.pop(opened.corpus, None)
        self.upkeep.notice("swap", opened.corpus)
        self.retire(opened.corpus)

    def promote(self, corpus: str, name: str | None, note: str | None, actor: str) -> Swap:
        """Make a generation live that is not. Raises NotFound, or Conflict while it is being built."""
        with self.building(corpus):
            with self._lake.control() as cursor:
                current = history.live(cursor, corpus)
                entry = history.entry(cursor, corpus, name)
            if entry.generation == current:
                return Swap("unchanged", current, current)
            _refuse_unfinished(corpus, entry)
            opened = self.opened(generation.parse(entry.manifest), deep=True)
            previous = self.advance(opened, {"why": "promoted", "note": note}, actor)
        return Swap("promoted", opened.name, previous)

    def rollback(self, corpus: str, actor: str) -> Swap:
        """Make the generation live that was before this one; `unchanged` when there was none."""
        with self.building(corpus):
            opened = self._before(corpus)
            if opened is None:
                name = self.live(corpus).name
                return Swap("unchanged", name, name)
            with self._lake.control() as cursor:
                name, before = history.go_back(cursor, corpus)  # type: ignore[assignment]
                cursor.execute(
                    "update control.generation set status = 'built', reason = 'rolled back' "
                    "where corpus = ? and generation = ?",
                    [corpus, before],
                )
                body = {"generation": name, "previous": before, "why": "rolled back"}
                self._lake.journal.record_within(cursor, "swap", corpus, body, actor)
            self._follow(opened)
        return Swap("rolled_back", name, before)

    def _before(self, corpus: str) -> Generation | None:
        """The generation on top of the stack, open; damaged ones are set aside."""
        while True:
            with self._lake.control() as cursor:
                wanted = history.top(cursor, corpus)
                entry = history.entry(cursor, corpus, wanted) if wanted else None
            if entry is None:
                return None
            try:
                return self.opened(generation.parse(entry.manifest), deep=True)
            except Internal as fault:
                with self._lake.control() as cursor:
                    history.set_aside(cursor, corpus, entry.generation, fault.message)
                self.damage.tell(corpus, fault)

    def drop(self, corpus: str, actor: str) -> int:
        """Remove a corpus: first its rows, then its files. Its outcomes stay. Returns how many documents it had."""
        self.definition(corpus)
        with self.building(corpus):
            self.builds.cancel(corpus)
            with self._lake.control() as cursor:
                row = cursor.execute(
                    "select documents from control.generation join control.live using (corpus, generation) "
                    "where corpus = ?",
                    [corpus],
                ).fetchone()
                for table in ("live", "history", "generation", "upkeep", "corpus"):
                    cursor.execute(f"delete from control.{table} where corpus = ?", [corpus])
                self._lake.journal.record_within(cursor, "swap", corpus, {"generation": None, "why": "dropped"}, actor)
            with self._lock:
                self._open.pop(corpus, None)
                self._last_names.pop(corpus, None)
                self._known = None
            self.damage.closed.pop(corpus, None)
            self.upkeep.notice("swap", corpus)
            shutil.rmtree(self.folder(corpus), ignore_errors=True)
        return int(row[0]) if row else 0

    def retire(self, corpus: str) -> None:
        """Forget generations that nobody may want any more, and remove the folders that no kept one needs.

        A reader may still hold one: its files are open or mapped, so they are there for it until it ends.
        """
        with self._lake.control() as cursor:
            kept = history.forget_old(cursor, corpus)
        leftovers.sweep(self.folder(corpus), generation.folders([generation.parse(one.manifest) for one in kept]))

    def recover(self) -> None:
        """After a crash: remove every folder that no row names, and begin unfinished builds anew."""
        started = time.monotonic()
        unfinished = self.builds.forget_unfinished()
        with self._lake.control() as cursor:
            rows = cursor.execute("select corpus, manifest from control.generation").fetchall()
        kept: dict[str, list[Manifest]] = {}
        for corpus, text in rows:
            kept.setdefault(self.folder(corpus).name, []).append(generation.parse(text))
        removed = leftovers.remove(blobs(self._lake.home) / "_corpora", kept)
        if removed:
            body = {"removed": removed, "seconds": round(time.monotonic() - started, 3)}
            self._lake.journal.record("recovery", "corpora", body, durable=True)
        self.builds.resume(unfinished)
        self.upkeep.start()

    def close(self) -> None:
        """Stop what is being built and forget the open generations; their files are unmapped with the last reader."""
        self.damage.close()
        self.builds.close()
        with self._lock:
            self._open.clear()


def _refuse_unfinished(corpus: str, entry: history.Entry) -> None:
    if entry.status == "building":
        hint = "wait for it; lake.generations shows how far it is"
        raise Conflict(f"generation {entry.generation} of corpus {corpus!r} is being built", hint)
