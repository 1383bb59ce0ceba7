"""Where a corpus gets its documents: a dataset or a query, read as the caller, spooled to one file."""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc

from engine import duck
from engine.errors import Invalid, nearest
from engine.search.segment import digest
from engine.session import Session
from engine.statement import Statement

IS_QUERY = re.compile(r"(?is)^\s*(\(|from\b|select\b|with\b|values\b|table\b)")


@dataclass(frozen=True)
class Columns:
    """Which column of the source is what."""

    id: str
    text: str
    metadata: list[str]


def statement_of(source: str) -> str:
    """The query that reads `source`: itself when it is a query, else all rows of the dataset of that name."""
    if IS_QUERY.match(source):
        return source.strip().rstrip(";")
    return f"select * from {duck.qualified(*_parts(source))}"


def _parts(name: str) -> list[str]:
    if name.count('"') and re.fullmatch(r'("[^"]+"|[^".]+)(\.("[^"]+"|[^".]+))*', name):
        return [part.strip('"') for part in re.findall(r'"[^"]+"|[^".]+', name)]
    return [name] if not re.fullmatch(r"\w+(\.\w+){1,2}", name) else name.split(".")


def spool(session: Session, source: str, path: Path, caller: Statement) -> pa.Table:
    """Run the source as `session` and write its rows to `path`; returns them memory-mapped."""
    checked = session.describe(statement_of(source))
    if not checked.is_query or checked.effect != "reads":
        raise Invalid("the source must be a dataset or a select that only reads", "for example source := 'workers'")
    with session.run(statement_of(source)) as result, ipc.new_file(path, result.schema) as writer:
        for batch in result.batches():
            caller.check()
            writer.write_batch(batch)
    with pa.memory_map(str(path)) as mapped:
        return ipc.open_file(mapped).read_all()


def choose(columns: list[str], id: str, text: str, metadata: list[str] | None) -> Columns:
    """Find the named columns in the source; raises Invalid naming the nearest for one that is not there."""
    by_lower = {column.lower(): column for column in columns}

    def find(name: str, argument: str) -> str:
        if name.lower() not in by_lower:
            raise Invalid(f"the source has no column {name!r} ({argument})", nearest(name, columns))
        return by_lower[name.lower()]

    found_id, found_text = find(id, "id"), find(text, "text")
    if metadata is None:
        rest = [column for column in columns if column not in (found_id, found_text)]
    else:
        rest = [find(column, "metadata") for column in metadata]
    clashing = [column for column in rest if column.lower() == "id" or column.startswith("_")]
    if clashing and metadata is not None:
        raise Invalid(f"the metadata column {clashing[0]!r} has a reserved name", "rename it in the source")
    return Columns(found_id, found_text, [column for column in rest if column not in clashing])


def documents(table: pa.Table, columns: Columns, cursor: duck.Cursor) -> tuple[pa.Table, list[str | None]]:
    """The documents of a source: a table (_id, _sha, _metadata, metadata columns) and their texts, ordered by id.

    The order makes equal scores break by id wherever they break by row. Raises Invalid for an id that is null or stands
    twice.
    """
    table = table.take(pc.sort_indices(pc.cast(table.column(columns.id), pa.string())))
    ids = pc.cast(table.column(columns.id), pa.string())
    if ids.null_count:
        raise Invalid(f"{ids.null_count} rows have no id in {columns.id!r}", "filter them out in the source")
    counted = pc.value_counts(ids.combine_chunks() if ids.num_chunks else pa.array([], pa.string()))
    for entry in counted.filter(pc.greater(counted.field("counts"), 1))[:1].to_pylist():
        raise Invalid(f"the id {entry['values']!r} stands {entry['counts']} times", "choose a column that is unique")
    texts = pc.cast(table.column(columns.text), pa.string()).to_pylist()
    chosen = table.select(columns.metadata)
    encoded = _metadata_json(chosen, cursor)
    shas = [digest(text or "", metadata) for text, metadata in zip(texts, encoded, strict=True)]
    own = {"_id": ids, "_sha": pa.array(shas, pa.binary(16)), "_metadata": pa.array(encoded, pa.large_string())}
    made = pa.table({**own, **{name: chosen.column(name) for name in columns.metadata}})
    return made.combine_chunks(), texts


def _metadata_json(table: pa.Table, cursor: duck.Cursor) -> list[str]:
    if not table.num_columns:
        return ["{}"] * table.num_rows
    cursor.register("metadata_rows", table)
    try:
        packed = ", ".join(f"{duck.identifier(name)} := {duck.identifier(name)}" for name in table.column_names)
        rows = duck.table(cursor, f"select to_json(struct_pack({packed}))::varchar as json from metadata_rows")
    finally:
        cursor.unregister("metadata_rows")
    encoded: list[str] = rows.column(0).to_pylist()
    return encoded
