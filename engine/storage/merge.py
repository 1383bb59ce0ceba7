"""Merge by key: rows whose key is known are updated when they differ, the others are added; the last of equals wins."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine import duck
from engine.errors import Conflict, Invalid
from engine.storage.columns import quoted

STAGE = "lakehouse_stage"


@dataclass(frozen=True)
class Merged:
    """How many rows were added and how many of the dataset changed."""

    added: int
    updated: int


def stage(cursor: duck.Cursor, select: str, key: Sequence[str]) -> int:
    """Put the rows of `select` into the stage of this cursor, one for each key; returns the doubles left out.

    The stage spills to disk, so that memory is bounded. Raises Invalid when a key is NULL.
    """
    cursor.execute(f"create or replace temp table {STAGE} as {select}")
    columns = quoted(key)
    empty = " or ".join(f"{duck.identifier(name)} is null" for name in key)
    nulls = _number(cursor, f"select count(*) from {STAGE} where {empty}")
    if nulls:
        raise Invalid(f"the key {', '.join(key)} is NULL in {nulls} rows", "fill it, or choose another key")
    doubles = _number(
        cursor, f"select count(*) - (select count(*) from (select distinct {columns} from {STAGE})) from {STAGE}"
    )
    if doubles:
        cursor.execute(f"delete from {STAGE} where rowid not in (select max(rowid) from {STAGE} group by {columns})")
    return doubles


def check_unique(cursor: duck.Cursor, table: str, dataset: str, key: Sequence[str]) -> None:
    """Raise Conflict unless the rows that are there already have one key each."""
    columns = quoted(key)
    rows = _number(cursor, f"select count(*) from {table}")
    if rows != _number(cursor, f"select count(*) from (select distinct {columns} from {table})"):
        raise Conflict(f"{', '.join(key)} is not unique in the dataset {dataset!r}", "choose another key")


def merge(cursor: duck.Cursor, table: str, names: Sequence[str], key: Sequence[str]) -> Merged:
    """Merge the stage into `table`, within the transaction of `cursor`. `names`: all columns."""
    on = " and ".join(f"old.{duck.identifier(name)} = new.{duck.identifier(name)}" for name in key)
    values = [name for name in names if name not in key]
    before = _number(cursor, f"select count(*) from {table}")
    update = ""
    if values:
        differs = " or ".join(f"old.{duck.identifier(n)} is distinct from new.{duck.identifier(n)}" for n in values)
        settings = ", ".join(f"{duck.identifier(name)} = new.{duck.identifier(name)}" for name in values)
        update = f"when matched and ({differs}) then update set {settings} "
    affected = _number(
        cursor,
        f"merge into {table} as old using {STAGE} as new on ({on}) {update}"
        f"when not matched then insert ({quoted(names)}) values ({quoted(names, 'new.')})",
    )
    added = _number(cursor, f"select count(*) from {table}") - before
    return Merged(added, affected - added)


def _number(cursor: duck.Cursor, query: str) -> int:
    row = cursor.execute(query).fetchone()
    return int(row[0]) if row else 0
