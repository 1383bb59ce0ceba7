"""What is done to pathways: record, update, revise, retire, replay. Each takes many at once, in one transaction.

From the original's two contracts. Its log: adding again under a known uid counts a replay and keeps the first content.
Its upsert: the same attempts with the same end are the same workflow, so that recording them again counts a replay of
the pathway that is there; where that one was retired or superseded nothing is done, since retirement is for good.
"""

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.encoded import encode
from engine.errors import Conflict, Invalid, nearest
from engine.memory.pathways import gate
from engine.memory.pathways.entry import Entry, new, with_content
from engine.memory.pathways.recorded import Recorded, parse, parse_all
from engine.memory.pathways.store import Unit, writing

if TYPE_CHECKING:
    from engine.lake import Lake

LONGEST_REASON = 10_000
MOST_OUTCOMES = 100_000  # of one pathway in one call: all others who record wait for it


@dataclass(frozen=True)
class Done:
    """What became of one pathway."""

    entry: Entry
    status: str
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        """As a row of SQL."""
        one = self.entry
        return {
            "uid": one.uid,
            "status": self.status,
            "pathway_id": one.pathway_id,
            "version": one.version,
            "replay_count": one.replay_count,
            "replays_succeeded": one.replays_succeeded,
            "success_rate": one.success_rate,
            "predecessor_uid": one.predecessor_uid,
            "reason": self.reason or one.retirement_reason,
        }


@dataclass(frozen=True)
class Replays:
    """How replays of a pathway went, in their order; an observer's verdict, and his confidence, are of the only one."""

    uid: str | None
    succeeded: Sequence[bool | None]
    verdict: str | None = None
    confidence: float | None = None

    def check(self) -> None:
        """Raises Invalid for what cannot be counted."""
        if not self.succeeded or None in self.succeeded:
            raise Invalid("succeeded is missing", "true or false, or a list of them")
        if len(self.succeeded) > MOST_OUTCOMES:
            raise Invalid(f"succeeded has more than {MOST_OUTCOMES} outcomes", "tell them in several calls")
        if self.verdict is not None and self.verdict not in gate.VERDICTS:
            raise Invalid(f"unknown verdict {self.verdict[:80]!r}", nearest(self.verdict, gate.VERDICTS))
        if self.verdict is not None and len(self.succeeded) > 1:
            raise Invalid("a verdict is of one replay", "tell the outcomes before it without one")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise Invalid(f"the confidence {self.confidence} is not within 0 and 1", "0.7 and more is outright")

    @property
    def rejected(self) -> str | None:
        """Why the verdict retires the pathway, if it does."""
        return gate.rejected(self.verdict, self.confidence)


class Operations:
    """The acts of one caller on the pathways of a lake."""

    def __init__(
        self,
        lake: "Lake",
        actor: str,
        *,
        check: Callable[[], None] = lambda: None,
        new_uid: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """`check` is called between steps and may raise to stop; then nothing was done."""
        self._lake, self._actor, self._check, self._new_uid = lake, actor, check, new_uid
        self._limit = lake.config.pathway.trace_bytes

    def _writing(self) -> AbstractContextManager[Unit]:
        return writing(self._lake, self._actor, self._check)

    def record(self, texts: Sequence[str]) -> list[list[Done]]:
        """Add traces; one under a known uid, or with a known workflow, counts as a replay of it.

        Each text is a trace or a list of them. Status: added, updated (a replay was counted) or noop (the known one is
        retired or superseded).
        """
        all_bytes = self._lake.config.pathway.file_bytes
        groups = [parse_all(text, self._limit, all_bytes) for text in texts]
        done = iter(self._record([one for group in groups for one in group]))
        return [list(islice(done, len(group))) for group in groups]

    def _record(self, recorded: Sequence[Recorded]) -> list[Done]:
        now_ns = int(self._lake.clock() * 1e9)
        made = [  # a nanosecond apart, so that their order is kept
            new(one.uid or self._new_uid(), one.content, now_ns + at, tags=one.tags) for at, one in enumerate(recorded)
        ]
        with self._writing() as unit:
            unit.load((one.uid for one in made), {one.workflow for one in made if one.workflow})
            return [self._add(unit, one, was.uid is not None) for one, was in zip(made, recorded, strict=True)]

    def _add(self, unit: Unit, entry: Entry, is_named: bool) -> Done:
        self._check()
        known = unit.find(entry.uid) if is_named else None
        if known is None:
            same = unit.same_workflow(entry.workflow)
            known = next((one for one in same if one.is_live), same[0] if same else None)
        if known is None:
            return Done(unit.put(entry, "added", trace=entry.content), "added")
        if not known.is_live:
            return Done(known, "noop", known.retirement_reason or _superseded(known))
        counted = replace(known.replayed(None), updated_at_ns=unit.now_ns)
        return Done(unit.put(counted, "repeated", replay_count=counted.replay_count), "updated")

    def update(self, changes: Sequence[tuple[str | None, str]]) -> list[Done]:
        """Replace contents under the same uids. Status: replaced or unchanged. Raises NotFound, Conflict, Invalid."""
        parsed = [(_named(uid), parse(trace, self._limit)) for uid, trace in changes]
        with self._writing() as unit:
            unit.load([uid for uid, _ in parsed])
            return [self._update(unit, uid, one) for uid, one in parsed]

    def _update(self, unit: Unit, uid: str, recorded: Recorded) -> Done:
        self._check()
        before = _live(unit, uid, "updated")
        _no_other_uid(recorded, uid)
        tags = before.tags if recorded.tags is None else encode(recorded.tags)
        after = replace(with_content(before, recorded.content, unit.now_ns), tags=tags)
        if (after.content, after.tags) == (before.content, before.tags):
            return Done(before, "unchanged")
        return Done(unit.put(after, "updated", trace=after.content, before=before.content), "replaced")

    def revise(self, changes: Sequence[tuple[str | None, str]]) -> list[Done]:
        """Put a new trace in the place of each; status revised, the uid is the new one's.

        Raises NotFound for an unknown parent, Conflict for one that is retired, superseded, or would be its own child.
        """
        parsed = [(_named(uid), parse(trace, self._limit)) for uid, trace in changes]
        with self._writing() as unit:
            unit.load([uid for uid, _ in parsed] + [one.uid for _, one in parsed if one.uid])
            return [self._revise(unit, uid, one) for uid, one in parsed]

    def _revise(self, unit: Unit, parent_uid: str, recorded: Recorded) -> Done:
        self._check()
        parent = _live(unit, parent_uid, "revised")
        uid = recorded.uid or self._new_uid()
        if unit.find(uid) is not None:
            cycle = (
                "a pathway cannot follow itself" if uid == parent_uid else f"the pathway {uid[:80]!r} exists already"
            )
            raise Conflict(cycle, "leave the uid out of the trace: a revision gets its own")
        made = new(uid, recorded.content, unit.now_ns, tags=recorded.tags)
        child = replace(made, predecessor_uid=parent_uid, version=parent.version + 1, recorded_by=parent.recorded_by)
        unit.put(replace(parent, superseded_by=uid, superseded_at_ns=unit.now_ns), "superseded", by=uid)
        return Done(unit.put(child, "revised", trace=child.content, predecessor_uid=parent_uid), "revised")

    def retire(self, wanted: Sequence[tuple[str | None, str | None]]) -> list[Done]:
        """Retire pathways for good. Status: retired or unchanged; the first reason stays."""
        for _, reason in wanted:
            if not reason or not reason.strip():
                raise Invalid("retiring needs a reason", "say why")
            if len(reason) > LONGEST_REASON:
                raise Invalid(f"the reason is longer than {LONGEST_REASON} characters", "shorten it")
        with self._writing() as unit:
            unit.load([_named(uid) for uid, _ in wanted])
            return [self._retire(unit, unit.get(_named(uid)), str(reason)) for uid, reason in wanted]

    def _retire(self, unit: Unit, entry: Entry, reason: str) -> Done:
        self._check()
        if entry.retired:
            return Done(entry, "unchanged")
        gone = replace(entry, retired=True, retirement_reason=reason, updated_at_ns=unit.now_ns)
        return Done(unit.put(gone, "retired", reason=reason), "retired")

    def replay(self, told: Sequence[Replays]) -> list[Done]:
        """Count replays, those of a pathway in their order.

        Status: counted, retired (by one of these replays) or ignored (it was retired before: that is for good).
        """
        for one in told:
            one.check()
        with self._writing() as unit:
            unit.load({_named(one.uid) for one in told})
            return [self._replays(unit, one) for one in told]

    def _replays(self, unit: Unit, told: Replays) -> Done:
        for succeeded in told.succeeded:
            done = self._replay(unit, unit.get(_named(told.uid)), bool(succeeded), told.rejected)
            if done.status != "counted":
                break
        return done

    def _replay(self, unit: Unit, entry: Entry, succeeded: bool, rejected: str | None) -> Done:
        self._check()
        if entry.retired:
            return Done(entry, "ignored", f"retired: {entry.retirement_reason}")
        counted = replace(entry.replayed(succeeded), updated_at_ns=unit.now_ns)
        told = {"succeeded": succeeded, "replay_count": counted.replay_count}
        reason = rejected or gate.failing(counted)
        if reason is None:
            return Done(unit.put(counted, "replayed", **told), "counted")
        gone = replace(counted, retired=True, retirement_reason=reason)
        return Done(unit.put(gone, "replayed", **told, retired=True, reason=reason), "retired")


def _named(uid: str | None) -> str:
    if not uid or not uid.strip():
        raise Invalid("the uid is empty", "take it from pathway_record, or from lake.pathways")
    return uid


def _superseded(entry: Entry) -> str:
    return f"superseded by {entry.superseded_by}" if entry.superseded_by else "superseded"


def _no_other_uid(recorded: Recorded, uid: str) -> None:
    if recorded.uid not in (None, uid):
        raise Invalid(f"the trace has another uid, {str(recorded.uid)[:80]!r}", "leave it out: an update keeps the uid")


def _live(unit: Unit, uid: str, done: str) -> Entry:
    """The pathway `uid`, which must be live. Raises NotFound or Conflict."""
    entry = unit.get(uid)
    if entry.retired:
        raise Conflict(f"the pathway {uid[:80]!r} is retired and cannot be {done}", "record a new one")
    if not entry.is_live:
        instead = f"take {entry.superseded_by!r}" if entry.superseded_by else "record a new one"
        raise Conflict(f"the pathway {uid[:80]!r} is superseded and cannot be {done}", instead)
    return entry
