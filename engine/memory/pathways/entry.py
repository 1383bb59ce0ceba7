"""One pathway as the lake keeps it: the content of its trace, what is derived from it, and how it fared since."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from engine.access.profiles import Profile
from engine.encoded import encode
from engine.memory.pathways import fingerprint
from engine.memory.pathways.fingerprint import Vector
from engine.memory.pathways.trace import read

MOST_REPLAYS = 2**53  # a rate of so many is exact


@dataclass(frozen=True)
class Entry:
    """A row of `control.pathway`, in the order of its columns."""

    uid: str
    pathway_id: str | None
    task_class: str
    file_path: str
    file_prefix: str
    signal_class: str
    content: str
    envelope: str | None
    tags: str | None
    model: str | None
    audit: str | None
    bugs: str | None
    workflow: str | None
    vector: bytes
    predecessor_uid: str | None
    version: int
    superseded_by: str | None
    superseded_at_ns: int | None
    retired: bool
    retirement_reason: str | None
    replay_count: int
    replays_succeeded: int
    replays_failed: int
    created_at_ns: int
    updated_at_ns: int
    recorded_by: str | None = None

    def is_seen_by(self, profile: Profile) -> bool:
        """Whether a profile may know of it: what others recorded may tell of what it must not see."""
        return profile.sees_everything or self.recorded_by == profile.name

    @property
    def is_live(self) -> bool:
        """Neither retired nor superseded."""
        return not self.retired and self.superseded_by is None and self.superseded_at_ns is None

    @property
    def status(self) -> str:
        """live, superseded or retired."""
        return "live" if self.is_live else "retired" if self.retired else "superseded"

    @property
    def judged(self) -> int:
        """Replays of which it is known whether they succeeded."""
        return self.replays_succeeded + self.replays_failed

    @property
    def success_rate(self) -> float | None:
        """The share of judged replays that succeeded, None before the first."""
        return self.replays_succeeded / self.judged if self.judged else None

    def replayed(self, succeeded: bool | None) -> "Entry":
        """The same pathway with one replay more; None for one that nobody judged."""
        return replace(
            self,
            replay_count=min(self.replay_count + 1, MOST_REPLAYS),
            replays_succeeded=self.replays_succeeded + (succeeded is True),
            replays_failed=self.replays_failed + (succeeded is False),
        )

    def floats(self) -> Vector:
        """Its vector, float32 [32]."""
        return np.frombuffer(self.vector, "<f4")


TYPES: dict[Any, pa.DataType] = {
    str: pa.string(), str | None: pa.string(), int: pa.int64(), int | None: pa.int64(), bool: pa.bool_(),
    bytes: pa.binary(),
}  # fmt: skip
SCHEMA = pa.schema([(field.name, TYPES[field.type]) for field in fields(Entry)])
COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)


def table(entries: Sequence[Entry]) -> pa.Table:
    """Entries as a table with the columns of `control.pathway`."""
    return pa.Table.from_pylist([vars(entry) for entry in entries], schema=SCHEMA)


def new(uid: str, content: Any, now_ns: int, *, tags: list[str] | None = None, envelope: str | None = None) -> Entry:
    """A pathway nobody has replayed yet. Raises Invalid for a content whose known fields are wrong."""
    return Entry(
        uid=uid, **_derived(content), envelope=envelope, tags=encode(tags) if tags else None, predecessor_uid=None,
        version=1, superseded_by=None, superseded_at_ns=None, retired=False, retirement_reason=None, replay_count=0,
        replays_succeeded=0, replays_failed=0, created_at_ns=now_ns, updated_at_ns=now_ns,
    )  # fmt: skip


def with_content(entry: Entry, content: Any, now_ns: int) -> Entry:
    """The same pathway with another content."""
    return replace(entry, **_derived(content), updated_at_ns=now_ns)


def _derived(content: Any) -> dict[str, Any]:
    facts = read(content)
    return {
        "content": encode(content),
        "pathway_id": facts.pathway_id,
        "task_class": facts.task_class,
        "file_path": facts.file if facts.file_path else "",
        "file_prefix": fingerprint.file_prefix(facts.file),
        "signal_class": facts.signal,
        "model": facts.model,
        "audit": facts.audit,
        "bugs": facts.bugs(),
        "workflow": facts.workflow,
        "vector": fingerprint.vector(facts.tokens()).astype("<f4").tobytes(),
    }
