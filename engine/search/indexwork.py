"""The work of one index: made over the base of a generation, tried against exact search, written."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.config import Search
from engine.errors import Conflict
from engine.search import folding, recall, room, segment
from engine.search.folding import WIDTHS, Base
from engine.search.generation import Generation, Graph, Manifest
from engine.search.recall import Exam, Recall
from engine.search.vectors import choosing
from engine.search.vectors.choosing import Choice
from engine.search.vectors.protocol import Work

if TYPE_CHECKING:
    from engine.search.corpora import Corpora

K, QUESTIONS = 10, 100
WORSE = 0.01  # how much less than the live index a new one may find
TELL = 0.02  # share of the work after which progress is told
ADDING = 0.95  # share of the work that is adding rows; the rest is writing and trying


@dataclass(frozen=True)
class Trial:
    """An index and how well it finds; `refused` says why it must not become live."""

    graph: Graph | None
    recall: float
    refused: str | None
    seconds: float | None = None  # that the index took; None: as long as the whole build
    told: dict[str, object] = field(default_factory=lambda: {"why": "built"})  # what the journal says of the swap
    base: Base | None = None  # a base that it brings along; None: it is over the one that is live
    opened: Generation | None = None  # held, so that the index is not read again when it goes live

    @property
    def engine(self) -> str:
        """The engine of the index."""
        return self.graph.engine if self.graph else "exact"


class IndexWork:
    """Makes one index; `check` raises when it was cancelled, `tell` is given the share that is done."""

    def __init__(
        self,
        settings: Search,
        corpora: "Corpora",
        check: Callable[[], None],
        tell: Callable[[float], None],
        waited: Callable[[], bool],
    ) -> None:
        """`settings`: the section [search]; `waited`: whether somebody waits for it."""
        self._settings, self._corpora, self._check, self._tell, self._waited = settings, corpora, check, tell, waited
        self._told = 0.0

    def make(self, manifest: Manifest, choice: Choice, inside: str = "") -> Graph | None:
        """Build an index over the base of a generation, in the folder of that or `inside`; None for exact search."""
        if choice.engine == "exact":
            return None
        place = f"{manifest.generation}/{inside}" if inside else manifest.generation
        folder = self._corpora.folder(manifest.corpus) / place
        folder.mkdir(parents=True, exist_ok=True)
        base = self._corpora.opened(replace(manifest, graph=None)).segments[0]
        rows, dimension = base.vectors.shape
        needed = choosing.ENGINES[choice.engine].bytes_needed(rows, dimension, choice.parameters)
        room.refuse_large(f"an index of corpus {manifest.corpus!r} by {choice.engine}", needed)
        work = Work(self._threads, self._check, self._progress)
        choosing.ENGINES[choice.engine].build(base.vectors, choice.parameters, work).save(folder)
        self._check()
        files = segment.settled(folder)
        self._corpora.digests.written(folder, place, files)
        return Graph(choice.engine, choice.parameters, manifest.parts[0].folder, place, files)

    def _threads(self) -> int:
        """All cores while somebody waits for the index; else one is left to those who search meanwhile."""
        cores = os.cpu_count() or 1
        return self._settings.build_threads or (cores if self._waited() else max(1, cores - 1))

    def _progress(self, done: int, total: int) -> None:
        share = ADDING * done / max(total, 1)
        if share >= self._told + TELL:
            self._told = share
            self._tell(share)

    def try_out(
        self, manifest: Manifest, graph: Graph | None, widths: Sequence[int] = WIDTHS, live: Manifest | None = None
    ) -> Trial:
        """Measure recall@10 with the least width that reaches the floor, and compare it with the live index.

        `live`: what is live, where that is not `manifest` with another index.
        """
        if graph is None:
            return Trial(None, 1.0, None)
        opened = self._corpora.opened(replace(manifest, engine=graph.engine, graph=graph))
        exam = recall.set_exam(opened, opened.alive, K, QUESTIONS, self._check)
        width, measured = self._least_width(exam, graph, widths)
        kept = replace(graph, parameters={**graph.parameters, "ef": width} if "ef" in graph.parameters else {})
        refused = self._refusal(live or manifest, measured)
        return Trial(kept, measured.recall, refused, opened=opened)

    def _least_width(self, exam: Exam, graph: Graph, widths: Sequence[int]) -> tuple[int, Recall]:
        for width in widths if "ef" in graph.parameters else widths[:1]:
            measured = exam.take(self._check, width)
            if measured.recall >= self._settings.recall_floor:
                break
        return width, measured

    def _refusal(self, manifest: Manifest, measured: Recall) -> str | None:
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


def over(live: Generation, made: Manifest, trial: Trial) -> Manifest:
    """The manifest with which a trial takes the place of what is live now: with all that came meanwhile.

    Raises Conflict when the base that the trial belongs to is not the live one any more.
    """
    current = live.manifest
    wanted = trial.base.manifest.parts if trial.base else made.parts[:1]
    if [part.folder for part in current.parts[: len(wanted)]] != [part.folder for part in wanted]:
        raise Conflict(f"corpus {made.corpus!r} was rebuilt meanwhile", "its new index is built by itself")
    parts = current.parts if trial.base is None else folding.onto(live, trial.base)
    return replace(current, generation=made.generation, parts=parts, engine=trial.engine, graph=trial.graph)
