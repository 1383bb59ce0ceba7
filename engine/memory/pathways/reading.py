"""What is asked of pathways: which one to take, how one came to be, which bugs were met in an area."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.access.profiles import Profile
from engine.errors import Conflict, Invalid
from engine.memory.pathways import fingerprint, gate, store
from engine.memory.pathways.entry import Entry

if TYPE_CHECKING:
    from engine.lake import Lake

LARGEST_K = 10_000


def _check_k(k: int) -> None:
    if not 1 <= k <= LARGEST_K:
        raise Invalid(f"k is {k}", f"it must be within 1 and {LARGEST_K}")


def _narrow(task_class: str | None, file: str | None, signal_class: str | None) -> tuple[str, str, str]:
    """What a fingerprint is of; a task need not be about a file. Raises Invalid without a task class."""
    if not task_class:
        raise Invalid("the question needs a task class", "such as 'code_review'")
    return task_class, file or "", signal_class or ""


def _live(lake: "Lake", pathway_id: str, reach: Profile) -> list[Entry]:
    with lake.control() as cursor:
        found = store.select(cursor, "pathway_id", [pathway_id])
    return [entry for entry in found if entry.is_live and entry.is_seen_by(reach)]


def lookup(
    lake: "Lake",
    task_class: str | None,
    file: str | None,
    signal_class: str | None,
    tokens: Sequence[str] | None,
    k: int,
    reach: Profile,
) -> list[dict[str, Any]]:
    """The first `k` live pathways of a task in an area: hot-swappable ones first, then by success and likeness.

    Without `tokens` the caller knows where the task is but nothing yet of flags and bugs, so that a pathway's place is
    compared alone; with them, the whole vectors are. `reach`: the profile that asks; it gets those that it may see.
    """
    _check_k(k)
    task, path, signal = _narrow(task_class, file, signal_class)
    asked = fingerprint.pathway_id(task, path, signal)
    place = fingerprint.place_tokens(task, path, signal)
    wanted = fingerprint.vector([*place, *(tokens or ())])
    judged = []
    for entry in _live(lake, asked, reach):
        where = entry.file_path or entry.file_prefix
        own = fingerprint.place_tokens(entry.task_class, where, entry.signal_class)
        likeness = fingerprint.cosine(wanted, fingerprint.vector(own) if tokens is None else entry.floats())
        judged.append((entry, likeness, gate.hot_swap(entry, asked, likeness)))
    judged.sort(key=lambda one: (not one[2].eligible, -(one[0].success_rate or 0.0), -one[1], one[0].uid))
    return [
        {
            "uid": entry.uid,
            "eligible": verdict.eligible,
            "model": entry.model,
            "similarity": likeness,
            "replay_count": entry.replay_count,
            "success_rate": entry.success_rate,
            "gate": json.dumps(vars(verdict)),
            "trace": entry.content,
        }
        for entry, likeness, verdict in judged[:k]
    ]


def bug_fingerprints(
    lake: "Lake", task_class: str | None, file: str | None, signal_class: str | None, k: int, reach: Profile
) -> list[dict[str, Any]]:
    """The bugs met in an area, over its live pathways, the most frequent first."""
    _check_k(k)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    entries = _live(lake, fingerprint.pathway_id(*_narrow(task_class, file, signal_class)), reach)
    for entry in sorted(entries, key=lambda one: (one.created_at_ns, one.uid)):
        seen: set[tuple[str, str]] = set()
        for bug in json.loads(entry.bugs or "[]"):
            key = (bug["flag"], bug["pattern_key"])
            row = found.setdefault(key, {"flag": key[0], "pattern_key": key[1], "occurrences": 0, "pathways": 0})
            row["occurrences"] += bug["n"]
            row["pathways"] += key not in seen
            row["example"] = row.get("example") or bug["example"]
            seen.add(key)
    order = sorted(found.values(), key=lambda row: (-row["occurrences"], row["flag"], row["pattern_key"]))
    return order[:k]


def history(lake: "Lake", uid: str | None, check: Callable[[], None], reach: Profile) -> list[dict[str, Any]]:
    """The chain of revisions that `uid` is in, from its root to its tip.

    A predecessor that is not there ends the chain. Raises NotFound for an unknown uid, Conflict for a circle.
    """
    with lake.control() as cursor:
        chain = walk(cursor, uid or "", check, reach)
    return [
        {
            "position": position,
            "uid": entry.uid,
            "status": entry.status,
            "version": entry.version,
            "predecessor_uid": entry.predecessor_uid,
            "replay_count": entry.replay_count,
            "success_rate": entry.success_rate,
            "reason": entry.retirement_reason,
            "created_at": entry.created_at_ns // 1000,
            "trace": entry.content,
        }
        for position, entry in enumerate(chain, 1)
    ]


def walk(cursor: duck.Cursor, uid: str, check: Callable[[], None], reach: Profile) -> list[Entry]:
    """The chain from the root to the tip, through `uid`, as far as the profile `reach` sees it."""
    start = _one(cursor, uid, reach)
    if start is None:
        raise store.unknown(uid)
    chain, seen = [start], {uid}
    for forwards in (False, True):
        while True:
            check()
            at = chain[-1] if forwards else chain[0]
            following = at.superseded_by if forwards else at.predecessor_uid
            entry = _one(cursor, following, reach) if following else None
            if entry is None:
                break
            if entry.uid in seen:
                raise Conflict(f"the history of {uid[:80]!r} runs in a circle through {entry.uid[:80]!r}", "retire it")
            seen.add(entry.uid)
            chain.insert(len(chain) if forwards else 0, entry)
    return chain


def _one(cursor: duck.Cursor, uid: str, reach: Profile) -> Entry | None:
    return next((entry for entry in store.select(cursor, "uid", [uid]) if entry.is_seen_by(reach)), None)
