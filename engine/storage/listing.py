"""What the buckets hold, as rows for the views of `lake`: from the catalogs alone, whatever the size of the data."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.statement import Statement
from engine.storage import ducklake, ledger
from engine.storage.buckets import BUCKETS
from engine.storage.columns import fold
from engine.storage.datasets import SCHEMA, Place, working
from engine.storage.ducklake import Change, Storage, TableLife

if TYPE_CHECKING:
    from engine.lake import Lake

Rows = list[dict[str, Any]]
NOTHING = Storage(0, 0, 0)


def datasets(lake: "Lake", statement: Statement) -> Rows:
    """Every dataset with its size, its version and when it changed."""
    with working(lake, statement) as cursor:
        return [row for bucket in BUCKETS for row in _datasets(cursor, bucket)]


def _datasets(cursor: duck.Cursor, bucket: str) -> Iterable[dict[str, Any]]:
    lives, changes = ducklake.tables(cursor, bucket), ducklake.changes(cursor, bucket)
    sizes, entries = ducklake.storage(cursor, bucket), ledger.entries(cursor, bucket)
    widths = dict(
        cursor.execute(
            "select (schema_name, table_name), column_count from duckdb_tables() where database_name = ?", [bucket]
        ).fetchall()
    )
    for life in lives:
        if life.end is not None:
            continue
        history = [change for change in changes if (change.schema, change.table) == (life.schema, life.name)]
        size = sizes.get(life.table_id, NOTHING)
        yield {
            "dataset": life.name,
            "bucket": bucket,
            "schema": life.schema,
            "rows": _rows(cursor, bucket, life, history, size),
            "columns": widths.get((life.schema, life.name)),
            "version": history[-1].version if history else life.begin,
            "key": _key(life, lives, entries),
            "bytes": size.bytes,
            "files": size.files,
            "created_at": _created(history),
            "updated_at": history[-1].ts if history else None,
        }


def _rows(cursor: duck.Cursor, bucket: str, life: TableLife, history: list[Change], size: Storage) -> int:
    """Rows by the catalog; where it keeps some inside itself, the engine counts (a few milliseconds)."""
    if not any(change.inlined for change in history if change.table_id == life.table_id):
        return size.rows
    row = cursor.execute(f"select count(*) from {Place(bucket, life.schema, life.name)}").fetchone()
    return int(row[0]) if row else 0


def _key(life: TableLife, lives: list[TableLife], entries: list[ledger.Entry]) -> list[str] | None:
    if life.schema != SCHEMA:
        return None
    begins = [one.begin for one in lives if (one.schema, fold(one.name)) == (SCHEMA, fold(life.name))]
    found = ledger.in_force([one for one in entries if fold(one.dataset) == fold(life.name)], begins)
    keys = [entry.key for entry in found if entry.key]
    return keys[-1] if keys else None


def _created(history: list[Change]) -> int | None:
    """When the dataset began: a replacement in one version goes on, a drop ends it."""
    began = None
    for change in history:
        if "created" in change.kinds and (began is None or not _replaces(change, history)):
            began = change.ts
    return began


def _replaces(change: Change, history: list[Change]) -> bool:
    return any(one.version == change.version and "dropped" in one.kinds for one in history)


def columns(lake: "Lake", statement: Statement) -> Rows:
    """Every column of every dataset, in order."""
    with working(lake, statement) as cursor:
        rows = cursor.execute(
            "select table_name, database_name, schema_name, column_index, column_name, data_type, is_nullable, comment "
            "from duckdb_columns() where list_contains(?, database_name) and schema_name <> ? "
            "and (database_name, schema_name, table_name) in "
            "(select (database_name, schema_name, table_name) from duckdb_tables()) order by all",
            [list(BUCKETS), ducklake.INTERNAL_SCHEMA],
        ).fetchall()
    names = ("dataset", "bucket", "schema", "position", "column_name", "type", "nullable", "comment")
    return [dict(zip(names, row, strict=True)) for row in rows]


def versions(lake: "Lake", statement: Statement) -> Rows:
    """What happened to each dataset, oldest first."""
    with working(lake, statement) as cursor:
        return [row for bucket in BUCKETS for row in _versions(cursor, bucket)]


def _versions(cursor: duck.Cursor, bucket: str) -> Iterable[dict[str, Any]]:
    known = {(entry.version, fold(entry.dataset)): entry for entry in ledger.entries(cursor, bucket)}
    merged: dict[tuple[int, str, str], list[Change]] = {}
    for change in ducklake.changes(cursor, bucket):
        merged.setdefault((change.version, change.schema, change.table), []).append(change)
    for (version, schema, table), parts in merged.items():
        entry = known.get((version, fold(table))) if schema == SCHEMA else None
        kinds = frozenset[str]().union(*(part.kinds for part in parts))
        yield {
            "dataset": table,
            "bucket": bucket,
            "schema": schema,
            "version": version,
            "ts": parts[0].ts,
            "change": entry.status if entry else _word(kinds),
            "actor": entry.actor if entry else None,
            "note": entry.note if entry else None,
        }


def _word(kinds: frozenset[str]) -> str:
    if {"created", "dropped"} <= kinds:
        return "replaced"
    for word in ("created", "dropped", "altered"):
        if word in kinds:
            return word
    return "updated" if {"inserted", "deleted"} <= kinds else next(iter(kinds))


def buckets(lake: "Lake", statement: Statement) -> Rows:
    """Every bucket with its size."""
    with working(lake, statement) as cursor:
        found = []
        for bucket in BUCKETS:
            sizes = ducklake.storage(cursor, bucket)
            alive = [life for life in ducklake.tables(cursor, bucket) if life.end is None]
            mine = [sizes.get(life.table_id, NOTHING) for life in alive]
            found.append(
                {
                    "bucket": bucket,
                    "kind": "ducklake",
                    "uri": f"buckets/{bucket}",
                    "datasets": len(alive),
                    "files": sum(size.files for size in mine),
                    "bytes": sum(size.bytes for size in mine),
                    "version": ducklake.current_version(cursor, bucket),
                }
            )
    return found


def ingests(lake: "Lake", statement: Statement) -> Rows:
    """The ledgers, oldest first."""
    with working(lake, statement) as cursor:
        return [{"bucket": bucket, **asdict(entry)} for bucket in BUCKETS for entry in ledger.entries(cursor, bucket)]
