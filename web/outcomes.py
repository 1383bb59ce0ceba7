"""What people thought of a row: what is recorded of it, what the caller has just done, and what he may do next."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData, QueryParams

from engine.session import Session
from web.answers import take

RECORDED = "select corpus, id, score from lake.playbooks where query = ?"
OFF = "select corpus, why from lake.playbook_switches"
RECORD = "select status from playbook_record(?, ?, ?, ?)"
RETRACT = "select status from playbook_retract(?, ?, ?)"

SCORES = {"helpful": 1.0, "unhelpful": 0.0}
GONE = {"retracted": "Taken back.", "unchanged": "It was taken back before."}  # by the status of playbook_retract
MAX_LISTED = 1000
MAX_CHARACTERS = 4_000_000


def anchor(corpus: str, row: str) -> str:
    """The name of a row within the page, the same wherever the row stands."""
    return "row-" + hashlib.sha256(f"{corpus}\0{row}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Noted:
    """What the caller has just done to which row, as the address tells it; `deed` is of SCORES or GONE, else empty."""

    corpus: str
    id: str
    deed: str

    @classmethod
    def of(cls, fields: QueryParams | FormData) -> "Noted":
        """What a query string says; a deed that there is not is none."""
        corpus, row, deed = (str(fields.get(f"noted_{name}", "")) for name in ("corpus", "id", "as"))
        return cls(corpus, row, deed if deed in SCORES or deed in GONE else "")

    @property
    def link(self) -> str:
        """Its part of an address, with the row to go to."""
        fields = {"noted_corpus": self.corpus, "noted_id": self.id, "noted_as": self.deed}
        return f"{urlencode(fields)}#{anchor(self.corpus, self.id)}"


@dataclass(frozen=True)
class Outcome:
    """What the page says of a row: its recorded score, None for none, and what has just been done to it."""

    corpus: str
    id: str
    score: float | None
    deed: str  # empty unless it has just been done
    off: bool  # whether what is recorded is not used

    @property
    def anchor(self) -> str:
        """The name of the row within the page."""
        return anchor(self.corpus, self.id)

    @property
    def tone(self) -> str:
        """good, bad, or empty for neither."""
        return "" if self.score in (None, 0.5) else "good" if self.score > 0.5 else "bad"

    @property
    def said(self) -> str:
        """What is recorded, or was taken back, in words; empty where there is nothing to say."""
        if self.score is None:
            return "Recorded, and taken back since." if self.deed in SCORES else GONE.get(self.deed, "")
        means = {"good": "helpful", "bad": "not helpful", "": "neither helpful nor unhelpful"}[self.tone]
        degree = "" if self.score in (0.0, 0.5, 1.0) else f" (score {self.score:.3g})"
        return f"Recorded as {means}{degree}.{' It is not used: memory is off here.' if self.off else ''}"


@dataclass(frozen=True)
class Memory:
    """What the caller may record, where memory is off and why, and what is known of the rows of a question."""

    role: str
    may_record: bool
    off: dict[str, str]
    recorded: dict[tuple[str, str], float]
    noted: Noted
    sees_recorded: Callable[[str], bool]  # whether the caller sees what is recorded of a corpus

    @classmethod
    def of(cls, session: Session, question: str, noted: Noted) -> "Memory":
        """What the caller sees of it. Raises LakehouseError."""
        recorded = _records(session, RECORDED, [question]) if question else []
        return cls(
            role=session.role,
            may_record=session.may("records"),
            off={one["corpus"]: one["why"] for one in _records(session, OFF)},
            recorded={(one["corpus"], one["id"]): one["score"] for one in recorded},
            noted=noted,
            sees_recorded=session.reach.changes_corpus,
        )

    def outcome(self, corpus: str, row: str) -> Outcome:
        """The outcome of a row. What he has just done is believed where the caller does not see what is recorded."""
        deed = self.noted.deed if (self.noted.corpus, self.noted.id) == (corpus, row) else ""
        score = self.recorded.get((corpus, row))
        if score is None and not self.sees_recorded(corpus):
            score = SCORES.get(deed)
        return Outcome(corpus, row, score, deed, corpus in self.off)


def note(session: Session, target: list[object], verdict: str) -> str:
    """Record or take back (`retract`) the outcome of a question, a corpus and an id; returns the deed.

    Raises what `playbook_record` and `playbook_retract` raise.
    """
    if verdict == "retract":
        return str(_records(session, RETRACT, target)[0]["status"])
    _records(session, RECORD, [*target, SCORES[verdict]])
    return verdict


def _records(session: Session, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
    return take(session, sql, params, limit=MAX_LISTED, size=MAX_CHARACTERS).records()
