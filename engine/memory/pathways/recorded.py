"""A trace as a caller records it: its content, apart from what the lake itself counts and computes."""

from dataclasses import dataclass
from typing import Any

from engine.encoded import decode, encode, too_long
from engine.errors import Invalid
from engine.memory.pathways import fingerprint
from engine.memory.pathways.trace import read

UIDS = ("uid", "trace_uid")
LONGEST_UID = 200
NO_UID = f"is no text of 1 to {LONGEST_UID} characters"
COUNTED: dict[str, Any] = {  # by the lake; with these values, which a trace has at first, they are no contradiction
    "replay_count": 0, "replays_succeeded": 0, "replays_failed": 0, "version": 1, "retired": False,
    "retirement_reason": None, "superseded_at": None, "superseded_by_trace_uid": None, "parent_trace_uid": None,
    "predecessor_uid": None,
}  # fmt: skip
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Recorded:
    """What a caller gave."""

    content: dict[str, Any]
    uid: str | None
    tags: list[str] | None


def parse(text: str, limit: int) -> Recorded:
    """Read a trace: a JSON object of at most `limit` bytes. Raises Invalid, with the field that is wrong."""
    return _recorded(_decoded(text, limit), limit)


def parse_all(text: str, limit: int, all_bytes: int) -> list[Recorded]:
    """Read a trace, or a list of traces of at most `all_bytes`."""
    value = _decoded(text, max(limit, all_bytes))
    if not isinstance(value, list):
        return [_recorded(value, limit)]
    return [_recorded(one, limit) for one in value]


def _decoded(text: str, limit: int) -> Any:
    value = decode(text, limit)
    return decode(value, limit) if isinstance(value, str) else value  # a VARCHAR is a JSON text within JSON


def _recorded(value: Any, limit: int) -> Recorded:
    if isinstance(value, str):
        value = decode(value, limit)
    elif len(encode(value).encode()) > limit:
        raise too_long("the trace", limit)
    if not isinstance(value, dict):
        raise Invalid("the trace is not a JSON object", 'for example {"task_class": …, "file_path": …}')
    given = {name: value.pop(name) for name in (*UIDS, *COUNTED, "tags") if name in value}
    for name, first in COUNTED.items():
        if given.get(name, first) not in (first, None):
            hint = "take pathway_revise" if name in ("parent_trace_uid", "predecessor_uid") else "leave it out"
            raise Invalid(f"the trace is wrong: {name}: is counted by the lake", hint)
    _check_derived(value)
    return Recorded(value, _uid(given), _tags(given.get("tags")))


def _uid(given: dict[str, Any]) -> str | None:
    found = list(
        dict.fromkeys(given[name] for name in UIDS if given.get(name) is not None and _is_uid(given[name], name))
    )
    if len(found) > 1:
        raise Invalid("the trace is wrong: trace_uid: differs from uid", "give one of them")
    return found[0] if found else None


def _is_uid(value: object, name: str) -> bool:
    if not is_uid(value):
        raise Invalid(f"the trace is wrong: {name}: {NO_UID}", "leave it out")
    return True


def is_uid(value: object) -> bool:
    """Whether a value can be the uid of a pathway."""
    return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_UID and "\0" not in value


def _tags(value: object) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise Invalid("the trace is wrong: tags: is no list of texts", 'for example ["rust", "nightly"]')
    return value


def _check_derived(content: dict[str, Any]) -> None:
    """Id and vector are computed here; those that a trace brings along must agree."""
    id, floats = content.pop("pathway_id", None), content.pop("pathway_vec", None)
    if id is None and floats is None:
        return
    facts = read(content)
    if id is not None and id != facts.pathway_id:
        raise Invalid(
            "the trace is wrong: pathway_id: is not that of task_class, file and signal_class", "leave it out"
        )
    if floats is not None and not is_vector_of(floats, facts.tokens()):
        raise Invalid("the trace is wrong: pathway_vec: is not that of its tokens", "leave it out")


def is_vector_of(floats: object, tokens: list[str]) -> bool:
    """Whether a value of JSON is the vector of these tokens."""
    expected = fingerprint.vector(tokens)
    if not isinstance(floats, list) or len(floats) != len(expected):
        return False
    return all(
        isinstance(one, int | float) and -2 < one < 2 and abs(one - wanted) <= TOLERANCE
        for one, wanted in zip(floats, expected.tolist(), strict=True)
    )
