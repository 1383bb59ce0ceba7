"""Pathways into a file, whole or not at all: a state file, or an event log when its name ends in `.jsonl`."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from engine.access.profiles import Profile
from engine.memory.pathways import store
from engine.memory.pathways.entry import Entry
from engine.memory.pathways.kept import event_trace, state_trace
from engine.storage import targets

if TYPE_CHECKING:
    from engine.lake import Lake

LOG, STATE = ".jsonl", ".json"
OPAQUE = "opaque"  # the key of traces that have no pathway id


def write(lake: "Lake", uri: str | None, reach: Profile) -> dict[str, Any]:
    """Write every pathway that the profile `reach` sees to `uri`, inside a folder of [ingest] allowed.

    The file is replaced whole or not at all. Raises Invalid, NotFound or Forbidden for a place that cannot be written.
    """
    target = targets.to_write(lake, uri or "", (STATE, LOG))
    with lake.control() as cursor:
        rows = cursor.execute(f"select {store.ALL} from control.pathway order by created_at_ns, uid").fetchall()
    entries = [entry for row in rows if (entry := Entry(*row)).is_seen_by(reach)]
    text = log(entries) if target.suffix == LOG else state(entries)
    size = targets.replace(target, (part.encode() for part in text))
    return {"uri": str(uri), "status": "written", "pathways": len(entries), "bytes": size}


def log(entries: Iterable[Entry]) -> Iterator[str]:
    """The lines of an event log: each trace whole, one that superseded another as its revision."""
    superseded_by: dict[str | None, str | None] = {}
    for entry in entries:
        op = "revise" if superseded_by.get(entry.predecessor_uid) == entry.uid else "add"
        superseded_by[entry.uid] = entry.superseded_by
        yield _line({"op": op, "trace": event_trace(entry)})


def state(entries: Iterable[Entry]) -> Iterator[str]:
    """A state file: `{"pathways": {pathway id: [trace, …]}}`."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        grouped.setdefault(entry.pathway_id or OPAQUE, []).append(state_trace(entry))
    yield _line({"pathways": grouped})


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
