"""Pathways from files of the original: `state.json` as it lies, or its event log with whatever is corrupt in it.

One bad trace or line never stops the others: each is reported with where it stands. A pathway whose uid is known stays
as it is, so that importing twice is harmless; but it is superseded by a trace that follows it, as by `pathway_revise`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine import encoded
from engine.encoded import decode, encode, too_long
from engine.errors import Conflict, Invalid, LakehouseError
from engine.memory.pathways import gate
from engine.memory.pathways.entry import Entry, with_content
from engine.memory.pathways.kept import restore
from engine.memory.pathways.recorded import UIDS
from engine.memory.pathways.store import Unit, writing
from engine.memory.pathways.succession import Succession
from engine.memory.pathways.trace import Facts
from engine.storage import files

if TYPE_CHECKING:
    from engine.lake import Lake

OPS = ("add", "update", "revise", "retire", "replay")
TRACE_LISTS = ("pathways", "traces")
OF_A_TRACE = {*Facts.model_fields, *UIDS, "content"}  # an object with one of these keys is no map of pathways
BESIDE_BYTES = 65_536  # of a line, for what stands beside the content


@dataclass(frozen=True)
class Report:
    """What became of one trace, or of one line that is no event."""

    uid: str | None
    status: str  # added, exists, conflict, corrupt
    line: int | None  # of an event log; the position of a trace in a state file
    detail: str | None


def read(lake: "Lake", uri: str | None, actor: str, check: Callable[[], None]) -> list[Report]:
    """Import the file `uri`; one report a trace, and one for each that is corrupt. Everything or nothing is on disk.

    Raises what `files.find` raises, and Invalid for a file that is too long.
    """
    if not uri:
        raise Invalid("the uri is empty", "give a state.json or an event log below a folder of [ingest] allowed")
    place = location(lake, uri)
    text = _text(place, lake.config.pathway.file_bytes)
    now_ns = int(lake.clock() * 1e9)
    source = Source(lake.config.pathway.trace_bytes, now_ns, check)
    source.read(text)
    with writing(lake, actor, check) as unit:
        unit.load(source.entries)
        known = [Report(uid, "exists", line, None) for uid, line in source.places.items() if unit.find(uid) is not None]
        reports = [*source.corrupt, *known, *_keep(unit, source, place.name, check)]
    return sorted(reports, key=lambda report: report.line or 0)


def _keep(unit: Unit, source: "Source", file: str, check: Callable[[], None]) -> Iterator[Report]:
    """Put the traces that are new, but for those whose place another has."""
    succession = Succession(unit, source.entries)
    for entry in succession.new():
        check()
        line = source.places[entry.uid]
        try:
            placed = succession.placed(entry)
        except Conflict as error:
            yield Report(entry.uid, "conflict", line, error.message)
        else:
            unit.put(placed, "imported", file=file, trace=placed.content)
            yield Report(entry.uid, "added", line, None)


def location(lake: "Lake", uri: str) -> files.Location:
    """The one file that `uri` names, inside the folders that may be read."""
    found = files.find(uri, "json", lake.folders, [lake.home / "buckets", lake.home / "cache"])
    if len(found) > 1:
        raise Invalid(f"{uri!r} names {len(found)} files", "import one at a time")
    return found[0]


def _text(place: files.Location, limit: int) -> str:
    try:
        with pa.input_stream(str(place.path), compression=place.compression) as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise Invalid(f"{place.name} cannot be read: {str(error).split('. Detail')[0]}", "write it again") from None
    if len(content) > limit:
        raise Invalid(f"{place.name} is longer than {limit} bytes", "raise [pathway] file_bytes")
    return bytes(content).decode("utf-8-sig", "replace")


class Source:
    """The traces of a file, as they stand after everything that it tells."""

    def __init__(self, trace_bytes: int, now_ns: int, check: Callable[[], None]) -> None:
        """`now_ns` is the time of what has none."""
        self._limit, self._now_ns, self._check = trace_bytes + BESIDE_BYTES, now_ns, check
        self.entries: dict[str, Entry] = {}
        self.places: dict[str, int] = {}
        self.corrupt: list[Report] = []

    def read(self, text: str) -> None:
        """Read a whole file: one JSON document is a state, lines are events."""
        try:
            state, reason = encoded.whole(text), None
        except json.JSONDecodeError as error:
            state, reason = None, error
        if isinstance(state, list) or (isinstance(state, dict) and "op" not in state):
            for position, trace in enumerate(_traces(state), 1):
                self._one(position, partial(self._state_trace, trace))
        elif text.strip() and reason is not None and not _is_log(text):
            self.corrupt.append(Report(None, "corrupt", reason.lineno, encoded.unreadable("the file", reason).message))
        else:
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    self._one(number, partial(self._line, line))

    def _one(self, position: int, work: Callable[[], str]) -> None:
        self._check()
        try:
            uid = work()
        except LakehouseError as error:
            self.corrupt.append(Report(None, "corrupt", position, error.message))
        else:
            self.places.setdefault(uid, position)

    def _state_trace(self, trace: object) -> str:
        """A trace of a state file; one without uid gets that of its own text, the same each time."""
        if not isinstance(trace, dict):
            raise Invalid("the trace is not a JSON object")
        if len(encode(encoded.checked(trace, "the trace")).encode()) > self._limit:
            raise too_long("the trace", self._limit)
        text = json.dumps(trace, sort_keys=True)
        twin = 0
        while (uid := hashlib.sha256(f"{text}#{twin}".encode()).hexdigest()[:32]) in self.entries:
            twin += 1
        return self._add(restore(trace, self._now_ns + len(self.entries), uid))

    def _add(self, entry: Entry) -> str:
        if entry.uid in self.entries:
            raise Conflict(f"the uid {entry.uid!r} was there before")
        self.entries[entry.uid] = entry
        return entry.uid

    def _line(self, line: str) -> str:
        event = decode(line, self._limit, "the line")
        if not isinstance(event, dict) or event.get("op") not in OPS:
            raise Invalid("the line is no event: its op is none of " + ", ".join(OPS))
        if event["op"] in ("add", "revise"):
            return self._trace_event(event)
        uid = event.get("uid")
        entry = self.entries.get(uid) if isinstance(uid, str) else None
        if entry is None:
            raise Invalid(f"{event['op']} of an unknown uid {str(uid)[:80]!r}")
        self.entries[entry.uid] = _after(entry, event, self._now_ns)
        return entry.uid

    def _trace_event(self, event: dict[str, Any]) -> str:
        trace = event.get("trace")
        if not isinstance(trace, dict) or not trace.get("uid"):
            raise Invalid(f"{event['op']} without a trace that has a uid")
        entry = restore(trace, self._now_ns + len(self.entries), str(trace["uid"]))
        if event["op"] == "add":
            return self._add(entry)
        parent = self.entries.get(entry.predecessor_uid or "")
        if parent is None:
            raise Invalid(f"revise of an unknown predecessor {str(entry.predecessor_uid)[:80]!r}")
        self._add(entry)
        if parent.is_live:
            self.entries[parent.uid] = replace(parent, superseded_by=entry.uid, superseded_at_ns=entry.created_at_ns)
        if "version" not in trace:
            self.entries[entry.uid] = replace(entry, version=parent.version + 1)
        return entry.uid


def _after(entry: Entry, event: dict[str, Any], now_ns: int) -> Entry:
    """The pathway after an event that only names it."""
    if event["op"] == "retire":
        return replace(entry, retired=True, retirement_reason=str(event.get("reason") or "retired in the log"))
    if event["op"] == "replay":
        return _replayed(entry, event.get("succeeded"))
    if "content" not in event:
        raise Invalid("update without a content")
    return replace(with_content(entry, event["content"], now_ns), updated_at_ns=entry.updated_at_ns)


def _replayed(entry: Entry, succeeded: object) -> Entry:
    """The pathway after a replay: one that was judged is counted as `pathway_replay` does, and may retire it.

    The original's events do not say how it went; they are counted whatever became of the pathway.
    """
    if not isinstance(succeeded, bool):
        return entry.replayed(None)
    if entry.retired:
        return entry
    counted = entry.replayed(succeeded)
    reason = gate.failing(counted)
    return counted if reason is None else replace(counted, retired=True, retirement_reason=reason)


def _is_log(text: str) -> bool:
    """Whether lines are events of their own: the first one is JSON, or any has an op."""
    lines = (encoded.within(line) for line in text.split("\n") if line.strip())
    first = next(lines, None)
    return first is not None or any(isinstance(line, dict) and "op" in line for line in lines)


def _traces(state: object) -> Iterator[object]:
    """The traces of a state: a list of them, lists of them by pathway id, or either below `pathways` or `traces`.

    What is null is empty. Raises Invalid for a file in which nothing could be a pathway.
    """
    named = [state[name] for name in TRACE_LISTS if name in state] if isinstance(state, dict) else []
    inner = next((one for one in named if one is not None), [] if named else state)
    if isinstance(inner, list):
        return iter(inner)
    if isinstance(inner, dict) and not OF_A_TRACE & set(inner):
        groups = [value for value in inner.values() if value is not None]
        if not groups or any(isinstance(value, list | dict) for value in groups):
            return chain.from_iterable(value if isinstance(value, list) else [value] for value in groups)
    raise Invalid("the file holds no pathways", 'a state is {"pathways": {"<pathway id>": [{…}, …]}}')
