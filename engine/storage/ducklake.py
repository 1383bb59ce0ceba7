"""What is known of DuckLake itself: its catalog tables and functions are named in this module only."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine import duck

INTERNAL_SCHEMA = "lakehouse"  # of each bucket: the ledger of ingests
SYSTEM = "__ducklake_metadata_"
CHANGE = re.compile(r'(\w+):(?:(\d+)|("(?:[^"]|"")*")\.("(?:[^"]|"")*"))')
KINDS = {
    "created_table": "created",
    "dropped_table": "dropped",
    "altered_table": "altered",
    "inserted_into_table": "inserted",
    "inlined_insert": "inserted",
    "deleted_from_table": "deleted",
    "inlined_delete": "deleted",
}


@dataclass(frozen=True)
class TableLife:
    """A table from the version that made it to the one that dropped it (None: it is there)."""

    table_id: int
    schema: str
    name: str
    begin: int
    end: int | None


@dataclass(frozen=True)
class Change:
    """What one version did to one table."""

    version: int
    ts: int  # microseconds since 1970, UTC
    schema: str
    table: str
    table_id: int
    kinds: frozenset[str]
    inlined: bool


@dataclass(frozen=True)
class Storage:
    """What a table takes up in Parquet files."""

    files: int
    bytes: int
    rows: int  # deleted ones taken off; rows that are kept inside the catalog are not counted


def _system(bucket: str, table: str) -> str:
    return f"{duck.identifier(SYSTEM + bucket)}.{table}"


def current_version(cursor: duck.Cursor, bucket: str) -> int:
    """The number of the last snapshot of a bucket, as the transaction of `cursor` sees it."""
    row = cursor.execute(f"select * from ducklake_current_snapshot({duck.literal(bucket)})").fetchone()
    assert row is not None
    return int(row[0])


def tables(cursor: duck.Cursor, bucket: str) -> list[TableLife]:
    """Every table that a bucket has or had, oldest first, without internal ones."""
    rows = cursor.execute(
        "select table_id, schema_name, table_name, one.begin_snapshot, one.end_snapshot "
        f"from {_system(bucket, 'ducklake_table')} as one join {_system(bucket, 'ducklake_schema')} as owner "
        "using (schema_id) where schema_name <> ? order by table_id",
        [INTERNAL_SCHEMA],
    ).fetchall()
    return [TableLife(*row) for row in rows]


def changes(cursor: duck.Cursor, bucket: str, only: str | None = None, since: int = 0) -> list[Change]:
    """What each version after `since` did to each table, oldest first; `only` the table of that name."""
    lives = tables(cursor, bucket)
    by_id = {life.table_id: life for life in lives}
    made = {(life.begin, life.schema, life.name): life for life in lives}
    found = []
    rows = cursor.execute(
        "select snapshot_id, epoch_us(snapshot_time), changes_made "
        f"from {_system(bucket, 'ducklake_snapshot_changes')} join {_system(bucket, 'ducklake_snapshot')} "
        "using (snapshot_id) where changes_made is not null and snapshot_id > ? order by snapshot_id",
        [since],
    ).fetchall()
    for version, ts, text in rows:
        kinds: dict[int, set[str]] = {}
        inlined: set[int] = set()
        for kind, table_id, schema, name in _parts(text):
            life = by_id.get(int(table_id)) if table_id else made.get((version, schema, name))
            if life is not None and kind in KINDS and only in (None, life.name):
                kinds.setdefault(life.table_id, set()).add(KINDS[kind])
                if kind.startswith("inlined"):
                    inlined.add(life.table_id)
        for key, what in kinds.items():
            life = by_id[key]
            found.append(Change(version, ts, life.schema, life.name, key, frozenset(what), key in inlined))
    return found


def _parts(text: str) -> Iterator[tuple[str, str, str, str]]:
    for kind, table_id, schema, name in CHANGE.findall(text):
        yield kind, table_id, _bare(schema), _bare(name)


def _bare(identifier: str) -> str:
    return identifier[1:-1].replace('""', '"')


def storage(cursor: duck.Cursor, bucket: str) -> dict[int, Storage]:
    """What the tables take up now, by table id, from the catalog alone."""
    rows = cursor.execute(
        "select table_id, count(*), sum(one.file_size_bytes), sum(one.record_count), "
        f"coalesce(sum(gone.delete_count), 0) from {_system(bucket, 'ducklake_data_file')} as one "
        f"left join (select data_file_id, delete_count from {_system(bucket, 'ducklake_delete_file')} "
        "where end_snapshot is null) as gone using (data_file_id) where one.end_snapshot is null group by table_id"
    ).fetchall()
    return {key: Storage(files, int(size), int(rows) - int(gone)) for key, files, size, rows, gone in rows}


def last_change(cursor: duck.Cursor, bucket: str, table: str) -> int:
    """The last version in which something happened to a table, 0 for never."""
    return max((change.version for change in changes(cursor, bucket, table)), default=0)


def remove_torn(cursor: duck.Cursor, bucket: str, table: str, since: float) -> None:
    """Remove the half-written file that a full disk leaves of a transaction that began at `since` (seconds).

    Only a file of `table` that no version knows, without the end of a Parquet file: an open transaction of somebody
    else has whole files that no version knows yet.
    """
    with suppress(duck.Error, OSError):  # the caller has an error to show already
        rows = cursor.execute(
            f"select path from ducklake_delete_orphaned_files({duck.literal(bucket)}, "
            "dry_run => true, cleanup_all => true)"
        ).fetchall()
        for path in (Path(row[0]) for row in rows):
            if path.parent.name == table and path.stat().st_mtime >= since and not _is_whole(path):
                path.unlink()


def _is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4))
        return stream.read(4) == b"PAR1"
