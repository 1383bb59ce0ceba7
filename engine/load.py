"""Bulk load: a stream of Arrow batches into one table, inside the caller's transaction."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from engine import duck
from engine.errors import Conflict, Invalid, NotFound

LoadMode = Literal["create", "append", "replace", "create_append"]
STREAM = "lakehouse_stream"
NANOSECONDS = pa.time64("ns")  # writing this type to a table ends the engine: it is kept in microseconds


@dataclass(frozen=True)
class Target:
    """A table by its full name."""

    catalog: str
    schema: str
    table: str

    def __str__(self) -> str:
        """The full name as quoted SQL."""
        return duck.qualified(self.catalog, self.schema, self.table)


def load_stream(cursor: duck.Cursor, reader: pa.RecordBatchReader, target: Target, mode: LoadMode) -> int:
    """Write `reader` into `target`; returns the rows written. Columns are matched by name.

    Raises Conflict (`create` and it exists), NotFound (`append` and it does not). `check_schema` has passed.
    """
    exists = table_exists(cursor, target)
    if exists and mode == "create":
        raise Conflict(f"table {target.table!r} exists already", "append to it or replace it")
    if not exists and mode == "append":
        raise NotFound(f"table {target.table!r} does not exist", "create it first")
    if exists and mode == "replace":
        cursor.execute(f"drop table {target}")
    append = exists and mode != "replace"
    cursor.register(STREAM, reader.__arrow_c_stream__())  # not by pyarrow's own scanner, which warns and copies
    try:
        into = f"insert into {target} by name" if append else f"create table {target} as"
        answer = cursor.execute(f"{into} {_columns(reader.schema)} from temp.main.{STREAM}").fetchall()
    finally:
        cursor.unregister(STREAM)
    return int(answer[0][0]) if answer else 0


def _columns(schema: pa.Schema) -> str:
    """What to select from the stream."""
    coarser = [duck.identifier(column.name) for column in schema if column.type == NANOSECONDS]
    replaced = ", ".join(f"{name}::time as {name}" for name in coarser)
    return f"select * replace ({replaced})" if replaced else "select *"


def coarsened(schema: pa.Schema) -> pa.Schema:
    """`schema` with times in microseconds."""
    return pa.schema([field.with_type(pa.time64("us")) if field.type == NANOSECONDS else field for field in schema])


def _holds_nanoseconds(kind: pa.DataType) -> bool:
    return kind == NANOSECONDS or any(_holds_nanoseconds(kind.field(at).type) for at in range(kind.num_fields))


def table_exists(cursor: duck.Cursor, target: Target) -> bool:
    """Whether there is a table or view of that name. To ask for it costs a tenth of listing what there is."""
    try:
        cursor.execute(f"select 1 from {target} limit 0").fetchall()
    except duck.Missing:
        return False
    return True


def check_schema(schema: pa.Schema) -> None:
    """Refuse column names and types that the engine cannot keep, before any data moves."""
    names = [name.lower() for name in schema.names]
    for name in schema.names:
        if names.count(name.lower()) > 1:
            raise Invalid(f"the column {name!r} is there twice", "names must differ in more than their case")
    for column in schema:
        if column.type != NANOSECONDS and _holds_nanoseconds(column.type):
            raise Invalid(f"the column {column.name!r} nests times of nanoseconds", "cast them to microseconds first")
        if pa.types.is_decimal(column.type) and column.type.scale < 0:
            raise Invalid(f"the column {column.name!r} is a decimal of negative scale", "cast it to scale 0 first")
