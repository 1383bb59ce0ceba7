"""When a pathway may be taken again, and when it is retired for good."""

from dataclasses import dataclass

from engine.memory.pathways.entry import Entry

MIN_REPLAYS = 3
MIN_SUCCESS = 0.80
MIN_SIMILARITY = 0.90
OUTRIGHT = 0.7  # confidence of an observer whose rejection retires at once
REJECTED = "reject"
VERDICTS = ("accept", "cycle", REJECTED)


@dataclass(frozen=True)
class Gate:
    """The six conditions of the hot swap: with all of them, the pathway's model is tried first."""

    same_fingerprint: bool
    replays: bool
    success: bool
    audit: bool
    similarity: bool
    live: bool

    @property
    def eligible(self) -> bool:
        """Whether all of them hold."""
        return all(vars(self).values())


def hot_swap(entry: Entry, pathway_id: str, similarity: float) -> Gate:
    """The conditions for taking `entry` on a task of `pathway_id` whose vector has this cosine to it.

    An audit that is missing is no obstacle (there is none at first); one that failed or cannot be read is.
    """
    return Gate(
        same_fingerprint=entry.pathway_id == pathway_id,
        replays=entry.judged >= MIN_REPLAYS,
        success=(entry.success_rate or 0.0) >= MIN_SUCCESS,
        audit=entry.audit in (None, "passed"),
        similarity=similarity >= MIN_SIMILARITY,
        live=entry.is_live,
    )


def failing(entry: Entry) -> str | None:
    """Why a pathway is to be retired after a replay, or None: below 0.80 after three."""
    rate = entry.success_rate
    if entry.judged < MIN_REPLAYS or rate is None or rate >= MIN_SUCCESS:
        return None
    return f"{entry.replays_succeeded} of {entry.judged} replays succeeded, less than {MIN_SUCCESS:.0%}"


def rejected(verdict: str | None, confidence: float | None) -> str | None:
    """Why an observer's verdict retires a pathway, or None: an outright rejection. `cycle` does not."""
    if verdict == REJECTED and confidence is not None and confidence >= OUTRIGHT:
        return f"the observer rejected its output with confidence {confidence:.2f}"
    return None
