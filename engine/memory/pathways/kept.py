"""A pathway as files keep it: from a trace of a file to an entry, and back to the same trace."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from engine.encoded import encode
from engine.errors import Invalid
from engine.memory.pathways.entry import MOST_REPLAYS, Entry, new
from engine.memory.pathways.recorded import NO_UID, is_uid, is_vector_of
from engine.memory.pathways.trace import Part, described, read

EARLIEST, LATEST = -(2**63), 2**63 - 1  # nanoseconds that an int64 holds
ZERO = datetime(1, 1, 1) - datetime(1970, 1, 1)  # how Go writes a time that is not set
UNITS = ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3), (1e19, 1))  # a number below 1e11 is in seconds, and so on


def _named(uid: str) -> str:
    if not is_uid(uid):
        raise PydanticCustomError("uid", NO_UID)
    return uid


Uid = Annotated[str, AfterValidator(_named)]
Time = Annotated[int, Field(ge=EARLIEST, le=LATEST)]
Count = Annotated[int, Field(ge=0, le=MOST_REPLAYS)]


class Life(Part):
    """What a file tells of a pathway beside its content; all of it may be missing."""

    uid: Uid | None = None
    trace_uid: Uid | None = None
    predecessor_uid: str | None = None
    parent_trace_uid: str | None = None
    version: int = Field(1, ge=1, le=10**9)  # revisions count on from it
    superseded_by_trace_uid: str | None = None
    superseded_at: Any = None
    superseded_at_ns: Time | None = None
    retired: bool = False
    retirement_reason: str | None = None
    replay_count: Count = 0
    replays_succeeded: Count | None = None
    replays_failed: Count | None = None
    created_at_ns: Time | None = None
    updated_at_ns: Time | None = None
    tags: list[str] | None = None


LIFE = tuple(Life.model_fields)


def restore(trace: dict[str, Any], now_ns: int, uid: str) -> Entry:
    """The entry of a trace that lies in a file; `uid` where it has none. Raises Invalid with the field that is wrong.

    A trace with a `content` is one of the event log: the content is opaque, unknown fields beside it are kept. Any
    other is a trace of the state file: it is its own content.
    """
    try:
        life = Life.model_validate({name: trace[name] for name in LIFE if trace.get(name) is not None})
    except ValidationError as error:
        raise Invalid(f"the trace is wrong: {described(error)}") from None
    created = life.created_at_ns or _nanoseconds(trace.get("created_at"), "created_at") or now_ns
    rest = {name: value for name, value in trace.items() if name not in LIFE}
    is_opaque = "content" in rest and (life.uid is not None or set(rest) == {"content"})
    content = rest.pop("content") if is_opaque else _without_computed(rest, created)
    succeeded, failed = _judged(life)
    return replace(
        new(life.trace_uid or life.uid or uid, content, created, tags=life.tags,
            envelope=encode(rest) if is_opaque and rest else None),
        predecessor_uid=life.parent_trace_uid or life.predecessor_uid or None,
        version=life.version,
        superseded_by=life.superseded_by_trace_uid or None,
        superseded_at_ns=life.superseded_at_ns or _nanoseconds(life.superseded_at, "superseded_at"),
        retired=life.retired,
        retirement_reason=life.retirement_reason or ("retired in the file" if life.retired else None),
        replay_count=life.replay_count,
        replays_succeeded=succeeded,
        replays_failed=failed,
        updated_at_ns=life.updated_at_ns or created,
    )  # fmt: skip


def _judged(life: Life) -> tuple[int, int]:
    """How many replays succeeded and failed; without a count of failures, all that did not succeed."""
    succeeded = life.replays_succeeded or 0
    if succeeded > life.replay_count:
        raise Invalid("the trace is wrong: replays_succeeded: is more than replay_count")
    judged = life.replay_count if life.replays_succeeded is not None else 0
    failed = judged - succeeded if life.replays_failed is None else life.replays_failed
    if succeeded + failed > life.replay_count:
        raise Invalid("the trace is wrong: replays_failed: with replays_succeeded it is more than replay_count")
    return succeeded, failed


def _without_computed(content: dict[str, Any], created_ns: int) -> dict[str, Any]:
    """A content without what an export of ours had added to it; id and vector that another program computed stay."""
    facts = read(content)
    computed = {
        "pathway_id": content.get("pathway_id") == facts.pathway_id,
        "pathway_vec": is_vector_of(content.get("pathway_vec"), facts.tokens()),
        "created_at": content.get("created_at") == _iso(created_ns),
    }
    return {name: value for name, value in content.items() if not computed.get(name, False)}


def event_trace(entry: Entry) -> dict[str, Any]:
    """An entry as a trace of the event log: its content untouched, everything else beside it."""
    return {
        **json.loads(entry.envelope or "{}"),
        "uid": entry.uid,
        "content": json.loads(entry.content),
        "created_at_ns": entry.created_at_ns,
        "updated_at_ns": entry.updated_at_ns,
        **_life(entry, "predecessor_uid"),
    }


def state_trace(entry: Entry) -> dict[str, Any]:
    """An entry as a trace of the state file: one object; a content that cannot be one with it stays below `content`."""
    content = json.loads(entry.content)
    if not isinstance(content, dict) or entry.envelope is not None or set(content) & set(LIFE):
        return event_trace(entry)
    computed = {
        "pathway_id": entry.pathway_id,
        "pathway_vec": [float(one) for one in entry.floats()],
        "created_at": _iso(entry.created_at_ns),
    }
    return {
        **{name: value for name, value in computed.items() if name not in content},
        **content,
        "trace_uid": entry.uid,
        "created_at_ns": entry.created_at_ns,
        "updated_at_ns": entry.updated_at_ns,
        **_life(entry, "parent_trace_uid"),
    }


def _life(entry: Entry, parent: str) -> dict[str, Any]:
    told = {
        parent: entry.predecessor_uid,
        "superseded_by_trace_uid": entry.superseded_by,
        "superseded_at": None if entry.superseded_at_ns is None else _iso(entry.superseded_at_ns),
        "superseded_at_ns": entry.superseded_at_ns,
        "retirement_reason": entry.retirement_reason,
        "tags": json.loads(entry.tags) if entry.tags else None,
    }
    return {
        "version": entry.version,
        "retired": entry.retired,
        "replay_count": entry.replay_count,
        "replays_succeeded": entry.replays_succeeded,
        "replays_failed": entry.replays_failed,
        **{name: value for name, value in told.items() if value is not None},
    }


def _nanoseconds(value: object, name: str) -> int | None:
    """A time as nanoseconds since 1970: ISO 8601, or a number whose size tells its unit. None for Go's zero time."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < UNITS[-1][0]:
        found = int(value * next(unit for limit, unit in UNITS if value < limit))
    else:
        since = _time(value, name) - datetime(1970, 1, 1, tzinfo=UTC)
        if since == ZERO:
            return None
        found = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
    if not EARLIEST <= found <= LATEST:
        raise Invalid(f"the trace is wrong: {name}: is not within 1677-09-21 and 2262-04-11")
    return found


def _time(value: object, name: str) -> datetime:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise Invalid(f"the trace is wrong: {name}: is no time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _iso(nanoseconds: int) -> str:
    """Nanoseconds as ISO 8601 in UTC, with all nine digits: a time that went out comes back the same."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
