"""Ingest: files become rows of a dataset, exactly once by content.

Everything that can go wrong with a file is found before data moves: its digest, its columns, what drifted. Then one
transaction of the lake writes the rows and the ledger entries; killed at any moment, either both are there or neither.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.errors import Busy, Conflict, Internal, Invalid, nearest
from engine.statement import Statement
from engine.storage import columns, ducklake, files, ledger, merge, options
from engine.storage.buckets import find_bucket
from engine.storage.columns import Column, fold, pick, quoted
from engine.storage.datasets import State, check_name, look, working, writing
from engine.storage.files import SourceFile
from engine.storage.readers import columnar, delimited, nested
from engine.storage.readers.reading import Reading, Wish
from engine.storage.readers.unreadable import explained

if TYPE_CHECKING:
    from engine.lake import Lake

MODES = ("auto", "append", "merge", "replace", "error")
READERS = {
    "csv": delimited.read,
    "json": nested.read,
    "parquet": columnar.read_parquet,
    "arrow": columnar.read_arrow,
}


@dataclass(frozen=True)
class Request:
    """What the caller of `ingest` asked for."""

    uri: str
    dataset: str
    key: str | None = None  # JSON: a text with commas, or a list
    mode: str = "auto"
    bucket: str | None = None
    format: str | None = None
    options: str | None = None  # JSON


@dataclass(frozen=True)
class Outcome:
    """What `ingest` answers."""

    dataset: str
    status: str  # created, appended, merged, replaced, unchanged
    bucket: str
    version: int
    rows_read: int
    rows_added: int
    rows_updated: int
    fingerprint: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What would be written to the dataset as it was when the plan was made."""

    state: State
    status: str
    new: list[SourceFile]
    reading: Reading | None = None
    key: tuple[str, ...] = ()
    doubles: int = 0


class Ingestion:
    """One call of `ingest`."""

    def __init__(self, lake: "Lake", statement: Statement, request: Request) -> None:
        """Checks the request; raises Invalid or NotFound for what cannot be meant."""
        self._lake, self._statement, self._request = lake, statement, request
        self._name = check_name(request.dataset)
        self._bucket = find_bucket(request.bucket)
        if request.mode not in MODES:
            raise Invalid(f"unknown mode {request.mode!r}", nearest(request.mode, MODES))
        self._key = parse_key(request.key)
        self._given = options.canonical(request.options)
        self._started = time.monotonic()

    def run(self) -> Outcome:
        """Do it. Raises an error of the tree, and then nothing has changed."""
        closed = [self._lake.home / "buckets", self._lake.home / "cache"]
        found = files.find(self._request.uri, self._request.format, self._lake.folders, closed)
        self._options = options.parse(self._request.options, found[0].format)
        sources = files.digest(found, self._on_bytes)
        with working(self._lake, self._statement) as cursor, explained(sources):
            try:
                return self._attempt(cursor, sources)
            except duck.Error:
                self._statement.check()
                raise

    def _attempt(self, cursor: duck.Cursor, sources: list[SourceFile]) -> Outcome:
        """Plan, take the lock, plan again if the dataset has changed in the meantime, and write."""
        plan = self._plan(cursor, look(cursor, self._bucket, self._name), sources)
        if plan.status == "unchanged":
            return self._unchanged(plan)
        with writing(self._lake, self._statement):
            now = look(cursor, self._bucket, self._name)
            if now != plan.state:
                plan = self._plan(cursor, now, sources)
            self._statement.check()
            return self._unchanged(plan) if plan.status == "unchanged" else self._write(cursor, plan)

    def _on_bytes(self, done: int, total: int) -> None:
        self._statement.check()
        self._statement.progress = (done, total, "bytes")

    def _plan(self, cursor: duck.Cursor, state: State, sources: list[SourceFile]) -> Plan:
        mode = self._request.mode
        if mode == "error" and state.exists:
            raise Conflict(f"the dataset {state.place.name!r} exists", "use another mode or name")
        replacing = mode == "replace" and state.exists
        held = frozenset() if replacing else state.digests
        new = list({file.sha256: file for file in reversed(sources) if file.sha256 not in held}.values())[::-1]
        if not new or (replacing and self._holds_exactly(cursor, state, new)):
            self._check_same_key(state)
            return Plan(state, "unchanged", [])
        given = columns.parse_types(cursor, self._options.types)
        wanted = {} if replacing else {fold(column.name): column.type for column in state.columns}
        limits = self._lake.config.ingest
        check = self._statement.check
        wish = Wish(new, self._options, wanted, given, limits.max_columns, limits.max_cell_bytes, check)
        reading = READERS[new[0].location.format](cursor, wish)
        if state.exists and not replacing:
            columns.gate(state.place.name, state.columns, reading.columns)
        key = self._effective_key(state, reading.columns, replacing)
        status = "replaced" if replacing else "created" if not state.exists else "merged" if key else "appended"
        doubles = merge.stage(cursor, reading.select, key) if key else 0
        return Plan(state, status, new, reading, tuple(key), doubles)

    def _holds_exactly(self, cursor: duck.Cursor, state: State, new: list[SourceFile]) -> bool:
        """Whether the dataset is these files, read with these options and key, and was not touched since."""
        entries = state.contents
        if {file.sha256 for file in new} != state.digests or {entry.options for entry in entries} != {self._given}:
            return False
        if [fold(name) for name in self._key or state.key] != [fold(name) for name in state.key]:
            return False
        last = ducklake.last_change(cursor, self._bucket, state.place.name)
        return last == max(entry.version for entry in entries)

    def _effective_key(self, state: State, found: Sequence[Column], replacing: bool) -> list[str]:
        """The key to merge by, empty for none; it must agree with the one that the dataset has."""
        names = [column.name for column in found]
        known = state.key
        if replacing and (self._key or not {fold(name) for name in known} <= {fold(name) for name in names}):
            known = []
        wanted = pick(split_key(self._key, names), names, "key") if self._key else pick(known, names, "key")
        if known and [fold(name) for name in wanted] != [fold(name) for name in known]:
            raise Conflict(
                f"the key of {state.place.name!r} is {', '.join(known)}, not {', '.join(wanted)}",
                "leave key out, or use mode := 'replace'",
            )
        if self._request.mode == "merge" and not wanted:
            raise Invalid("to merge, a key is needed", "name it: key := 'id'")
        return [] if self._request.mode == "append" and state.exists else wanted

    def _check_same_key(self, state: State) -> None:
        """A key that could not be taken over is not passed over in silence."""
        if self._key and not state.key:
            raise Conflict(
                f"these files are in {state.place.name!r} already, without a key", "use mode := 'replace' to set one"
            )
        self._effective_key(state, state.columns, replacing=False)

    def _write(self, cursor: duck.Cursor, plan: Plan) -> Outcome:
        """The one transaction: rows and ledger entries. The write lock is held."""
        assert plan.reading is not None
        total = sum(plan.reading.rows.values())
        self._statement.progress = (0, total, "rows")
        version = ducklake.current_version(cursor, self._bucket) + 1
        fingerprint = columns.fingerprint(
            plan.reading.columns if plan.status in ("created", "replaced") else plan.state.columns
        )
        began = time.time()
        try:
            with duck.transaction(cursor):
                added, updated = self._write_rows(cursor, plan, plan.reading)
                for file in plan.new:
                    file.check_unchanged()
                ledger.write(cursor, self._bucket, self._entries(plan, plan.reading, version, fingerprint))
                self._statement.check()
        except duck.Error:
            ducklake.remove_torn(cursor, self._bucket, plan.state.place.name, began)
            raise
        if ducklake.current_version(cursor, self._bucket) != version:
            raise Internal(
                f"{plan.state.place.name!r} was written while another process wrote", "open a home only once"
            )
        self._statement.progress = (total, total, "rows")
        outcome = self._outcome(plan, version, total, added, updated, fingerprint)
        self._record(plan, outcome)
        return outcome

    def _write_rows(self, cursor: duck.Cursor, plan: Plan, reading: Reading) -> tuple[int, int]:
        """Returns the rows added and updated."""
        place = str(plan.state.place)
        names = [column.name for column in reading.columns]
        source = f"select {quoted(names)} from {merge.STAGE}" if plan.key else reading.select
        if plan.status == "merged":
            if not plan.state.key:
                merge.check_unique(cursor, place, plan.state.place.name, plan.key)
            merged = merge.merge(cursor, place, names, plan.key)
            return merged.added, merged.updated
        if plan.status == "appended":
            sql = f"insert into {place} ({quoted(names)}) {source}"
        else:
            sql = f"create or replace table {place} as {source}"
        row = cursor.execute(sql).fetchone()
        return (int(row[0]) if row else 0), 0

    def _entries(self, plan: Plan, reading: Reading, version: int, fingerprint: str) -> list[ledger.Entry]:
        now = int(self._lake.clock() * 1e6)
        key = list(plan.key or (plan.state.key if plan.status == "appended" else ())) or None
        return [
            ledger.Entry(
                now, plan.state.place.name, version, plan.status, self._request.uri, file.name, file.sha256, file.bytes,
                reading.rows.get(str(file.location.path)), file.location.format, fingerprint, key, self._given,
                actor=self._statement.session.profile, statement_id=self._statement.statement_id,
            )
            for file in plan.new
        ]  # fmt: skip

    def _unchanged(self, plan: Plan) -> Outcome:
        version = max(entry.version for entry in plan.state.contents)
        return self._outcome(plan, version, 0, 0, 0, columns.fingerprint(plan.state.columns))

    def _outcome(self, plan: Plan, version: int, read: int, added: int, updated: int, fingerprint: str) -> Outcome:
        seconds = round(time.monotonic() - self._started, 6)
        return Outcome(
            plan.state.place.name, plan.status, self._bucket, version, read, added, updated, fingerprint, seconds
        )

    def _record(self, plan: Plan, outcome: Outcome) -> None:
        body: dict[str, Any] = {
            **vars(outcome),
            "uri": self._request.uri,
            "files": len(plan.new),
            "sha256": files.together(plan.new),
            "doubles": plan.doubles,
        }
        session, statement_id = self._statement.session, self._statement.statement_id
        with suppress(Busy, duck.Error):  # it is done and in the ledger; the entry stays in memory until it is written
            self._lake.journal.record(
                "ingest", outcome.dataset, body, actor=session.profile, statement_id=statement_id, durable=True
            )


def parse_key(text: str | None) -> list[str]:
    """The key as the caller gave it, JSON: a text stays one (see `split_key`), a list is its names; [] for none."""
    given = json.loads(text) if text else None
    if given is None:
        return []
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise Invalid("key must be a column or a list of columns", "key := 'id', or key := ['country', 'id']")
    return names


def split_key(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """One text that is no column itself is split at its commas. Raises Invalid for a column named twice."""
    if len(names) == 1 and fold(names[0]) not in {fold(name) for name in known}:
        names = [part.strip() for part in names[0].split(",")]
    if len({fold(name) for name in names}) < len(names):
        raise Invalid("the key names a column twice", "name each once")
    return list(names)
