"""The ledger of a bucket: which content is in which dataset. It is a table of that bucket, for a transaction writes to
one catalog only, and what was ingested and the record of it must appear together or not at all.

The ledger only grows. What is *in* a dataset now follows from the order of its entries: a replaced or dropped dataset
forgets what came before, one that was rolled back has what it had then, and one that was dropped or made anew by plain
SQL is known by the version at which its table began.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import pyarrow as pa

from engine import duck
from engine.storage.columns import fold
from engine.storage.ducklake import INTERNAL_SCHEMA

STREAM = "lakehouse_ledger"
TABLE = "ingests"
CUTS = ("created", "replaced", "dropped", "rolled_back")


@dataclass(frozen=True)
class Entry:
    """One thing that happened to a dataset: a file that was ingested, or a drop, a roll-back, a deletion."""

    ts: int  # microseconds since 1970, UTC
    dataset: str
    version: int  # of the bucket, at which it appeared
    status: str  # created, appended, merged, replaced; dropped, rolled_back, deleted
    uri: str | None = None
    file: str | None = None
    sha256: str | None = None  # of the bytes of the file
    bytes: int | None = None
    rows: int | None = None  # read from the file, or deleted
    format: str | None = None
    fingerprint: str | None = None
    key: list[str] | None = None
    options: str | None = None  # JSON
    restored: int | None = None  # the version that a roll-back went to
    note: str | None = None
    actor: str | None = None
    statement_id: str | None = None


TYPES = {
    "ts": pa.timestamp("us", "UTC"),
    "version": pa.int64(),
    "bytes": pa.int64(),
    "rows": pa.int64(),
    "restored": pa.int64(),
    "key": pa.list_(pa.string()),
}
SCHEMA = pa.schema([(one.name, TYPES.get(one.name, pa.string())) for one in fields(Entry)])
SQL_TYPES = {"ts": "timestamptz", "version": "bigint", "bytes": "bigint", "rows": "bigint", "restored": "bigint"}


def name(bucket: str) -> str:
    """The full name of the ledger of a bucket."""
    return f"{duck.identifier(bucket)}.{INTERNAL_SCHEMA}.{TABLE}"


def prepare(root: duck.Cursor, bucket: str) -> None:
    """Make the ledger of a bucket when it is not there."""
    columns = ", ".join(
        f"{one.name} {'varchar[]' if one.name == 'key' else SQL_TYPES.get(one.name, 'varchar')}"
        for one in fields(Entry)
    )
    root.execute(f"create schema if not exists {duck.identifier(bucket)}.{INTERNAL_SCHEMA}")
    root.execute(f"create table if not exists {name(bucket)} ({columns})")


def write(cursor: duck.Cursor, bucket: str, entries: Iterable[Entry]) -> None:
    """Append entries, within the transaction of `cursor`."""
    cursor.register(STREAM, pa.Table.from_pylist([asdict(entry) for entry in entries], schema=SCHEMA))
    try:
        cursor.execute(f"insert into {name(bucket)} by name select * from {STREAM}")
    finally:
        cursor.unregister(STREAM)


def entries(cursor: duck.Cursor, bucket: str, dataset: str | None = None) -> list[Entry]:
    """The entries of a dataset (case ignored), or of all, oldest first."""
    columns = ", ".join(f"epoch_us({one.name})" if one.name == "ts" else one.name for one in fields(Entry))
    where, values = ("where lower(dataset) = lower(?)", [dataset]) if dataset is not None else ("", [])
    rows = cursor.execute(f"select {columns} from {name(bucket)} {where} order by version, file", values).fetchall()
    found = [Entry(*row) for row in rows]
    return found if dataset is None else [entry for entry in found if fold(entry.dataset) == fold(dataset)]


def in_force(found: Sequence[Entry], begins: Sequence[int]) -> list[Entry]:
    """The ingests whose content is part of the dataset now, oldest first.

    `found`: the entries of one dataset that exists; `begins`: the versions at which tables of its name were made.
    """
    ranges = _ranges(found, begins)
    return [
        entry
        for entry in found
        if entry.sha256 is not None and any(first <= entry.version <= last for first, last in ranges)
    ]


def _ranges(found: Sequence[Entry], begins: Sequence[int]) -> list[tuple[int, int]]:
    """The versions, first and last, whose ingests count."""
    cuts: dict[int, int | None] = dict.fromkeys(begins)  # made by plain SQL: nothing from before is in it
    cuts.update({entry.version: entry.restored for entry in found if entry.status in CUTS})
    ranges: list[tuple[int, int]] = []
    last = max([*cuts, *(entry.version for entry in found)], default=0)
    for version in sorted(cuts, reverse=True):
        if version > last:
            continue
        restored = cuts[version]
        if restored is None:
            return [*ranges, (version, last)]
        ranges.append((version + 1, last))
        last = restored
    return [*ranges, (0, last)]
