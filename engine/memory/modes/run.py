"""One run of a mode: focus file → known bugs → corpora → relevance → one prompt → one call of a model.

Without a language model the extractive generator answers: it quotes what was found, and the row says so.
"""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.access.profiles import Profile
from engine.errors import Busy, Invalid, LakehouseError
from engine.memory import downgrade
from engine.memory.modes import task as tasks
from engine.memory.modes.prompt import Excerpt, compose
from engine.memory.modes.registry import FINGERPRINTS, FOCUS, MATRIX, Mode, TaskClass, shown
from engine.memory.modes.task import Task
from engine.memory.pathways import reading
from engine.models.chat import Chat
from engine.search import answer, matrix
from engine.search.fusion import Key
from engine.search.metadata import Metadata
from engine.search.ranking import Ranking, rows
from engine.search.relevance.score import Chunk, score
from engine.search.relevance.stage import PLACES
from engine.search.repository import knowledge
from engine.search.repository.knowledge import Answered
from engine.search.request import Request
from engine.search.retrieval import Scope

if TYPE_CHECKING:
    from engine.lake import Lake

CHUNKS, OF_ONE_CORPUS = 8, 6
BUGS = 10
HALF_A_PAIR = re.compile("[\ud800-\udfff]")  # of surrogates: no text that can be kept
NOTHING_SEARCHED = "No language model is configured, and the mode {mode} searches no corpus: there is nothing to quote."


@dataclass
class Record:
    """What the journal keeps of a run, filled while it goes on."""

    task_class: str
    mode: str | None = None
    model: str | None = None
    downgraded_from: str | None = None
    reason: str | None = None
    corpora: list[str] = field(default_factory=list)
    fingerprints: int = 0
    chunks_found: int = 0
    chunks_kept: int = 0
    prompt_characters: int = 0
    extractive: bool = False
    finish: str | None = None
    milliseconds: float = 0.0
    outcome: str = "INTERNAL"  # ok, or the code of an error


@dataclass(frozen=True)
class Found:
    """What the corpora gave: the kept chunks, and what an answer can quote them from."""

    scope: Scope
    ranking: Ranking
    question: str
    kept: list[Excerpt]


@dataclass(frozen=True)
class Run:
    """A run for a profile. `check` raises when the statement was cancelled, `cancelled` tells it."""

    lake: "Lake"
    reach: Profile
    statement_id: str
    check: Callable[[], None]
    cancelled: Callable[[], bool]

    def run(
        self, task_class: str | None, prompt: str | None, model: str | None, force_mode: str | None
    ) -> dict[str, Any]:
        """Answer a prompt (JSON, see `task.parse`) as the mode of its task class; the row of `run_mode`.

        Raises NotFound for an unknown task class, mode, model or corpus, Invalid for the prompt, and what the model's
        endpoint raises. One row of the journal a call, failed ones included.
        """
        started = time.monotonic()
        record = Record(shown(task_class))
        try:
            written = self._written(record, task_class, prompt, model, force_mode)
            record.outcome = "ok"
        except LakehouseError as error:
            record.outcome = error.code
            raise
        finally:
            record.milliseconds = round((time.monotonic() - started) * 1000, 3)
            with suppress(Busy, duck.Error):  # the journal tries again to write
                self.lake.journal.record(
                    "mode_run", record.mode, asdict(record), actor=self.reach.name, statement_id=self.statement_id
                )
        return {
            "answer": written,
            "mode": record.mode,
            "downgraded_from": record.downgraded_from,
            "corpora": record.corpora,
            "chunks": record.chunks_kept,
            "seconds": round(record.milliseconds / 1000, 4),
            "model": record.model,
        }

    def _written(
        self, record: Record, task_class: str | None, prompt: str | None, model: str | None, force_mode: str | None
    ) -> str:
        kind = self.lake.modes.task_class(task_class)
        task = tasks.parse(prompt or "null")
        chat = self.lake.models.chat(model or kind.model)
        record.model = chat.model if chat else downgrade.EXTRACTIVE
        record.extractive = chat is None
        mode = self._mode(record, kind, force_mode)
        if FOCUS not in mode.parts:
            task = tasks.without_content(task)
        bugs = self._bugs(kind, task) if FINGERPRINTS in mode.parts else []
        record.fingerprints = len(bugs)
        self.check()
        found = self._found(record, kind, task) if MATRIX in mode.parts else None
        text = compose(kind.instruction or mode.instruction, task, bugs, found.kept if found else [])
        record.prompt_characters = len(text)
        self.check()
        written = self._asked(record, chat, text) if chat else self._quoted(mode, found)
        if written not in (answer.NOTHING, _nothing_searched(mode)):
            self._keep(record, task, written)
        return written

    def _keep(self, record: Record, task: Task, written: str) -> None:
        """For `answers()`; what was asked of a file without words is its path."""
        asked = task.request or task.path or task.question
        given = Answered(record.task_class, asked, written, record.model, record.corpora, task.path)
        knowledge.keep(self.lake, given, self.reach.name, self.statement_id)

    def _mode(self, record: Record, kind: TaskClass, force_mode: str | None) -> Mode:
        settings = self.lake.config.downgrade
        decision = downgrade.decide(
            kind.mode, record.model, force_mode=force_mode, force_full_enrichment=settings.force_full_enrichment,
            weak=frozenset(settings.weak),
        )  # fmt: skip
        record.mode, record.downgraded_from, record.reason = (
            shown(decision.mode),
            decision.downgraded_from,
            decision.reason,
        )
        return self.lake.modes.mode(decision.mode)

    def _bugs(self, kind: TaskClass, task: Task) -> list[dict[str, Any]]:
        if not task.path:
            return []
        return reading.bug_fingerprints(self.lake, kind.task_class, task.path, task.signal_class, BUGS, self.reach)

    def _found(self, record: Record, kind: TaskClass, task: Task) -> Found:
        request = Request("hybrid", kind.corpora, CHUNKS, OF_ONE_CORPUS, playbook="robust")
        scope, ranking = matrix.ranked(self.lake, task.question, request, self.reach, self.cancelled)
        found = rows(scope, ranking, request, Metadata(self.lake, scope))
        record.corpora = [generation.corpus for generation in scope.generations]
        record.chunks_found = len(found)
        kept = [_excerpt(row) for row in found if not task.is_code or self._is_relevant(task, row)]
        record.chunks_kept = len(kept)
        return Found(scope, ranking, task.question, kept)

    def _is_relevant(self, task: Task, row: dict[str, object]) -> bool:
        settings = self.lake.config.relevance
        if task.focus is None or not settings.filter or not task.focus.symbols.read:
            return True  # without its symbols the file would have everything from elsewhere taken for foreign
        known = json.loads(str(row["metadata"] or "{}"))
        source = next((str(known[name]) for name in PLACES if known.get(name)), None)
        return score(task.focus, Chunk(str(row["content"]), source, str(row["id"]))).kept(settings.threshold)

    def _asked(self, record: Record, chat: Chat, prompt: str) -> str:
        limit = self.lake.config.models.prompt_characters
        if len(prompt) > limit:
            raise Invalid(
                f"the prompt has {len(prompt)} characters, about {-(-len(prompt) // 4)} tokens; {limit} may be sent",
                "shorten the content, or raise [models] prompt_characters",
            )
        reply = chat.chat(prompt, cancelled=self.cancelled)
        record.finish = None if reply.finish is None else shown(_sound(reply.finish))
        return _sound(reply.text)

    def _quoted(self, mode: Mode, found: Found | None) -> str:
        if found is None:
            return _nothing_searched(mode)
        if not found.kept:
            return answer.NOTHING
        vector = matrix.embed(self.lake, found.scope, [found.question], self.cancelled)[0]
        places = [found.ranking.place(Key(one.corpus, one.id)) for one in found.kept]
        quotes = answer.quotes(self.lake, found.question, found.scope, found.ranking, places, vector)
        tagged = [f"{one.quote} {Excerpt(one.corpus, one.id, '').tag}" for one in quotes]
        return "\n".join(tagged) or answer.NOTHING


def _sound(text: str) -> str:
    return HALF_A_PAIR.sub("\ufffd", text)


def _nothing_searched(mode: Mode) -> str:
    return NOTHING_SEARCHED.format(mode=mode.mode)


def _excerpt(row: dict[str, object]) -> Excerpt:
    return Excerpt(str(row["_corpus"]), str(row["id"]), str(row["content"]))
