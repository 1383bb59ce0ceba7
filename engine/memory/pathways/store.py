"""Pathways on disk: read by id, and changed in one transaction with their journal entries."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine import duck
from engine.access.profiles import OWNER
from engine.errors import Conflict, NotFound
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
_WRITING = threading.Lock()  # two writers on one pathway would conflict; a process has one home open


class Unit:
    """One transaction on the pathways: each is read once, changed in memory, and written at the end."""

    def __init__(self, lake: "Lake", cursor: duck.Cursor, actor: str) -> None:
        """Made by `writing`."""
        self._lake, self._cursor, self._actor = lake, cursor, actor
        self._reach = lake.profiles.find(actor) or OWNER
        self._known: dict[str, Entry] = {}
        self._before: dict[str, Entry | None] = {}
        self._workflows: dict[str, list[str]] = {}
        self._taken: set[str] = set()  # uids of pathways that the actor does not see
        self.now_ns = int(lake.clock() * 1e9)

    def load(self, uids: Iterable[str], workflows: Iterable[str] = ()) -> None:
        """Read what is there of these uids and workflows."""
        for column, values in (("uid", list(uids)), ("workflow", list(workflows))):
            for entry in select(self._cursor, column, values):
                if entry.is_seen_by(self._reach):
                    self._remember(entry)
                elif column == "uid":
                    self._taken.add(entry.uid)

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
        self._lake.journal.record_within(self._cursor, "pathway", entry.uid, facts, self._actor)
        return entry

    def write(self) -> None:
        """Write all that was put."""
        added = [self._known[uid] for uid, before in self._before.items() if before is None]
        changed = [self._known[uid] for uid, before in self._before.items() if before is not None]
        for entries, statement in ((added, INSERT), (changed, UPDATE)):
            if entries:
                run_with(self._cursor, table(entries), statement)


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
def writing(lake: "Lake", actor: str) -> Iterator[Unit]:
    """A transaction of `actor` on the pathways: all of it is on disk at the end, or nothing of it."""
    with _WRITING, lake.control() as cursor:
        unit = Unit(lake, cursor, actor)
        yield unit
        unit.write()
