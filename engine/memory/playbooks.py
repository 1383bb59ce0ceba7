"""All recorded outcomes: kept in the control plane, and in memory by model for the searches that they move."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine import duck
from engine.access.profiles import Profile
from engine.errors import Invalid, LakehouseError, NotFound
from engine.memory.admission import Admission, Given
from engine.memory.evidence import Asked, Evidence
from engine.memory.fit import Fit
from engine.memory.playbook import BOOST_DISTANCE, NEAREST, Near, Playbook, playbook_id, same_role
from engine.memory.policy import SAYS_NOTHING, UNDECIDED, Policy
from engine.memory.questions import Vector
from engine.memory.robust import telling
from engine.search.fusion import Key
from engine.search.generation import Generation

if TYPE_CHECKING:
    from engine.lake import Lake

KINDS = {
    "playbook_id": pa.string(),
    "query": pa.string(),
    "corpus": pa.string(),
    "id": pa.string(),
    "score": pa.float64(),
    "role": pa.string(),
    "note": pa.string(),
    "model": pa.string(),
    "recorded_at": pa.float64(),
}
FIELDS = attrgetter(*KINDS)
COLUMNS = ", ".join([*KINDS, "vector"])
BATCH = "playbook_batch"
SEVERAL = 16  # rows from which on they are written as one table


@dataclass(frozen=True)
class Memory:
    """What is recorded near to a question: the judgements, and how those of each corpus are to be read."""

    near: list[Near]
    fits: dict[str, Fit]


@dataclass(frozen=True)
class Deed:
    """One entry of `lake.outcomes`."""

    action: str  # recorded, retracted, superseded
    playbook: Playbook

    def body(self) -> dict[str, object]:
        """The entry as the journal has it."""
        told = ("query", "corpus", "id", "score", "role", "note")
        return {"action": self.action, **{name: getattr(self.playbook, name) for name in told}}


class Playbooks:
    """The outcomes of a lake. One truth per question, corpus and id; what is changed is on disk before it counts."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake."""
        self._lake = lake
        self._lock = threading.RLock()  # of what is in memory
        self._writing = threading.RLock()  # one writer at a time; taken before the other, never within it
        self._entries: dict[str, Playbook] | None = None
        self._evidence: dict[str, Evidence] = {}  # by model
        self._matrices: dict[str, tuple[list[Playbook], Vector]] = {}  # by model, for the classic mode
        self._policy = Policy(lake.config.memory, lake.clock)
        self._of_model: dict[str, str] = {}  # by corpus, the model whose questions all its outcomes are known to have
        self._astray: frozenset[str] = frozenset()  # corpora whose outcomes are about other questions than they say

    def _loaded(self) -> dict[str, Playbook]:
        if self._entries is None:
            with self._lake.control() as cursor:
                selected = COLUMNS.replace("recorded_at", "epoch(recorded_at) as recorded_at")
                table = duck.table(cursor, f"select {selected} from control.playbook order by playbook_id")
            entries: dict[str, Playbook] = {}
            for batch in table.to_batches():
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                self._hold(entries, [(Playbook(*row), np.frombuffer(vector, "<f4")) for *row, vector in rows])
            self._entries = entries
        return self._entries

    def _hold(self, entries: dict[str, Playbook], outcomes: Sequence[tuple[Playbook, Vector]]) -> None:
        by_model: dict[str, list[tuple[Playbook, Vector]]] = {}
        for one, vector in outcomes:
            entries[one.playbook_id] = one
            by_model.setdefault(one.model, []).append((one, vector))
        for model, some in by_model.items():
            self._evidence.setdefault(model, Evidence()).add_all(some)

    # -- reading -------------------------------------------------------------------------------------------------------

    def near(
        self, question: Vector, model: str, role: str | None, shows: Callable[[Key], bool], *, nearest: int = NEAREST
    ) -> list[Near]:
        """The recorded questions nearest to `question` (unit length) within the boost distance, nearest first.

        `shows`: whether the caller may see an answer; an outcome about a hidden one counts for nothing.
        """
        with self._lock:
            playbooks, matrix = self._matrix(model, len(question))
        if not playbooks:
            return []
        distances = 1 - matrix @ question
        within = np.flatnonzero(distances <= BOOST_DISTANCE)
        order = within[np.lexsort((within, distances[within]))]
        fitting = (Near(playbooks[at], float(max(distances[at], 0.0))) for at in order.tolist())
        seen = (one for one in fitting if same_role(one.playbook.role, role) and shows(one.playbook.key))
        applying = (one for one in seen if self._policy.applies(one.playbook))
        return self._policy.faded(islice(applying, nearest), self._failures(model), SAYS_NOTHING)

    def _matrix(self, model: str, dimension: int) -> tuple[list[Playbook], Vector]:
        entries = self._loaded()
        if model not in self._matrices:
            mine = sorted((one for one in entries.values() if one.model == model), key=lambda one: one.playbook_id)
            vectors = [self._evidence[model].questions.vector(one.query) for one in mine]
            self._matrices[model] = (mine, np.stack(vectors) if mine else np.empty((0, dimension), np.float32))
        return self._matrices[model]

    def recall(
        self,
        asked: Asked,
        generations: Sequence[Generation],
        role: str | None,
        wanted: Iterable[Key],
        without: str | None = None,
    ) -> Memory:
        """What is recorded near to a question about `wanted` documents, for the robust mode.

        `generations`: what is searched, all of one model. `without`: a recorded question to leave out.
        """
        for generation in generations:
            self._bring_over(generation)
        with self._lock:
            if not self._loaded() or not generations:
                return Memory([], {})
            evidence = self._evidence.get(generations[0].manifest.model_sha256)
            questions = evidence.nearest(asked, without) if evidence else []
            if evidence is None or not questions:
                return Memory([], {})
            fits, usual = evidence.fits(generations), evidence.usual(asked)
            near = evidence.judgements(questions, usual, role, wanted)
            if self._policy.excludes:
                near = [one for one in near if self._policy.applies(one.playbook)]
            near = evidence.compared(telling(evidence.sharing(near, asked), fits), asked, generations)
            memory = Memory(self._policy.faded(near, evidence.failures, UNDECIDED), fits)
        self._tell_astray(fits)
        return memory

    def _tell_astray(self, fits: dict[str, Fit]) -> None:
        """Write into the journal which corpora have come to have outcomes that are astray, or have them no more."""
        astray = frozenset(corpus for corpus, one in fits.items() if one.is_astray)
        with self._lock:
            changed = astray ^ self._astray.intersection(fits)
            self._astray ^= changed
        for corpus in sorted(changed):
            why = "what was judged wrong suits its questions no better than others: only the very question is answered"
            body = {"astray": corpus in astray, "why": why if corpus in astray else "", "see": "lake.playbooks"}
            self._lake.journal.record("playbook_astray", corpus, body)

    def _failures(self, model: str) -> Callable[[Key], int]:
        evidence = self._evidence.get(model)
        return evidence.failures if evidence else lambda key: 0

    def _bring_over(self, generation: Generation) -> None:
        """Embed again the questions of a corpus that has got another model; those that fail are set aside."""
        corpus, model = generation.corpus, generation.manifest.model_sha256
        if self._of_model.get(corpus) != model:
            with self._writing:
                self._of_model[corpus] = model
                with self._lock:
                    stale = [one for one in self._loaded().values() if one.corpus == corpus and one.model != model]
                if stale:
                    self._embed_again(stale, corpus, model)

    def _embed_again(self, stale: list[Playbook], corpus: str, model: str) -> None:
        known = self._lake.models.questions(self._lake.corpora.definition(corpus).embedder)
        told: dict[str, object] = {"corpus": corpus, "model": model, "outcomes": len(stale)}
        try:
            texts = list(dict.fromkeys(one.query for one in stale))
            vectors = dict(zip(texts, known.embed_questions(texts), strict=True))
        except LakehouseError as error:
            self._lake.journal.record("playbook_set_aside", corpus, told | {"why": str(error)}, durable=True)
            return
        self._write([(replace(one, model=model), vectors[one.query]) for one in stale], [], [], None)
        self._lake.journal.record("playbook_embedded", corpus, told, durable=True)

    def held(self, generation: Generation) -> list[tuple[str, Vector, list[Playbook]]]:
        """The recorded questions about a corpus with their vectors and judgements, by question."""
        self._bring_over(generation)
        model = generation.manifest.model_sha256
        with self._lock:
            asked: dict[str, list[Playbook]] = {}
            for one in self._loaded().values():
                if one.corpus == generation.corpus and one.model == model:
                    asked.setdefault(one.query, []).append(one)
            return [(text, self._evidence[model].questions.vector(text), asked[text]) for text in sorted(asked)]

    def answers(self, rows: Sequence[tuple[str, str]]) -> list[str]:
        """For each (corpus, id) whether that document is there or gone."""
        places = {
            corpus: self._lake.corpora.live(corpus).places if self._lake.corpora.exists(corpus) else {}
            for corpus in {corpus for corpus, _ in rows}
        }
        return ["there" if id in places[corpus] else "gone" for corpus, id in rows]

    # -- writing -------------------------------------------------------------------------------------------------------

    def record(self, given: Given, reach: Profile, *, allow_missing: bool = False) -> tuple[str, str]:
        """Record an outcome, on disk before this returns; returns (playbook_id, created | replaced | unchanged).

        Raises what `Admission.admit` raises.
        """
        admission = Admission(self._lake, reach)
        playbook = admission.admit(given, allow_missing=allow_missing)
        vector = admission.vectors([playbook])[playbook.model, playbook.query]
        with self._writing:
            before = self._entry(playbook.playbook_id)
            if before == playbook:
                return playbook.playbook_id, "unchanged"
            self._write([(playbook, vector)], [], [Deed("recorded", playbook)], reach.name)
        return playbook.playbook_id, "created" if before is None else "replaced"

    def retract(self, query: str | None, corpus: str | None, id: str | None, reach: Profile) -> tuple[str, str]:
        """Forget an outcome, so that every ranking is as if it had never been; (playbook_id, retracted)."""
        if not query or not corpus or not id:
            raise Invalid("retracting needs the query, the corpus and the id", "as they stand in lake.playbooks")
        wanted = playbook_id(query, corpus, id)
        with self._writing:
            found = self._entry(wanted)
            if found is None or not reach.sees_corpus(corpus):
                raise NotFound(f"no outcome is recorded for {id!r} of {corpus!r} and this query", "see lake.playbooks")
            self._write([], [found], [Deed("retracted", found)], reach.name)
        return wanted, "retracted"

    def supersede(self, old: str | None, given: Given, reach: Profile) -> tuple[str, str]:
        """Put an outcome in the place of an older one, of which only the journal is left; (playbook_id, superseded).

        Role and note stay unless given. Raises NotFound for an outcome that is not there (any more), and what
        `Admission.admit` raises.
        """
        before = self._entry(old or "")
        if before is None or not reach.sees_corpus(before.corpus):
            raise NotFound(f"there is no playbook {old!r}", "it may be retracted or superseded; see lake.outcomes")
        kept = (*given[:4], given[4] or before.role, given[5] or before.note)
        admission = Admission(self._lake, reach)
        playbook = admission.admit(kept)
        vector = admission.vectors([playbook])[playbook.model, playbook.query]
        with self._writing:
            if self._entry(before.playbook_id) != before:
                raise NotFound(f"there is no playbook {old!r} any more", "another writer was faster; see lake.outcomes")
            gone = [before] if before.playbook_id != playbook.playbook_id else []
            deeds = [Deed("superseded", before), Deed("recorded", playbook)]
            self._write([(playbook, vector)], gone, deeds, reach.name)
        return playbook.playbook_id, "superseded"

    def record_many(
        self, admission: Admission, playbooks: Sequence[Playbook], actor: str, cancelled: Callable[[], bool]
    ) -> list[str]:
        """Record admitted outcomes in one transaction; returns created | replaced | unchanged for each, in order."""
        vectors = admission.vectors(playbooks, cancelled)
        statuses: list[str] = []
        last: dict[str, Playbook] = {}
        with self._writing:
            for one in playbooks:
                before = last.get(one.playbook_id) or self._entry(one.playbook_id)
                statuses.append("created" if before is None else "unchanged" if before == one else "replaced")
                if statuses[-1] != "unchanged":
                    last[one.playbook_id] = one
            told = [Deed("recorded", one) for one, how in zip(playbooks, statuses, strict=True) if how != "unchanged"]
            self._write([(one, vectors[one.model, one.query]) for one in last.values()], [], told, actor)
        return statuses

    def _write(
        self, puts: list[tuple[Playbook, Vector]], gone: list[Playbook], deeds: list[Deed], actor: str | None
    ) -> None:
        """One transaction on the control plane, then the same in memory."""
        with self._lake.control() as cursor:
            for one in gone:
                cursor.execute("delete from control.playbook where playbook_id = ?", [one.playbook_id])
            _put(cursor, puts)
            told = [(deed.playbook.playbook_id, deed.body()) for deed in deeds]
            self._lake.journal.record_all_within(cursor, "outcome", told, actor)
        with self._lock:
            entries = self._loaded()
            self._matrices.clear()
            for one in [*gone, *(entries[one.playbook_id] for one, _ in puts if one.playbook_id in entries)]:
                self._evidence[one.model].remove(entries.pop(one.playbook_id))
            self._hold(entries, puts)
        self._lake.checks.recorded(deed.playbook.corpus for deed in deeds if deed.action == "recorded")

    def _entry(self, playbook_id: str) -> Playbook | None:
        with self._lock:
            return self._loaded().get(playbook_id)


def _put(cursor: duck.Cursor, puts: Sequence[tuple[Playbook, Vector]]) -> None:
    insert = f"insert or replace into control.playbook ({COLUMNS})"
    if len(puts) < SEVERAL:
        for playbook, vector in puts:
            row = [*FIELDS(playbook), vector.astype("<f4").tobytes()]
            cursor.execute(f"{insert} values (?, ?, ?, ?, ?, ?, ?, ?, to_timestamp(?), ?)", row)
        return
    cursor.register(BATCH, _table(puts))
    try:
        selected = COLUMNS.replace("recorded_at", "to_timestamp(recorded_at)")
        cursor.execute(f"{insert} select {selected} from temp.main.{BATCH}")
    finally:
        cursor.unregister(BATCH)


def _table(puts: Sequence[tuple[Playbook, Vector]]) -> pa.Table:
    """Outcomes of one model, `COLUMNS`."""
    columns = {name: pa.array([getattr(one, name) for one, _ in puts], kind) for name, kind in KINDS.items()}
    vectors = np.stack([vector for _, vector in puts]).astype("<f4", copy=False)
    bits = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(vectors.itemsize * vectors.shape[1]), len(puts), [None, pa.py_buffer(vectors)]
    )
    return pa.table(columns | {"vector": bits})
