"""Playbooks: which answer proved right for which question, and how that moves a ranking.

`classic` is the mode of the original system: the three nearest recorded questions within a cosine distance of 0.5 boost
their answers (distance × (1 − 0.5 × score)), and one within 0.20 brings in an answer that was not found at all.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine import duck
from engine.access.profiles import Profile
from engine.errors import Invalid, NotFound
from engine.search import filters
from engine.search.fusion import Key

if TYPE_CHECKING:
    from engine.lake import Lake

NEAREST = 3
BOOST_DISTANCE = 0.5
INJECT_DISTANCE = 0.20
STRENGTH = 0.5  # the most that one outcome takes off a distance: no runaway feedback


@dataclass(frozen=True)
class Playbook:
    """One recorded outcome: for `query`, `id` of `corpus` was right (score 1) or wrong (0)."""

    playbook_id: str
    query: str
    corpus: str
    id: str
    score: float
    role: str | None
    note: str | None
    model: str

    @property
    def key(self) -> Key:
        """The answer."""
        return Key(self.corpus, self.id)

    @property
    def factor(self) -> float:
        """What a distance is multiplied with: 1 − 0.5 × score."""
        return 1 - STRENGTH * self.score


@dataclass(frozen=True)
class Near:
    """A recorded question near to the one that is asked."""

    playbook: Playbook
    distance: float


@dataclass(frozen=True)
class Move:
    """What memory does to one answer: the factor on its distance, and whether it was brought in."""

    near: Near
    injected: bool

    def explained(self) -> dict[str, object]:
        """The move as a part of `_explain`."""
        return {
            "playbook_id": self.near.playbook.playbook_id,
            "query": self.near.playbook.query,
            "query_distance": round(self.near.distance, 6),
            "factor": self.near.playbook.factor,
            "injected": self.injected,
        }


def playbook_id(query: str, corpus: str, id: str) -> str:
    """The id of the one truth per (question, corpus, id): recording again replaces."""
    return hashlib.sha256("\x1f".join((query, corpus, id)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def same_role(recorded: str | None, asked: str | None) -> bool:
    """Whether a recorded role fits the asked one: case and plural folded; an empty one fits all."""
    return not recorded or not asked or _folded(recorded) == _folded(asked)


def _folded(role: str) -> str:
    words = role.lower().split()
    return " ".join(word[:-1] if word.endswith("s") and not word.endswith("ss") else word for word in words)


def classic(near: Sequence[Near], present: Mapping[Key, float]) -> dict[Key, Move]:
    """The moves of the classic mode. `present`: distance of each answer that was found without memory.

    The strongest outcome counts once for an answer; an absent answer is brought in once, by its nearest question.
    """
    moves: dict[Key, Move] = {}
    for one in near:
        key, known = one.playbook.key, moves.get(one.playbook.key)
        if key in present:
            if known is None or one.playbook.factor < known.near.playbook.factor:
                moves[key] = Move(one, False)
        elif one.distance <= INJECT_DISTANCE and known is None:
            moves[key] = Move(one, True)
    return moves


class Playbooks:
    """All recorded outcomes, with their questions as vectors in memory."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake."""
        self._lake = lake
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[Playbook, NDArray[np.float32]]] | None = None
        self._matrices: dict[str, tuple[list[Playbook], NDArray[np.float32]]] = {}

    def _loaded(self) -> dict[str, tuple[Playbook, NDArray[np.float32]]]:
        if self._entries is None:
            with self._lake.control() as cursor:
                rows = cursor.execute(
                    "select playbook_id, query, corpus, id, score, role, note, model, vector "
                    "from control.playbook order by playbook_id"
                ).fetchall()
            self._entries = {row[0]: (Playbook(*row[:8]), np.frombuffer(row[8], "<f4")) for row in rows}
        return self._entries

    def near(
        self,
        question: NDArray[np.float32],
        model: str,
        role: str | None,
        shows: Callable[[Key], bool],
        *,
        nearest: int = NEAREST,
    ) -> list[Near]:
        """The recorded questions nearest to `question` (unit length) within the boost distance, nearest first.

        `shows`: whether the caller may see an answer; an outcome about a hidden one counts for nothing.
        """
        with self._lock:
            entries = self._loaded()
            if model not in self._matrices:
                mine = [entry for entry in entries.values() if entry[0].model == model]
                mine.sort(key=lambda entry: entry[0].playbook_id)
                vectors = np.stack([vector for _, vector in mine]) if mine else np.empty((0, len(question)), np.float32)
                self._matrices[model] = ([playbook for playbook, _ in mine], vectors)
            playbooks, matrix = self._matrices[model]
        if not playbooks:
            return []
        distances = 1 - matrix @ question
        within = np.flatnonzero(distances <= BOOST_DISTANCE)
        order = within[np.lexsort((within, distances[within]))]
        fitting = (Near(playbooks[at], float(max(distances[at], 0.0))) for at in order.tolist())
        seen = (one for one in fitting if same_role(one.playbook.role, role) and shows(one.playbook.key))
        return list(islice(seen, nearest))

    def record(
        self,
        query: str | None,
        corpus: str | None,
        id: str | None,
        score: float | None,
        role: str | None,
        note: str | None,
        reach: Profile,
    ) -> tuple[str, str]:
        """Record an outcome, on disk before this returns; returns (playbook_id, created | replaced | unchanged).

        Raises Invalid for a missing value or a score outside [0, 1], NotFound for an unknown corpus or id.
        """
        if not query or not query.strip() or not corpus or not id:
            raise Invalid("an outcome needs a query, a corpus and an id", "playbook_record(query, corpus, id, score)")
        if score is None or not 0 <= score <= 1:
            raise Invalid(f"the score {score} is not within 0 and 1", "1 = it was right, 0 = it was wrong")
        if not self._is_seen(corpus, id, reach):
            raise NotFound(f"corpus {corpus!r} has no document {id!r}", "take the id from a search result")
        questions = self._lake.models.questions(self._lake.corpora.definition(corpus).embedder)
        vector, model = questions.embed_questions([query])[0], questions.embedder.sha256
        playbook = Playbook(playbook_id(query, corpus, id), query, corpus, id, float(score), role, note, model)
        with self._lock:
            before = self._loaded().get(playbook.playbook_id)
            if before is not None and before[0] == playbook:
                return playbook.playbook_id, "unchanged"
            with self._lake.control() as cursor:
                cursor.execute(
                    "insert or replace into control.playbook "
                    "(playbook_id, query, corpus, id, score, role, note, model, vector) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [*vars(playbook).values(), vector.astype("<f4").tobytes()],
                )
                self._journal(cursor, "recorded", playbook, reach.name)
            self._loaded()[playbook.playbook_id] = (playbook, vector)
            self._matrices.clear()
        return playbook.playbook_id, "created" if before is None else "replaced"

    def _is_seen(self, corpus: str, id: str, reach: Profile) -> bool:
        """Whether a profile sees this document. Raises NotFound for a corpus that it does not see."""
        live = self._lake.corpora.chosen([corpus], reach)[0]
        grant = None if reach.sees_everything else reach.on_corpus(corpus)
        position, document = live.places.get(id, (-1, -1))
        return position >= 0 and bool(filters.seen(self._lake.cursor, live, grant)[position][document])

    def retract(self, query: str | None, corpus: str | None, id: str | None, reach: Profile) -> tuple[str, str]:
        """Forget an outcome, so that every ranking is as if it had never been; (playbook_id, retracted)."""
        if not query or not corpus or not id:
            raise Invalid("retracting needs the query, the corpus and the id", "as they stand in lake.playbooks")
        wanted = playbook_id(query, corpus, id)
        with self._lock:
            found = self._loaded().get(wanted)
            if found is None or not (reach.sees_everything or self._is_seen(corpus, id, reach)):
                raise NotFound(f"no outcome is recorded for {id!r} of {corpus!r} and this query", "see lake.playbooks")
            with self._lake.control() as cursor:
                cursor.execute("delete from control.playbook where playbook_id = ?", [wanted])
                self._journal(cursor, "retracted", found[0], reach.name)
            del self._loaded()[wanted]
            self._matrices.clear()
        return wanted, "retracted"

    def _journal(self, cursor: duck.Cursor, action: str, playbook: Playbook, actor: str) -> None:
        told = ("query", "corpus", "id", "score", "role", "note")
        body = {"action": action, **{name: getattr(playbook, name) for name in told}}
        self._lake.journal.record_within(cursor, "outcome", playbook.playbook_id, body, actor)
