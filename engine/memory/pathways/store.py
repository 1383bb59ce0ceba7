"""Pathways on disk: read by id, and changed in one transaction with their journal entries."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine import duck
from engine.access.profiles import OWNER
from engine.errors import Conflict, NotFound
from engine.locks import LOOK_SECONDS
from engine.memory.pathways.entry import COLUMNS, Entry, table

if TYPE_CHECKING:
    from engine.lake import Lake

ALL = ", ".join(f"pathway.{name}" for name in COLUMNS)
BATCH = "pathway_batch"
INSERT = f"insert into control.pathway ({', '.join(COLUMNS)}) select {', '.join(COLUMNS)} from temp.main.{BATCH}"
UPDATE = (
    "update control.pathway set "
    + ", ".join(f"{name} = batch.{name}" for name in COLUMNS if name != "uid")
    + f" from temp.main.{BATCH} as batch where pathway.uid = batch.uid"
)
TOLD_AT_ONCE = 2048  # journal entries of one statement; others use the journal between two of them
_WRITING = threading.Lock()  # two writers on one pathway would conflict; a process has one home open


class Unit:
    """One transaction on the pathways: each is read once, changed in memory, and written at the end."""

    def __init__(self, lake: "Lake", cursor: duck.Cursor, actor: str, check: Callable[[], None]) -> None:
        """Made by `writing`."""
        self._lake, self._cursor, self._actor, self._check = lake, cursor, actor, check
        self._reach = lake.profiles.find(actor) or OWNER
        self._known: dict[str, Entry] = {}
        self._before: dict[str, Entry | None] = {}
        self._workflows: dict[str, list[str]] = {}
        self._taken: set[str] = set()  # uids of pathways that the actor does not see
        self._told: list[tuple[str | None, dict[str, Any]]] = []  # for the journal, in the order of the acts
        self.now_ns = int(lake.clock() * 1e9)

    def load(self, uids: Iterable[str], workflows: Iterable[str] = ()) -> None:
        """Read what is there of these uids and workflows."""
        for column, values in (("uid", list(uids)), ("workflow", list(workflows))):
            for entry in select(self._cursor, column, values):
                if entry.is_seen_by(self._reach):
                    self._remember(entry)
                elif column == "uid":
                    self._taken.add(entry.uid)

    def followers(self, uids: Iterable[str]) -> list[Entry]:
        """What is there that names one of these uids as its predecessor, live ones first, oldest first."""
        found = [one for one in select(self._cursor, "predecessor_uid", list(uids)) if one.is_seen_by(self._reach)]
        return sorted(found, key=lambda one: (not one.is_live, one.created_at_ns, one.uid))

    def _remember(self, entry: Entry) -> None:
        self._known.setdefault(entry.uid, entry)
        if entry.workflow is not None:
            same = self._workflows.setdefault(entry.workflow, [])
            if entry.uid not in same:
                same.append(entry.uid)

    def find(self, uid: str) -> Entry | None:
        """The pathway `uid`, if it was loaded or added."""
        return self._known.get(uid)

    def get(self, uid: str) -> Entry:
        """The pathway `uid`. Raises NotFound."""
        if uid not in self._known:
            raise unknown(uid)
        return self._known[uid]

    def same_workflow(self, workflow: str | None) -> list[Entry]:
        """The pathways that tried the same with the same end, oldest first."""
        found = [self._known[uid] for uid in self._workflows.get(workflow or "", ())]
        same = [entry for entry in found if entry.workflow == workflow]
        return sorted(same, key=lambda entry: (entry.created_at_ns, entry.uid))

    def put(self, entry: Entry, action: str, **told: Any) -> Entry:
        """Keep `entry`, new or changed, and tell the journal what was done. Raises Conflict for a uid of others."""
        if entry.uid in self._taken:
            raise Conflict(f"the uid {entry.uid[:80]!r} is taken", "leave it out: a new pathway gets its own")
        if entry.recorded_by is None and entry.uid not in self._known:
            entry = replace(entry, recorded_by=self._actor)
        self._before.setdefault(entry.uid, self._known.get(entry.uid))
        self._known[entry.uid] = entry
        self._remember(entry)
        facts = {"action": action, "pathway_id": entry.pathway_id, "version": entry.version, **told}
        self._told.append((entry.uid, facts))
        return entry

    def write(self) -> None:
        """Write all that was put, and what the journal is told of it."""
        added = [self._known[uid] for uid, before in self._before.items() if before is None]
        changed = [self._known[uid] for uid, before in self._before.items() if before is not None]
        for entries, statement in ((added, INSERT), (changed, UPDATE)):
            if entries:
                run_with(self._cursor, table(entries), statement)
        for start in range(0, len(self._told), TOLD_AT_ONCE):
            self._check()
            some = self._told[start : start + TOLD_AT_ONCE]
            self._lake.journal.record_all_within(self._cursor, "pathway", some, self._actor)


def unknown(uid: str) -> NotFound:
    """The error for a uid that is not there."""
    return NotFound(f"there is no pathway {uid[:80]!r}", "see lake.pathways")


def run_with(cursor: duck.Cursor, rows: pa.Table, statement: str, params: Sequence[object] = ()) -> duck.Cursor:
    """Run `statement` with `rows` as the table `pathway_batch`."""
    cursor.register(BATCH, rows)
    return cursor.execute(statement, list(params))


def select(cursor: duck.Cursor, column: str, values: Sequence[str]) -> list[Entry]:
    """The pathways whose `column` has one of these values."""
    if not values:
        return []
    if len(values) == 1:
        found = cursor.execute(f"select {ALL} from control.pathway where pathway.{column} = ?", list(values))
        return [Entry(*row) for row in found.fetchall()]
    statement = f"select {ALL} from control.pathway semi join temp.main.{BATCH} as batch using ({column})"
    found = run_with(cursor, pa.table({column: pa.array(values, pa.string())}), statement)
    return [Entry(*row) for row in found.fetchall()]


@contextmanager
def writing(lake: "Lake", actor: str, check: Callable[[], None]) -> Iterator[Unit]:
    """A transaction of `actor` on the pathways: all of it is on disk at the end, or nothing of it.

    Raises what `check` raises; it is called while another one writes, and between steps of writing.
    """
    while not _WRITING.acquire(timeout=LOOK_SECONDS):
        check()
    try:
        with lake.control() as cursor:
            unit = Unit(lake, cursor, actor, check)
            yield unit
            unit.write()
    finally:
        _WRITING.release()
