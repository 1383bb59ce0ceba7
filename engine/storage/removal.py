"""Removal: whole datasets, or rows by their key with the reason kept."""

import json
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.errors import Invalid, NotFound
from engine.statement import Statement
from engine.storage import ducklake, ledger
from engine.storage.buckets import BUCKETS
from engine.storage.columns import fold, pick
from engine.storage.datasets import SCHEMA, State, existing, working, writing

if TYPE_CHECKING:
    from engine.lake import Lake

KEYS = "lakehouse_keys"


def drop_dataset(lake: "Lake", statement: Statement, name: str | None) -> dict[str, Any]:
    """Drop a dataset; earlier versions can still be restored. One that was dropped before answers `absent`."""
    with working(lake, statement) as cursor, writing(lake, statement):
        try:
            state = existing(cursor, name)
        except NotFound:
            gone = _dropped(cursor, name or "")
            if gone is None:
                raise
            return {"dataset": gone.name, "status": "absent", "version": gone.end}
        bucket, dataset = state.place.bucket, state.place.name
        version = ducklake.current_version(cursor, bucket) + 1
        with duck.transaction(cursor):
            cursor.execute(f"drop table {state.place}")
            ledger.write(cursor, bucket, [_entry(lake, statement, state, version, "dropped")])
    record(lake, statement, "drop", dataset, {"version": version})
    return {"dataset": dataset, "status": "dropped", "version": version}


def _dropped(cursor: duck.Cursor, name: str) -> ducklake.TableLife | None:
    """The last life of a dataset that is not there any more."""
    lives = [life for bucket in BUCKETS for life in ducklake.tables(cursor, bucket)]
    same = [life for life in lives if life.schema == SCHEMA and fold(life.name) == fold(name)]
    return same[-1] if same else None


def delete_rows(
    lake: "Lake", statement: Statement, name: str | None, keys: str | None, reason: str | None
) -> dict[str, Any]:
    """Delete the rows with these keys. `keys` is JSON: one value, a list of them, or of objects for a key of several
    columns. Keys that are not there are passed over; `rows_deleted` counts what went.
    """
    if reason is None or not reason.strip():
        raise Invalid("a reason is needed", "delete_rows('workers', 'W-1', 'asked to be forgotten')")
    with working(lake, statement) as cursor, writing(lake, statement):
        state = existing(cursor, name)
        bucket, place = state.place.bucket, state.place
        wanted = _wanted(state, keys)
        _put_keys(cursor, state, wanted)
        version = ducklake.current_version(cursor, bucket) + 1
        match = " and ".join(f"{place}.{duck.identifier(one)} = wanted.{duck.identifier(one)}" for one in state.key)
        with duck.transaction(cursor):
            row = cursor.execute(
                f"delete from {place} where exists (select 1 from {KEYS} as wanted where {match})"
            ).fetchone()
            deleted = int(row[0]) if row else 0
            if deleted:
                entry = _entry(lake, statement, state, version, "deleted", rows=deleted, note=reason)
                ledger.write(cursor, bucket, [entry])
        version = ducklake.current_version(cursor, bucket)
    if deleted:
        record(lake, statement, "delete", place.name, {"rows": deleted, "reason": reason, "version": version})
    status = "deleted" if deleted else "unchanged"
    return {"dataset": place.name, "status": status, "rows_deleted": deleted, "version": version}


def _wanted(state: State, keys: str | None) -> list[dict[str, Any]]:
    """Each wanted key as values by key column."""
    key = state.key
    if not key:
        raise Invalid(f"the dataset {state.place.name!r} has no key", "delete with plain SQL, or ingest it with a key")
    given = json.loads(keys) if keys else None
    values = given if isinstance(given, list) else [given]
    found = []
    for value in values:
        if isinstance(value, dict):
            names = pick(value, key, "keys")
            found.append(dict(zip(names, value.values(), strict=True)))
        elif len(key) == 1:
            found.append({key[0]: value})
        else:
            raise Invalid(f"the key has the columns {', '.join(key)}", f"give objects: {{'{key[0]}': …}}")
        if set(found[-1]) != set(key) or any(part is None for part in found[-1].values()):
            raise Invalid("a key is NULL or not whole", f"its columns are {', '.join(key)}")
    return found


def _put_keys(cursor: duck.Cursor, state: State, wanted: list[dict[str, Any]]) -> None:
    """The wanted keys as a temporary table of the dataset's types. Raises Invalid for a value of another type."""
    types = {column.name: column.type for column in state.columns}
    casts = ", ".join(
        f"try_cast(one ->> {duck.literal(_path(name))} as {types[name]}) as {duck.identifier(name)}"
        for name in state.key
    )
    cursor.execute(
        f"create or replace temp table {KEYS} as select {casts} from (select unnest(cast(? as json[])) as one)",
        [json.dumps(wanted)],
    )
    empty = " or ".join(f"{duck.identifier(name)} is null" for name in state.key)
    if cursor.execute(f"select 1 from {KEYS} where {empty}").fetchall():
        shown = ", ".join(f"{name} {types[name]}" for name in state.key)
        raise Invalid("a key is not of the type of its column", f"the key is {shown}")


def _path(name: str) -> str:
    """A JSON path to the member `name`."""
    return '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entry(
    lake: "Lake", statement: Statement, state: State, version: int, status: str, *, rows: int | None = None,
    note: str | None = None, restored: int | None = None,
) -> ledger.Entry:  # fmt: skip
    return ledger.Entry(
        int(lake.clock() * 1e6), state.place.name, version, status, rows=rows, note=note, restored=restored,
        actor=statement.session.profile, statement_id=statement.statement_id,
    )  # fmt: skip


def record(lake: "Lake", statement: Statement, action: str, dataset: str, body: dict[str, Any]) -> None:
    """Put a change of a dataset into the journal, on disk when this returns."""
    lake.journal.record(
        "dataset",
        dataset,
        {"action": action, **body},
        actor=statement.session.profile,
        statement_id=statement.statement_id,
        durable=True,
    )
