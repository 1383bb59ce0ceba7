"""Indexes that are built behind what is live: one worker thread, one build at a time, a gate, then one row swaps.

A build belongs to the base segment of the generation that was live when it began. Refreshes go on meanwhile; the swap
takes over what they added. When one of them wrote another base, the build has become pointless and ends.
"""

import json
import queue
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from engine import duck, faults
from engine.errors import Busy, Conflict, LakehouseError, TimedOut
from engine.search import build as build_segments
from engine.search import folding, generation, history, indexwork
from engine.search.generation import Graph, Manifest
from engine.search.indexwork import IndexWork, Trial
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Choice, Wish

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.search.corpora import Corpora

CLOSE_SECONDS = 60.0  # how long the end of a cancelled build may take: one batch of rows
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Built:
    """What became of a build."""

    status: str  # live, built, unchanged, building
    generation: str
    engine: str
    recall: float | None = None
    reason: str | None = None
    seconds: float = 0.0


@dataclass(eq=False)
class Build:
    """One build, from its request to its end."""

    manifest: Manifest  # of the generation that is made, as it stood at the request
    choice: Choice
    actor: str | None
    make: "Make"
    share: float = 0.0
    waited: bool = False  # whether somebody waits for its end
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    built: Built | None = None
    failure: LakehouseError | None = None

    @property
    def corpus(self) -> str:
        """The corpus it belongs to."""
        return self.manifest.corpus

    def begun(self) -> Built:
        """The answer to who does not wait."""
        return Built("building", self.manifest.generation, self.choice.engine, None, self.choice.reason)

    def check(self) -> None:
        """Raise TimedOut when it was cancelled."""
        if self.cancelled.is_set():
            raise TimedOut("the build was cancelled", f"repeat it: build_index({self.corpus!r})")


Make = Callable[[Build], Trial | None]  # makes the index and tries it; None: what is live stays


class Builds:
    """The builds of a lake."""

    def __init__(self, lake: "Lake", corpora: "Corpora") -> None:
        """The worker begins with the first build."""
        self._lake, self._corpora = lake, corpora
        self._lock = threading.Lock()
        self._running: dict[str, Build] = {}  # by corpus, those that wait too
        self._queue: queue.SimpleQueue[Build | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None
        self._closed = False
        self._told: set[str] = set()

    # -- asking --------------------------------------------------------------------------------------------------------

    def start(self, corpus: str, wish: Wish, actor: str | None) -> Build | Built:
        """Begin to build an index over the live generation; Built when there is nothing to do.

        Raises Busy while another one of the corpus is being built.
        """
        wish.check()
        return self._start(self._corpora.live(corpus).manifest, wish, actor)

    def _start(self, manifest: Manifest, wish: Wish, actor: str | None) -> Build | Built:
        search = self._lake.config.search
        choice = choosing.choose(wish, manifest.parts[0].chunks, search.engine, search.compact_rows)
        with self._lock:
            self._refuse_second(manifest.corpus)
            if self._closed or self._is_there(manifest, choice):
                return Built("unchanged", manifest.generation, manifest.engine)
        build = self.begin(manifest, choice, actor, self._make, wish)
        if choice.reason:
            self.record_lacking(manifest, choice.reason)
        return build

    def begin(
        self, manifest: Manifest, choice: Choice, actor: str | None, make: Make, wish: Wish | None = None
    ) -> Build:
        """Let the worker `make` what may take the place of a live generation. Raises Busy as `start` does.

        `wish`: what to begin anew with when the process ends meanwhile; None: it is forgotten then.
        """
        with self._lock:
            self._refuse_second(manifest.corpus)
            if self._closed:
                raise Conflict("the lake is closed", "open it again")
            made = replace(manifest, generation=self._corpora.next_name(manifest.corpus))
            build = self._running[manifest.corpus] = Build(made, choice, actor, make)
        try:
            self._wake()
            self._insert(build, wish)
        except BaseException:
            self._forget(build)
            raise
        self._queue.put(build)
        return build

    def _refuse_second(self, corpus: str) -> None:
        if corpus in self._running:
            name = self._running[corpus].manifest.generation
            raise Busy(f"an index of corpus {corpus!r} is being built ({name})", "wait for it, or cancel_build()")

    def _is_there(self, manifest: Manifest, choice: Choice) -> bool:
        graph = manifest.graph
        if graph is None or graph.engine != choice.engine:
            return manifest.engine == choice.engine
        return all(graph.parameters.get(name) == value for name, value in choice.parameters.items() if name != "ef")

    def _insert(self, build: Build, wish: Wish | None) -> None:
        manifest = build.manifest
        with self._lake.control() as cursor:
            stale = "delete from control.generation where corpus = ? and status = 'building'"  # of a disk that was full
            cursor.execute(stale, [manifest.corpus])
            cursor.execute(
                "insert into control.generation "
                "(generation, corpus, documents, chunks, duplicates, failed, manifest, status, progress, wish, reason) "
                "select ?, corpus, documents, chunks, duplicates, failed, ?, 'building', 0, ?, ? "
                "from control.generation where corpus = ? and generation = "
                "(select generation from control.live where corpus = ?)",
                [
                    manifest.generation,
                    manifest.text(),
                    json.dumps({**asdict(wish), "actor": build.actor}) if wish else None,
                    build.choice.reason,
                    manifest.corpus,
                    manifest.corpus,
                ],
            )

    def _wake(self) -> None:
        with self._lock:
            if self._worker is None and not self._closed:
                worker = threading.Thread(target=self._work, name="builds", daemon=True)
                worker.start()  # raises where there is no memory for another one
                self._worker = worker

    def wait(self, build: Build, check: Callable[[], None], progress: Callable[[int, int, str], None]) -> Built:
        """Wait for the end of a build; an exception of `check` cancels it. Raises what the build failed with."""
        build.waited = True
        try:
            while not build.done.wait(POLL_SECONDS):
                check()
                progress(int(100 * build.share), 100, f"percent of generation {build.manifest.generation}")
        except BaseException:
            build.cancelled.set()
            raise
        if build.failure is not None:
            raise build.failure
        return build.built or Built("cancelled", build.manifest.generation, build.choice.engine)

    def running(self) -> list[Build]:
        """The builds that run or wait, the first one first."""
        with self._lock:
            return list(self._running.values())

    def cancel(self, corpus: str) -> Build | None:
        """Cancel the build of a corpus and wait for its end; None when there is none."""
        with self._lock:
            build = self._running.get(corpus)
        if build is not None:
            build.cancelled.set()
            build.done.wait(CLOSE_SECONDS)
        return build

    def consider(self, manifest: Manifest) -> None:
        """Begin what a generation needs that has just become live: an index, or a fold of what is new and dead."""
        base = manifest.parts[0]
        with self._lock:
            running = self._running.get(manifest.corpus)
        if running is not None and running.manifest.parts[0].folder != base.folder:
            self.cancel(manifest.corpus)  # it indexes what is gone
        elif running is not None:
            return
        with suppress(LakehouseError, duck.Error):  # the corpus is live; the next refresh or open tries again
            if manifest.graph is not None and not choosing.failure(manifest.graph.engine):
                self._consider_fold(manifest, manifest.graph)
            elif self._needs_index(manifest):
                self._start(manifest, Wish(), None)

    def _needs_index(self, manifest: Manifest) -> bool:
        search = self._lake.config.search
        small = manifest.parts[0].chunks < search.exact_rows or search.engine == "exact"
        return not small and not self._refused(manifest)

    def _consider_fold(self, manifest: Manifest, graph: Graph) -> None:
        if not self._lake.config.search.fold or not folding.is_due(manifest):
            return
        if not folding.was_refused(manifest, self._aside(manifest.corpus)):
            choice = Choice(graph.engine, graph.parameters)
            self.begin(manifest, choice, None, lambda build: folding.fold(build, self.work(build), self._corpora))

    def _refused(self, manifest: Manifest) -> bool:
        """Whether an index of the same base was built and did not pass the gate, or was rolled back."""
        graphs = [one.graph for one in self._aside(manifest.corpus)]
        return any(graph is not None and graph.part == manifest.parts[0].folder for graph in graphs)

    def _aside(self, corpus: str) -> list[Manifest]:
        with self._lake.control() as cursor:
            entries = history.entries(cursor, corpus)
        return [generation.parse(one.manifest) for one in entries if one.status == "built"]

    # -- working -------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (build := self._queue.get()) is not None:
            try:
                build.built = self._finish(build)
                self._record(build, asdict(build.built))
            except LakehouseError as error:
                self._fail(build, error)
            except Exception as error:  # the worker goes on with the next one, whatever happened to this one
                self._fail(build, faults.translate(error, str(self._lake.home)))
            finally:
                self._forget(build)
                self._go_on(build)
                build.done.set()

    def _go_on(self, build: Build) -> None:
        """Look at what is live once more: a refresh that came meanwhile had to leave it at that."""
        swapped = build.built is not None and build.built.status == "live"
        with self._lock:
            free = build.corpus not in self._running and not self._closed
        if free and (swapped or isinstance(build.failure, Conflict)):
            with suppress(LakehouseError, duck.Error):
                self.consider(self._corpora.live(build.corpus).manifest)

    def work(self, build: Build, tell: Callable[[float], None] | None = None) -> IndexWork:
        """What makes the index of a build; `tell` is given the share that is done."""
        told = tell or partial(self.tell, build)
        return IndexWork(self._lake.config.search, self._corpora, build.check, told, lambda: build.waited)

    def _make(self, build: Build) -> Trial:
        work = self.work(build)
        trial = work.try_out(build.manifest, work.make(build.manifest, build.choice))
        return replace(trial, told={"why": "built", "note": build.choice.reason})

    def _finish(self, build: Build) -> Built:
        started = time.monotonic()
        build.check()
        trial = build.make(build)
        if trial is None:
            self._remove(build)
            live = self._corpora.live(build.corpus).manifest
            return Built("unchanged", live.generation, live.engine)
        seconds = trial.seconds or round(time.monotonic() - started, 3)
        with self._corpora.building(build.corpus, build.cancelled.is_set):
            build.check()
            manifest = indexwork.over(self._corpora.live(build.corpus), build.manifest, trial)
            build_segments.write_manifest(self._corpora.folder(build.corpus), manifest)
            opened = self._corpora.opened(manifest)
            settle = partial(self._settle, build, manifest, trial, seconds)
            if trial.refused:
                with self._lake.control() as cursor:
                    settle(cursor)
            else:  # in one transaction: a kill in between would leave an index that looks refused
                self._corpora.advance(opened, trial.told, build.actor, settle)
        status = "built" if trial.refused else "live"
        reason = trial.refused or build.choice.reason
        return Built(status, manifest.generation, trial.engine, trial.recall, reason, seconds)

    def _settle(self, build: Build, manifest: Manifest, trial: Trial, seconds: float, cursor: duck.Cursor) -> None:
        cursor.execute(
            "update control.generation set status = 'built', progress = 1, manifest = ?, documents = ?, "
            "chunks = ?, recall = ?, build_seconds = ?, reason = ? where corpus = ? and generation = ?",
            [
                manifest.text(),
                manifest.documents,
                sum(part.chunks for part in manifest.parts),
                trial.recall,
                seconds,
                trial.refused or build.choice.reason,
                manifest.corpus,
                manifest.generation,
            ],
        )

    def tell(self, build: Build, share: float) -> None:
        """Say how far a build is: a share from 0 to 1."""
        build.share = share
        with self._lake.control() as cursor:
            cursor.execute(
                "update control.generation set progress = ? where corpus = ? and generation = ?",
                [share, build.corpus, build.manifest.generation],
            )

    def _fail(self, build: Build, error: LakehouseError) -> None:
        build.failure = error
        if self._closed:  # the next open removes what is left and begins anew
            return
        with suppress(LakehouseError, duck.Error):  # the engine may be what has failed; the next open tidies up
            self._remove(build)
            self._record(build, {"generation": build.manifest.generation, "status": "failed", "reason": str(error)})

    def _remove(self, build: Build) -> None:
        """Remove what a build has written, and its row; first the files, since a full disk would keep the row."""
        shutil.rmtree(self._corpora.folder(build.corpus) / build.manifest.generation, ignore_errors=True)
        with self._lake.control() as cursor:
            cursor.execute(
                "delete from control.generation where corpus = ? and generation = ? and status = 'building'",
                [build.corpus, build.manifest.generation],
            )

    def _forget(self, build: Build) -> None:
        with self._lock:
            if self._running.get(build.corpus) is build:
                del self._running[build.corpus]

    def _record(self, build: Build, body: dict[str, object]) -> None:
        with suppress(Busy, duck.Error):  # the build stands as it is
            self._lake.journal.record("build", build.corpus, body, actor=build.actor, durable=True)

    def record_lacking(self, manifest: Manifest, reason: str) -> None:
        """Say once in the journal that an engine does not work on this machine, and what it means."""
        with self._lock:
            if reason in self._told:
                return
            self._told.add(reason)
        with suppress(Busy, duck.Error):  # a search does not fail for it
            body = {"engine": manifest.engine, "reason": reason}
            self._lake.journal.record("fallback", manifest.corpus, body, durable=True)

    # -- across restarts -----------------------------------------------------------------------------------------------

    def forget_unfinished(self) -> list[tuple[str, Wish, str | None]]:
        """Remove the rows of builds that the last process did not finish; returns what they were asked for."""
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select corpus, wish from control.generation where status = 'building' and wish is not null"
            ).fetchall()
            cursor.execute("delete from control.generation where status = 'building'")
        found = []
        for corpus, wish in rows:
            asked = json.loads(wish)
            actor = asked.pop("actor")
            found.append((str(corpus), Wish(**asked), actor))
        return found

    def resume(self, unfinished: list[tuple[str, Wish, str | None]]) -> None:
        """Begin unfinished builds anew, and those of corpora that need an index and have none."""
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select corpus, manifest from control.live join control.generation using (corpus, generation)"
            ).fetchall()
        manifests = {str(corpus): generation.parse(text) for corpus, text in rows}
        for corpus, wish, actor in unfinished:
            if corpus in manifests:
                with suppress(Conflict):  # the engine that was wished does not work any more
                    self._start(manifests[corpus], wish, actor)
        for manifest in manifests.values():
            self.consider(manifest)

    def close(self) -> None:
        """Stop the worker. What it was building is begun anew at the next open."""
        with self._lock:
            self._closed = True
            running, worker = list(self._running.values()), self._worker
        for build in running:
            build.cancelled.set()
        self._queue.put(None)
        if worker is not None:
            worker.join(CLOSE_SECONDS)
