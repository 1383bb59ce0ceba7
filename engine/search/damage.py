"""What becomes of a corpus of which a file is missing, cut or damaged.

Where it is the index, the generation is searched without it, and a new one is built. Where it is a segment, the newest
generation before that can be opened becomes live again, as after a rollback. Either way lake.errors names the file.
Where none can be opened, the corpus answers with an error, a search of all corpora leaves it out and says so, and a
refresh makes it anew.
"""

import queue
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from engine import duck
from engine.access.profiles import Profile
from engine.errors import Conflict, Internal, LakehouseError
from engine.search import generation, history
from engine.search.digests import File
from engine.search.generation import Generation, Manifest
from engine.search.vectors.choosing import Wish

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.search.corpora import Corpora

CLOSE_SECONDS = 10.0


class Damage:
    """The damaged files of a lake: what was found, and the search for more behind what is read."""

    def __init__(self, lake: "Lake", corpora: "Corpora") -> None:
        """Its thread begins with the first large file."""
        self._lake, self._corpora = lake, corpora
        self.closed: dict[str, Internal] = {}  # corpora of which no generation can be opened, and why
        self._unread: queue.SimpleQueue[tuple[str, File] | None] = queue.SimpleQueue()
        self._waiting: set[File] = set()  # what is in the queue, so that nothing is in it twice
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    # -- opening -------------------------------------------------------------------------------------------------------

    def usable(self, manifest: Manifest) -> Generation | None:
        """The live generation open, or what takes its place; None when it is not the live one any more.

        Raises Internal, naming the file, when no generation of the corpus can be opened.
        """
        opened: Generation | None
        try:
            opened = self._corpora.opened(manifest)
        except Internal as fault:
            if not self.is_live(manifest):  # its files went with it
                return None
            opened = self._without_index(manifest, fault) or self._step_back(manifest, fault)
        else:
            self._restore(manifest)
        if opened is not None:
            self.closed.pop(manifest.corpus, None)
        return opened

    def is_live(self, manifest: Manifest) -> bool:
        """Whether the pointer names this generation now."""
        with self._lake.control() as cursor:
            return history.live(cursor, manifest.corpus) == manifest.generation

    def _restore(self, manifest: Manifest) -> None:
        """Write the manifest of a generation again where it is not as the control plane has it."""
        path = self._corpora.folder(manifest.corpus) / manifest.generation / generation.MANIFEST
        with suppress(OSError):
            if path.read_bytes() == manifest.text().encode("utf-8"):
                return
        if not self.is_live(manifest):
            return
        name, hint = f"{manifest.generation}/{generation.MANIFEST}", "it was written again"
        try:
            path.parent.mkdir(exist_ok=True)
            generation.write(path.parent, manifest)
        except OSError as error:  # nothing is read from it: a full disk does not keep anybody from searching
            hint = f"it cannot be written again ({error.strerror}); the next open tries"
        self.tell(manifest.corpus, Internal(f"the file {name} was missing or damaged", hint))

    def _without_index(self, manifest: Manifest, fault: Internal) -> Generation | None:
        graph = manifest.graph
        if graph is None:
            return None
        try:
            opened = self._corpora.opened(replace(manifest, engine="exact", graph=None))
        except Internal:
            return None  # it is a segment that is damaged
        opened.lost = graph
        fault = Internal(fault.message, "everything is compared exactly until another index is built")
        self.tell(manifest.corpus, fault)
        with self._lake.control() as cursor:
            history.excuse(cursor, manifest.corpus, manifest.generation, fault.message)
        return opened

    def _step_back(self, manifest: Manifest, fault: Internal) -> Generation | None:
        corpus, damaged = manifest.corpus, manifest.generation
        with self._lake.control() as cursor:
            if history.live(cursor, corpus) != damaged:
                return None
            before = history.stack(cursor, corpus)
        for entry in before:
            try:
                opened = self._corpora.opened(generation.parse(entry.manifest))
            except Internal:
                continue
            with self._lake.control() as cursor:
                if history.live(cursor, corpus) != damaged:
                    return None
                history.step_back(cursor, corpus, entry.generation, fault.message)
                body = {"generation": opened.name, "previous": damaged, "why": "damaged", "note": fault.message}
                self._lake.journal.record_within(cursor, "swap", corpus, body, None)
            self.tell(corpus, Internal(fault.message, f"generation {opened.name} is live again; refresh_corpus()"))
            return opened
        what, hint = f"corpus {corpus!r} cannot be opened: {fault.message}", f"refresh_corpus({corpus!r}) makes it anew"
        if corpus not in self.closed:  # who searches all corpora does not raise it
            self.tell(corpus, Internal(fault.message, f"no generation of it can be opened; {hint}"))
        self.closed[corpus] = fault
        raise Internal(what, hint)

    def tell(self, corpus: str, fault: Internal) -> None:
        """Let lake.errors know of a damaged file."""
        error = Internal(f"corpus {corpus!r}: {fault.message}", fault.hint)
        self._lake.record_error(error, None, "", None)

    def replace_index(self, opened: Generation) -> None:
        """Begin to build the index of a generation that has lost it."""
        graph = opened.lost
        if graph is not None:
            wish = Wish(graph.engine, graph.parameters.get("m"), graph.parameters.get("ef_construction"))
            with suppress(LakehouseError, duck.Error):  # one is being built, or the engine does not work here
                self._corpora.builds.start(opened.corpus, wish, None)

    def left_out(self, reach: Profile) -> dict[str, str]:
        """The corpora that a profile sees and that cannot be searched, each with the reason."""
        return {corpus: fault.message for corpus, fault in list(self.closed.items()) if reach.sees_corpus(corpus)}

    # -- reading behind what is searched -------------------------------------------------------------------------------

    def inspect(self, opened: Generation) -> None:
        """Compare the files of a generation that were not when it was opened."""
        with self._lock:
            for file in set(opened.unread) - self._waiting:
                self._waiting.add(file)
                self._unread.put((opened.corpus, file))
            opened.unread = []
            if self._reader is None and not self._closing.is_set():
                reader = threading.Thread(target=self._read, name="inspection", daemon=True)
                with suppress(RuntimeError):  # no memory for another thread: the next open tries again
                    reader.start()
                    self._reader = reader

    def _read(self) -> None:
        while (item := self._unread.get()) is not None:
            corpus, file = item
            with suppress(LakehouseError, duck.Error, OSError):  # what is live now is looked at again when it is opened
                try:
                    self._corpora.digests.compare(file, self._refuse_closing)
                except Internal as fault:
                    self._found(corpus, fault)
            with self._lock:
                self._waiting.discard(file)

    def _found(self, corpus: str, fault: Internal) -> None:
        """Let something right take the place of a generation that is read already."""
        before = self._corpora.live(corpus).name
        if self._corpora.reopen(corpus).name == before:  # the file belongs to another generation
            self.tell(corpus, fault)

    def _refuse_closing(self) -> None:
        if self._closing.is_set():
            raise Conflict("the lake is closed", "open it again")

    def verify(self) -> list[tuple[str, Internal | None]]:
        """Compare every file of every live generation; for each corpus what is wrong, or None."""
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select manifest from control.live join control.generation using (corpus, generation) order by corpus"
            ).fetchall()
        return [self._verified(generation.parse(text)) for (text,) in rows]

    def _verified(self, manifest: Manifest) -> tuple[str, Internal | None]:
        try:
            self._corpora.opened(manifest, deep=True)
        except Internal as fault:
            return manifest.corpus, fault
        return manifest.corpus, None

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._unread.put(None)
        if self._reader is not None:
            self._reader.join(CLOSE_SECONDS)
