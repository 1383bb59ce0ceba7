"""The work of one index: made over the base of a generation, tried against exact search, written."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.config import Search
from engine.search import build, recall, segment
from engine.search.generation import Graph, Manifest
from engine.search.recall import Exam, Recall
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Choice
from engine.search.vectors.protocol import Work

if TYPE_CHECKING:
    from engine.search.corpora import Corpora

K, QUESTIONS = 10, 100
WIDTHS = (64, 96, 128, 192, 256, 400)  # of the walk: the least one that reaches the floor is kept
WORSE = 0.01  # how much less than the live index a new one may find
TELL = 0.02  # share of the work after which progress is told
ADDING = 0.95  # share of the work that is adding rows; the rest is writing and trying


@dataclass(frozen=True)
class Trial:
    """An index and how well it finds; `refused` says why it must not become live."""

    graph: Graph | None
    recall: float
    refused: str | None

    @property
    def engine(self) -> str:
        """The engine of the index."""
        return self.graph.engine if self.graph else "exact"


class IndexWork:
    """Makes one index; `check` raises when it was cancelled, `tell` is given the share that is done."""

    def __init__(
        self, settings: Search, corpora: "Corpora", check: Callable[[], None], tell: Callable[[float], None]
    ) -> None:
        """`settings`: the section [search]."""
        self._settings, self._corpora, self._check, self._tell = settings, corpora, check, tell
        self._told = 0.0

    def make(self, manifest: Manifest, choice: Choice) -> Graph | None:
        """Build an index over the base of a generation, in the folder of that; None for exact search."""
        if choice.engine == "exact":
            return None
        folder = self._corpora.folder(manifest.corpus) / manifest.generation
        folder.mkdir(parents=True, exist_ok=True)
        base = self._corpora.opened(replace(manifest, graph=None)).segments[0]
        threads = self._settings.build_threads or max(1, (os.cpu_count() or 1) - 1)
        work = Work(threads, self._check, self._progress)
        choosing.ENGINES[choice.engine].build(base.vectors, choice.parameters, work).save(folder)
        self._check()
        files = segment.settled(folder)
        return Graph(choice.engine, choice.parameters, manifest.parts[0].folder, manifest.generation, files)

    def _progress(self, done: int, total: int) -> None:
        share = ADDING * done / max(total, 1)
        if share >= self._told + TELL:
            self._told = share
            self._tell(share)

    def try_out(self, manifest: Manifest, graph: Graph | None) -> Trial:
        """Measure recall@10 with the least width that reaches the floor, and compare it with the live index."""
        if graph is None:
            return Trial(None, 1.0, None)
        opened = self._corpora.opened(replace(manifest, engine=graph.engine, graph=graph))
        exam = recall.set_exam(opened, opened.alive, K, QUESTIONS, self._check)
        width, measured = self._least_width(exam, graph)
        kept = replace(graph, parameters={**graph.parameters, "ef": width} if "ef" in graph.parameters else {})
        return Trial(kept, measured.recall, self._refusal(manifest, measured, exam))

    def _least_width(self, exam: Exam, graph: Graph) -> tuple[int, Recall]:
        for width in WIDTHS if "ef" in graph.parameters else WIDTHS[:1]:
            measured = exam.take(self._check, width)
            if measured.recall >= self._settings.recall_floor:
                break
        return width, measured

    def _refusal(self, manifest: Manifest, measured: Recall, exam: Exam) -> str | None:
        floor = self._settings.recall_floor
        if measured.recall < floor:
            return f"recall@{K} is {measured.recall:.4f}, below the floor {floor:g}"
        if manifest.graph is None:  # what is live is exact, and slow
            return None
        live = self._corpora.opened(manifest)
        usual = recall.set_exam(live, live.alive, K, QUESTIONS, self._check).take(self._check)
        if measured.recall < usual.recall - WORSE:
            return f"recall@{K} is {measured.recall:.4f}, that of the live index {usual.recall:.4f}"
        return None

    def write(self, manifest: Manifest) -> Manifest:
        """Write the manifest, the last file of the generation."""
        build.write_manifest(self._corpora.folder(manifest.corpus), manifest)
        return manifest
