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
    lives, sizes = ducklake.tables(cursor, bucket), ducklake.storage(cursor, bucket)
    histories: dict[tuple[str, str], list[Change]] = {}
    for change in ducklake.changes(cursor, bucket):
        histories.setdefault((change.schema, change.table), []).append(change)
    keys = _keys(lives, ledger.entries(cursor, bucket))
    widths = dict(
        cursor.execute(
            "select (schema_name, table_name), column_count from duckdb_tables() where database_name = ?", [bucket]
        ).fetchall()
    )
    for life in lives:
        if life.end is not None:
            continue
        history = histories.get((life.schema, life.name), [])
        size = sizes.get(life.table_id, NOTHING)
        yield {
            "dataset": life.name,
            "bucket": bucket,
            "schema": life.schema,
            "rows": _rows(cursor, bucket, life, history, size),
            "columns": widths.get((life.schema, life.name)),
            "version": history[-1].version if history else life.begin,
            "key": keys.get(fold(life.name)) if life.schema == SCHEMA else None,
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


def _keys(lives: list[TableLife], entries: list[ledger.Entry]) -> dict[str, list[str]]:
    """The keys of the datasets that have one, by folded name."""
    begins: dict[str, list[int]] = {}
    for life in lives:
        if life.schema == SCHEMA:
            begins.setdefault(fold(life.name), []).append(life.begin)
    by_name: dict[str, list[ledger.Entry]] = {}
    for entry in entries:
        by_name.setdefault(fold(entry.dataset), []).append(entry)
    found = {}
    for name, mine in by_name.items():
        keys = [entry.key for entry in ledger.in_force(mine, begins.get(name, [])) if entry.key]
        if keys:
            found[name] = keys[-1]
    return found


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
