"""Tuning: indexes of one corpus made and tried one after the other, and the fastest that finds enough promoted.

Every trial answers the same questions over the same documents as the live index does; it is one row of `lake.trials`.
The champion passes the gate that every build passes. The files of one trial, and of the best one so far, are on disk.
"""

import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from engine import duck
from engine.errors import Busy, Invalid
from engine.search import grid, recall, segment
from engine.search.builds import Build, Built
from engine.search.generation import Graph
from engine.search.grid import Point
from engine.search.indexwork import K, Trial
from engine.search.recall import Exam, Recall
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Choice, Wish

if TYPE_CHECKING:
    from engine.lake import Lake

MOST_QUESTIONS = 10_000
FASTER = 0.95  # of the median time of the live index: a smaller gain is noise
BUILDING = 0.8  # share of a trial's work that is building; the rest is asking


@dataclass(frozen=True)
class Aim:
    """What a tuning is to reach, and with what it is measured."""

    min_recall: float = 0.95
    questions: int = 100
    origin: str = "tune_index"

    def check(self) -> None:
        """Raise Invalid for a number outside its range."""
        if not 0 < self.min_recall <= 1:
            raise Invalid(f"min_recall is {self.min_recall:g}", "it must be above 0 and at most 1")
        if not 1 <= self.questions <= MOST_QUESTIONS:
            raise Invalid(f"queries is {self.questions}", f"it must be within 1 and {MOST_QUESTIONS}")


@dataclass(frozen=True)
class Tried:
    """What was measured at one point, or of the live index."""

    engine: str
    parameters: dict[str, int]
    measured: Recall
    build_seconds: float | None
    graph: Graph | None = None  # None: of the live index
    number: int = 0

    def shown(self) -> str:
        """Its figures for a note."""
        return f"recall={self.measured.recall:.4f} p50={self.measured.p50_ms:.3f} ms"


@dataclass(frozen=True)
class Row:
    """A row of the answer."""

    engine: str
    parameters: dict[str, int]
    measured: Recall
    build_seconds: float | None
    promoted: bool  # whether it is live now
    reason: str


class Tuning:
    """One tuning of one corpus, from its request to its rows."""

    def __init__(self, lake: "Lake", corpus: str, encoded: str | None, aim: Aim, actor: str | None) -> None:
        """`encoded`: the grid as JSON; None = the usual one. Raises Invalid or Conflict for what cannot be tried."""
        aim.check()
        self._lake, self._aim, self._actor = lake, aim, actor
        self._id = secrets.token_hex(8)
        self._manifest = lake.corpora.live(corpus).manifest
        self._points = self._wanted(encoded)
        self.tried: list[Tried] = []
        self.champion: Tried | None = None

    def _wanted(self, encoded: str | None) -> list[Point]:
        search, manifest = self._lake.config.search, self._manifest
        chunks = manifest.parts[0].chunks
        usual = choosing.choose(Wish(), chunks, search.engine, search.compact_rows).engine
        if manifest.graph is not None and not choosing.failure(manifest.graph.engine):
            usual = manifest.graph.engine
        elif encoded is None and chunks < search.exact_rows:
            return []
        if encoded is None:
            points = [] if usual == "exact" else grid.usual(usual)
        else:
            graph = choosing.choose(Wish(), chunks, "auto", search.compact_rows).engine
            points = grid.read(encoded, graph if usual == "exact" else usual)
        live = manifest.graph
        wanted = [one for one in points if live is None or one != grid.of_graph(live.engine, live.parameters)]
        return sorted(wanted, key=lambda point: (*point.built_as, point.ef))

    def begin(self, check: Callable[[], None]) -> Build | None:
        """Let the worker do it; None when there is nothing to try, and only the live index was measured."""
        if not self._points:
            self._measure_live(check)
            return None
        builds = self._lake.corpora.builds
        return builds.begin(self._manifest, self._points[0].choice, self._actor, self._make)

    # -- working -------------------------------------------------------------------------------------------------------

    def _measure_live(self, check: Callable[[], None]) -> Exam:
        live = self._lake.corpora.opened(self._manifest)
        recorded = [vector for _, vector, _ in self._lake.playbooks.held(live)]
        exam = recall.set_exam(live, live.alive, K, self._aim.questions, check, recorded=recorded)
        parameters = live.manifest.graph.parameters if live.manifest.graph else {}
        seconds = self._lake.corpora.build_seconds(live)
        self.tried.append(Tried(live.manifest.engine, parameters, exam.take(check), seconds))
        return exam

    def _make(self, build: Build) -> Trial | None:
        exam = self._measure_live(build.check)
        groups = [list(points) for _, points in groupby(self._points, key=lambda point: point.built_as)]
        for number, points in enumerate(groups):
            self._try(build, exam, points, number, len(groups))
        if self.champion is None:
            return None
        return self._brought(build, self.champion)

    def _try(self, build: Build, exam: Exam, points: Sequence[Point], number: int, groups: int) -> None:
        """Make one index, and ask it with each width."""
        builds, corpora = self._lake.corpora.builds, self._lake.corpora
        work = builds.work(build, lambda share: builds.tell(build, (number + BUILDING * share) / groups))
        started = time.monotonic()
        made = work.make(build.manifest, points[0].choice, str(number))
        seconds = round(time.monotonic() - started, 3)
        assert made is not None  # exact search is no point
        for point in points:
            graph = replace(made, parameters=point.parameters)
            opened = corpora.opened(replace(build.manifest, engine=point.engine, graph=graph))
            measured = exam.of(opened).take(build.check)
            one = Tried(point.engine, point.parameters, measured, seconds, graph, len(self.tried))
            self.tried.append(one)
            self._record(build, one)
        self._choose()
        kept = self.champion.graph.folder if self.champion and self.champion.graph else ""
        for folder in (corpora.folder(build.corpus) / build.manifest.generation).iterdir():
            if folder.name != kept.rpartition("/")[2]:
                shutil.rmtree(folder)
        builds.tell(build, (number + 1) / groups)

    def _choose(self) -> None:
        """The fastest that finds enough; the live one stays when it does, too, and is about as fast."""
        live, *others = self.tried
        enough = [one for one in others if one.measured.recall >= self._aim.min_recall]
        best = min(enough, key=lambda one: (one.measured.p50_ms, one.number), default=None)
        stays = live.measured.recall >= self._aim.min_recall
        if best is not None and stays and best.measured.p50_ms > FASTER * live.measured.p50_ms:
            best = None
        self.champion = best

    def _brought(self, build: Build, champion: Tried) -> Trial:
        """The index of the champion in the folder of its generation, through the gate."""
        assert champion.graph is not None
        root = self._lake.corpora.folder(build.corpus)
        target, source = root / build.manifest.generation, root / champion.graph.folder
        for path in sorted(source.iterdir()):
            path.rename(target / path.name)
        source.rmdir()
        segment.sync(target)
        graph = replace(champion.graph, folder=build.manifest.generation)
        build.choice = Choice(champion.engine, champion.parameters, f"tuned: {champion.shown()}")
        work = self._lake.corpora.builds.work(build)
        trial = work.try_out(build.manifest, graph, (champion.parameters["ef"],))
        told: dict[str, object] = {
            "why": "tuned",
            "note": build.choice.reason,
            "tuning": self._id,
            "trial": champion.number,
        }
        return replace(trial, seconds=champion.build_seconds, told=told)

    def _record(self, build: Build, one: Tried) -> None:
        body = {
            **{"tuning": self._id, "trial": one.number, "origin": self._aim.origin},
            **{"engine": one.engine, "parameters": one.parameters, **asdict(one.measured)},
            **{"build_seconds": one.build_seconds, "questions": self._aim.questions},
            **{"min_recall": self._aim.min_recall, "generation": build.manifest.generation},
        }
        with suppress(Busy, duck.Error):  # the trial stands as it is
            self._lake.journal.record("trial", build.corpus, body, actor=self._actor, durable=True)

    # -- answering -----------------------------------------------------------------------------------------------------

    def rows(self, built: Built | None) -> list[Row]:
        """What was measured, the live index first; `built`: what became of it."""
        swapped = built is not None and built.status == "live" and self.champion is not None
        found = []
        for one in self.tried:
            promoted = one is self.champion if swapped else one.number == 0
            reason = self._reason(one, built, swapped)
            found.append(Row(one.engine, one.parameters, one.measured, one.build_seconds, promoted, reason))
        return found

    def _reason(self, one: Tried, built: Built | None, swapped: bool) -> str:
        least = self._aim.min_recall
        if one.number == 0:
            return "it was live before" if swapped else f"stays live: {self._why_nothing(built)}"
        if one is self.champion and built is not None:
            name = built.generation
            held = f"held back as {name}: {built.reason}; promote_index() makes it live anyway"
            return f"the fastest with recall of at least {least:g}; live as {name}" if swapped else held
        if one.measured.recall < least:
            return f"recall is below {least:g}"
        return "another one is faster" if self.champion else "not faster than the live index"

    def _why_nothing(self, built: Built | None) -> str:
        if built is None:
            return self._why_no_trial()
        if self.champion is not None:
            return "the gate held the fastest one back"
        if any(one.measured.recall >= self._aim.min_recall for one in self.tried[1:]):
            return "no trial that finds enough is 5 % faster"
        return f"no trial reached a recall of {self._aim.min_recall:g}"

    def _why_no_trial(self) -> str:
        search, manifest = self._lake.config.search, self._manifest
        if manifest.graph is not None:
            return "the grid holds only what is live"
        return (
            f"with {manifest.parts[0].chunks} chunks it is compared exactly, without an index "
            f"([search] exact_rows is {search.exact_rows}, engine {search.engine}); a grid tries some anyway"
        )
