"""Pathways into a file, whole or not at all: a state file, or an event log when its name ends in `.jsonl`."""

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Forbidden, Invalid, NotFound
from engine.memory.pathways import store
from engine.memory.pathways.entry import Entry
from engine.memory.pathways.kept import event_trace, state_trace
from engine.storage import files

if TYPE_CHECKING:
    from engine.lake import Lake

LOG, STATE = ".jsonl", ".json"
OPAQUE = "opaque"  # the key of traces that have no pathway id


def write(lake: "Lake", uri: str | None) -> dict[str, Any]:
    """Write every pathway to `uri`, inside a folder of [ingest] allowed; the file is replaced whole or not at all.

    Raises Invalid, NotFound or Forbidden for a place that cannot be written.
    """
    target = _target(lake, uri or "")
    with lake.control() as cursor:
        rows = cursor.execute(f"select {store.ALL} from control.pathway order by created_at_ns, uid").fetchall()
    entries = [Entry(*row) for row in rows]
    text = log(entries) if target.suffix == LOG else state(entries)
    size = replace_file(target, text)
    return {"uri": str(uri), "status": "written", "pathways": len(entries), "bytes": size}


def log(entries: Iterable[Entry]) -> Iterator[str]:
    """The lines of an event log: each trace whole, a revision after what it revises."""
    told: set[str] = set()
    for entry in entries:
        op = "revise" if entry.predecessor_uid in told else "add"
        told.add(entry.uid)
        yield _line({"op": op, "trace": event_trace(entry)})


def state(entries: Iterable[Entry]) -> Iterator[str]:
    """A state file: `{"pathways": {pathway id: [trace, …]}}`."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        grouped.setdefault(entry.pathway_id or OPAQUE, []).append(state_trace(entry))
    yield _line({"pathways": grouped})


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def _target(lake: "Lake", uri: str) -> Path:
    """The file to write: a name of one of the two kinds in a folder that is there and allowed."""
    path = files._path(uri)
    if path.suffix not in (LOG, STATE):
        raise Invalid(f"the name {path.name!r} ends neither in {STATE} nor in {LOG}", f"call it state{STATE}")
    real = files._check_inside(path, uri, lake.folders, [lake.home])
    if not real.parent.is_dir():
        raise NotFound(f"the folder of {uri!r} does not exist", "make it first")
    if real.exists() and not real.is_file():
        raise Invalid(f"{path.name!r} is not a regular file", "choose another name")
    return real


def replace_file(target: Path, parts: Iterable[str]) -> int:
    """Write `parts` beside `target`, flush it to the disk and put it in its place; returns the bytes."""
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
            size = os.fstat(stream.fileno()).st_size
        beside.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        kind = Forbidden if isinstance(error, PermissionError) else Invalid
        raise kind(f"{target.name!r} cannot be written: {error.strerror}", "check the folder and the disk") from None
    return size


def _flush_folder(folder: Path) -> None:
    """The new name is on disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
