"""All recorded outcomes: kept on disk, and in memory by model and corpus for the searches that they move."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from engine.access.profiles import Profile
from engine.errors import Invalid, LakehouseError, NotFound, TimedOut
from engine.memory import outcomes
from engine.memory.admission import Admission, Given
from engine.memory.evidence import Asked, Evidence
from engine.memory.fit import Fit
from engine.memory.outcomes import Outcome
from engine.memory.playbook import BOOST_DISTANCE, NEAREST, Near, Playbook, playbook_id, same_role
from engine.memory.policy import SAYS_NOTHING, UNDECIDED, Policy
from engine.memory.questions import Vector
from engine.memory.robust import telling
from engine.models.cache import QuestionCache
from engine.models.endpoint import LOOK_SECONDS
from engine.search.fusion import Key
from engine.search.generation import Generation

if TYPE_CHECKING:
    from engine.lake import Lake

Cancelled = Callable[[], bool] | None
Held = tuple[str, Vector, list[Playbook]]  # a recorded question, its vector, and its judgements


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
        self._bringing = threading.Lock()  # one at a time embeds questions again; taken before the others
        self._entries: dict[str, Playbook] | None = None
        self._evidence: dict[tuple[str, str], Evidence] = {}  # by model and corpus, of the outcomes that apply
        self._matrices: dict[str, tuple[list[Playbook], Vector]] = {}  # by model, for the classic mode
        self._policy = Policy(lake.config.memory, lake.clock)
        self._of_model: dict[str, str] = {}  # by corpus, the model whose questions all its outcomes are known to have
        self._astray: frozenset[str] = frozenset()  # corpora whose outcomes are about other questions than they say

    def _loaded(self) -> dict[str, Playbook]:
        if self._entries is None:
            entries: dict[str, Playbook] = {}
            with self._lake.control() as cursor:
                for some in outcomes.read(cursor):
                    self._hold(entries, some)
            self._entries = entries
        return self._entries

    def _hold(self, entries: dict[str, Playbook], some: Sequence[Outcome]) -> None:
        applying: dict[tuple[str, str], list[Outcome]] = {}
        for one, vector in some:
            entries[one.playbook_id] = one
            if self._policy.applies(one):
                applying.setdefault((one.model, one.corpus), []).append((one, vector))
        for place, mine in applying.items():
            self._evidence.setdefault(place, Evidence()).add_all(mine)

    def _forget(self, entries: dict[str, Playbook], playbook_id: str) -> None:
        one = entries.pop(playbook_id, None)
        if one is not None and self._policy.applies(one):
            self._evidence[one.model, one.corpus].remove(one)

    # -- reading -------------------------------------------------------------------------------------------------------

    def near(
        self,
        question: Vector,
        generations: Sequence[Generation],
        role: str | None,
        shows: Callable[[Key], bool],
        *,
        nearest: int = NEAREST,
        cancelled: Cancelled = None,
    ) -> list[Near]:
        """The recorded questions nearest to `question` (unit length) within the boost distance, nearest first.

        `generations`: what is searched, all of one model. `shows`: whether the caller may see an answer; an outcome
        about a hidden one counts for nothing.
        """
        for generation in generations:
            self._bring_over(generation, cancelled)
        model = generations[0].manifest.model_sha256 if generations else ""
        with self._lock:
            playbooks, matrix = self._matrix(model, len(question))
        if not playbooks:
            return []
        distances = 1 - matrix @ question
        within = np.flatnonzero(distances <= BOOST_DISTANCE)
        order = within[np.lexsort((within, distances[within]))]
        fitting = (Near(playbooks[at], float(max(distances[at], 0.0))) for at in order.tolist())
        seen = (one for one in fitting if same_role(one.playbook.role, role) and shows(one.playbook.key))
        found = list(islice(seen, nearest))
        with self._lock:
            return self._policy.faded(found, partial(self._failures, model), SAYS_NOTHING)

    def _failures(self, model: str, key: Key) -> int:
        evidence = self._evidence.get((model, key.corpus))
        return evidence.failures(key) if evidence else 0

    def _matrix(self, model: str, dimension: int) -> tuple[list[Playbook], Vector]:
        entries = self._loaded()
        if model not in self._matrices:
            mine = [one for one in entries.values() if one.model == model and self._policy.applies(one)]
            mine.sort(key=lambda one: one.playbook_id)
            vectors = [self._vector(one) for one in mine]
            self._matrices[model] = (mine, np.stack(vectors) if mine else np.empty((0, dimension), np.float32))
        return self._matrices[model]

    def _vector(self, playbook: Playbook) -> Vector:
        return self._evidence[playbook.model, playbook.corpus].questions.vector(playbook.query)

    def recall(
        self,
        asked: Asked,
        generations: Sequence[Generation],
        role: str | None,
        wanted: Collection[Key],
        *,
        without: str | None = None,
        cancelled: Cancelled = None,
    ) -> Memory:
        """What is recorded near to a question about `wanted` documents, for the robust mode.

        The outcomes of a corpus are read by themselves, so that others say nothing about them. `generations`: what is
        searched, all of one model. `without`: a recorded question to leave out.
        """
        memory = Memory([], {})
        for generation in generations:
            self._bring_over(generation, cancelled)
            with self._lock:
                self._loaded()
                evidence = self._evidence.get((generation.manifest.model_sha256, generation.corpus))
                if evidence is not None:
                    self._add(memory, evidence, asked, generation, role, wanted, without)
        self._tell_astray(memory.fits)
        return memory

    def _add(
        self,
        memory: Memory,
        evidence: Evidence,
        asked: Asked,
        generation: Generation,
        role: str | None,
        wanted: Collection[Key],
        without: str | None,
    ) -> None:
        questions = evidence.nearest(asked, without)
        near = evidence.judgements(questions, evidence.usual(asked), role, wanted) if questions else []
        if near:
            fit = memory.fits[generation.corpus] = evidence.fit_to(generation)
            heard = telling(evidence.sharing(near, asked), {generation.corpus: fit})
            compared = evidence.compared(heard, asked, generation)
            memory.near.extend(self._policy.faded(compared, evidence.failures, UNDECIDED))

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

    def _bring_over(self, generation: Generation, cancelled: Cancelled) -> None:
        """Embed again the questions of a corpus that has got another model; those that fail are set aside.

        Raises TimedOut soon after `cancelled` becomes true: the next search embeds them then.
        """
        corpus, model = generation.corpus, generation.manifest.model_sha256
        if self._of_model.get(corpus) == model:
            return
        while not self._bringing.acquire(timeout=LOOK_SECONDS):
            if cancelled and cancelled():
                raise TimedOut
        try:
            while self._of_model.get(corpus) != model:
                known = self._present(corpus, model)
                if known is None:
                    return
                self._bring(self._stale(corpus, model), corpus, known, cancelled)
        finally:
            self._bringing.release()

    def _present(self, corpus: str, model: str) -> QuestionCache | None:
        """What embeds the questions of a corpus; None when it has got another model, or is gone, under a search."""
        try:
            known = self._lake.models.questions(self._lake.corpora.definition(corpus).embedder)
        except LakehouseError:
            return None
        return known if known.embedder.sha256 == model else None

    def _bring(self, stale: list[Playbook], corpus: str, known: QuestionCache, cancelled: Cancelled) -> None:
        """Embed outcomes again without keeping others from recording; what these have changed meanwhile is theirs."""
        model, texts = known.embedder.sha256, list(dict.fromkeys(one.query for one in stale))
        told: dict[str, object] = {"corpus": corpus, "model": model, "outcomes": len(stale)}
        vectors, why = {}, None
        try:
            vectors = dict(zip(texts, known.embed_questions(texts, cancelled=cancelled), strict=True))
        except TimedOut:
            raise
        except LakehouseError as error:
            why = str(error)
        with self._writing:
            mine = [one for one in stale if one.query in vectors and self._entry(one.playbook_id) == one]
            if mine:
                self._write([(replace(one, model=model), vectors[one.query]) for one in mine], [], [], None)
            if why is not None or not self._stale(corpus, model):
                self._of_model[corpus] = model
        if why is not None:
            self._lake.journal.record("playbook_set_aside", corpus, told | {"why": why}, durable=True)
        elif stale:
            self._lake.journal.record("playbook_embedded", corpus, told, durable=True)

    def _stale(self, corpus: str, model: str) -> list[Playbook]:
        with self._lock:
            return [one for one in self._loaded().values() if one.corpus == corpus and one.model != model]

    def held(self, generation: Generation, cancelled: Cancelled = None) -> list[Held]:
        """The recorded questions about a corpus with their vectors and judgements, by question."""
        self._bring_over(generation, cancelled)
        model = generation.manifest.model_sha256
        with self._lock:
            asked: dict[str, list[Playbook]] = {}
            for one in self._loaded().values():
                if (one.corpus, one.model) == (generation.corpus, model) and self._policy.applies(one):
                    asked.setdefault(one.query, []).append(one)
            return [(text, self._vector(asked[text][0]).copy(), asked[text]) for text in sorted(asked)]

    def answers(self, rows: Sequence[tuple[str, str]]) -> list[str]:
        """For each (corpus, id) whether that document is there, gone, or in a corpus that cannot be read."""
        places = {corpus: self._places(corpus) for corpus in {corpus for corpus, _ in rows}}
        return [
            "unreadable" if (known := places[corpus]) is None else "there" if id in known else "gone"
            for corpus, id in rows
        ]

    def _places(self, corpus: str) -> Collection[str] | None:
        try:
            return self._lake.corpora.live(corpus).places if self._lake.corpora.exists(corpus) else ()
        except LakehouseError:
            return None  # lake.corpora says why

    # -- writing -------------------------------------------------------------------------------------------------------

    def record(self, given: Given, reach: Profile, *, allow_missing: bool = False) -> tuple[str, str]:
        """Record an outcome, on disk before this returns; returns (playbook_id, created | replaced | unchanged).

        Raises what `Admission.admit` raises.
        """
        admission = Admission(self._lake, reach)
        playbook = admission.admit(given, allow_missing=allow_missing)
        vectors = admission.vectors([playbook])
        return playbook.playbook_id, self.record_many([(playbook, vectors[playbook.query])], reach.name)[0]

    def retract(self, query: str | None, corpus: str | None, id: str | None, reach: Profile) -> tuple[str, str]:
        """Forget an outcome, so that every ranking is as if it had never been.

        Returns (playbook_id, retracted | unchanged): unchanged when that was done before. Raises Invalid for a missing
        argument, NotFound for what was never recorded.
        """
        if not query or not corpus or not id:
            raise Invalid("retracting needs the query, the corpus and the id", "as they stand in lake.playbooks")
        wanted, admission = playbook_id(query, corpus, id), Admission(self._lake, reach)
        with self._writing:
            found = self._entry(wanted)
            is_seen = admission.sees(Key(corpus, id))
            if is_seen and found is not None:
                self._write([], [found], [Deed("retracted", found)], reach.name)
                return wanted, "retracted"
            if is_seen:
                with self._lake.control() as cursor:
                    if outcomes.was_there(cursor, wanted):
                        return wanted, "unchanged"
        raise NotFound(
            f"no outcome is recorded for {id[:80]!r} of {corpus[:80]!r} and this query", "see lake.playbooks"
        )

    def supersede(self, old: str | None, given: Given, reach: Profile) -> tuple[str, str]:
        """Put an outcome in the place of an older one, of which only the journal is left; (playbook_id, superseded).

        Role and note stay unless given. Raises Invalid without an id, NotFound for an outcome that is not there (any
        more), and what `Admission.admit` raises.
        """
        if not old:
            raise Invalid("superseding needs the playbook_id of what goes", "take it from lake.playbooks")
        admission = Admission(self._lake, reach)
        before = self._entry(old)
        if before is None or not admission.sees(before.key):
            raise NotFound(f"there is no playbook {old[:80]!r}", "it may be retracted or superseded; see lake.outcomes")
        kept = (*given[:4], given[4] or before.role, given[5] or before.note)
        playbook = admission.admit(kept)
        vector = admission.vectors([playbook])[playbook.query]
        with self._writing:
            if self._entry(before.playbook_id) != before:
                raise NotFound(f"there is no playbook {old!r} any more", "another writer was faster; see lake.outcomes")
            gone = [before] if before.playbook_id != playbook.playbook_id else []
            deeds = [Deed("superseded", before), Deed("recorded", playbook)]
            self._write([(playbook, vector)], gone, deeds, reach.name)
        return playbook.playbook_id, "superseded"

    def record_many(self, some: Sequence[Outcome], actor: str) -> list[str]:
        """Record admitted outcomes in one transaction; returns created | replaced | unchanged for each, in order.

        Where outcomes fade with time, one that is recorded again is as new as that.
        """
        statuses: list[str] = []
        last: dict[str, Outcome] = {}
        with self._writing:
            for one, vector in some:
                before = last[one.playbook_id][0] if one.playbook_id in last else self._entry(one.playbook_id)
                same = before == one and not self._policy.fades
                statuses.append("created" if before is None else "unchanged" if same else "replaced")
                if not same:
                    last[one.playbook_id] = (one, vector)
            told = [Deed("recorded", one) for (one, _), how in zip(some, statuses, strict=True) if how != "unchanged"]
            if told:
                self._write(list(last.values()), [], told, actor)
        return statuses

    def _write(self, puts: list[Outcome], gone: list[Playbook], deeds: list[Deed], actor: str | None) -> None:
        """One transaction on the control plane, then the same in memory."""
        with self._lake.control() as cursor:
            outcomes.delete(cursor, gone)
            outcomes.put(cursor, puts)
            told = [(deed.playbook.playbook_id, deed.body()) for deed in deeds]
            self._lake.journal.record_all_within(cursor, "outcome", told, actor)
        with self._lock:
            try:
                entries = self._loaded()
                self._matrices.clear()
                for one in (*gone, *(one for one, _ in puts)):
                    self._forget(entries, one.playbook_id)
                self._hold(entries, puts)
            except BaseException:
                self._entries = None  # it is read from the disk again
                self._evidence.clear()
                raise
            for corpus, model in {(one.corpus, one.model) for one, _ in puts}:
                if self._of_model.get(corpus) != model:  # its corpus has got another model meanwhile
                    self._of_model.pop(corpus, None)
        if deeds:
            self._lake.corpora.upkeep.notice("outcome")
        self._lake.checks.recorded(deed.playbook.corpus for deed in deeds if deed.action == "recorded")

    def _entry(self, playbook_id: str) -> Playbook | None:
        with self._lock:
            return self._loaded().get(playbook_id)
