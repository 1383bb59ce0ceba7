"""A playbook: which answer proved right for which question. And the mode `classic`: how it moved a ranking first.

`classic` is the mode of the original system: the three nearest recorded questions within a cosine distance of 0.5 boost
their answers (distance × (1 − 0.5 × score)), and one within 0.20 brings in an answer that would not be shown.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.memory.words import NEUTRAL
from engine.search.fusion import Key

NEAREST = 3
BOOST_DISTANCE = 0.5
INJECT_DISTANCE = 0.20
SAME = 1e-4  # distance up to which a recorded question may be the one that is asked
SHORTEST_SINGULAR = 2
SIBILANTS = ("ses", "xes", "zes", "ches", "shes", "oes")  # before them a plural takes an e
STRENGTH = 0.5  # the most that one outcome takes off a distance: no runaway feedback


@dataclass(frozen=True, slots=True)
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
    recorded_at: float = field(default=0.0, compare=False)  # seconds since the epoch

    @property
    def key(self) -> Key:
        """The answer."""
        return Key(self.corpus, self.id)

    @property
    def factor(self) -> float:
        """What a distance is multiplied with: 1 − 0.5 × score."""
        return 1 - STRENGTH * self.score


class Neighbour(NamedTuple):
    """A recorded question near to the one that is asked. `own`: it is that very question."""

    text: str
    cosine: float
    own: bool = False


class Near(NamedTuple):
    """A judgement for a recorded question near to the one that is asked.

    `words`, `meaning`: how much better its document suits the recorded question than the one that is asked, by its
    words and by the cosine, -2 … 2. What suits the recorded one better may be right for it alone. `usual`: how near
    recorded questions usually are to the one that is asked, as `density.usual` has it. `common`: what the two questions
    have in common of their words, 0 … 1; a quarter says nothing. `idle`: the same of words that tell nothing, 0 … 1.
    `own`: it was made for the very question that is asked.
    """

    playbook: Playbook
    distance: float
    words: float = 0.0
    meaning: float = 0.0
    usual: float = 0.0
    common: float = NEUTRAL
    idle: float = 0.0
    own: bool = False


@dataclass(frozen=True)
class Move:
    """What memory does to one answer: the factor on its distance, and whether it was brought in."""

    near: Near
    injected: bool

    def explained(self, *, asked: bool = True) -> dict[str, object]:
        """The move as a part of `_explain`. `asked`: with the text of the recorded question."""
        return {
            **told_of(self.near, asked=asked),
            "factor": self.near.playbook.factor,
            "injected": self.injected,
        }


def told_of(near: Near, *, asked: bool) -> dict[str, object]:
    """What `_explain` tells of an outcome. `asked`: with the text of its question."""
    query = {"query": near.playbook.query} if asked else {}
    return {"playbook_id": near.playbook.playbook_id, **query, "query_distance": round(max(0.0, near.distance), 6)}


def playbook_id(query: str, corpus: str, id: str) -> str:
    """The id of the one truth per (question, corpus, id): recording again replaces."""
    parts = (part.replace("\x1e", "\x1e\x1e").replace("\x1f", "\x1e-") for part in (query, corpus, id))
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def same_role(recorded: str | None, asked: str | None) -> bool:
    """Whether a recorded role fits the asked one: case and plural folded; an empty one fits all."""
    kept, wanted = (recorded or "").lower().split(), (asked or "").lower().split()
    if not kept or not wanted:
        return True
    return len(kept) == len(wanted) and all(
        _singulars(one) & _singulars(other) for one, other in zip(kept, wanted, strict=True)
    )


def _singulars(word: str) -> set[str]:
    """The word, and all that it may be the plural of: what `roadies`, `secretaries`, `buses` are, no rule tells."""
    singulars = {word}
    if word.endswith("s") and not word.endswith("ss") and len(word) > SHORTEST_SINGULAR:
        singulars.add(word[:-1])
        if word.endswith("ies"):
            singulars.add(f"{word[:-3]}y")
        elif word.endswith(SIBILANTS):
            singulars.add(word[:-2])
    return singulars


def classic(near: Sequence[Near], present: Collection[Key], shown: Collection[Key]) -> dict[Key, Move]:
    """The moves of the classic mode. `present`: answers that were found without memory; `shown`: those of the first k.

    The strongest outcome counts once for an answer; what is not shown is brought in once, by its nearest question, if
    it proved right at all.
    """
    moves: dict[Key, Move] = {}
    for one in sorted(near, key=lambda one: one.distance):
        key, known = one.playbook.key, moves.get(one.playbook.key)
        if key not in shown and one.distance <= INJECT_DISTANCE and one.playbook.score > 0:
            moves.setdefault(key, Move(one, True))
        elif key in present and (known is None or not known.injected) and _is_stronger(one, known):
            moves[key] = Move(one, False)
    return moves


def _is_stronger(one: Near, known: Move | None) -> bool:
    return known is None or one.playbook.factor < known.near.playbook.factor
