"""Parquet and Arrow IPC: files that know their types. Each file is looked at on its own, for DuckDB would cast a second
file to the types of the first without a word."""

from collections.abc import Sequence

import pyarrow.parquet as pq

from engine import duck
from engine.errors import Conflict, Invalid
from engine.storage.columns import Column, check_names, described, fold, kept, pick
from engine.storage.files import SourceFile
from engine.storage.readers.reading import Reading, Wish

VIEW = "lakehouse_source_"


def read_parquet(cursor: duck.Cursor, wish: Wish) -> Reading:
    """Read Parquet files. Raises Invalid for a broken one, Conflict when they differ in their columns."""
    rows, sources = {}, []
    for file in wish.files:
        wish.check()
        with pq.ParquetFile(file.location.path) as opened:
            check_names(opened.schema_arrow.names, file.name, wish.max_columns)
            rows[str(file.location.path)] = opened.metadata.num_rows
        sources.append(f"read_parquet({duck.literal(file.location.scanned())}, hive_partitioning = false)")
    columns = _agreed(cursor, wish.files, sources)
    all_files = f"read_parquet({wish.paths()}, hive_partitioning = false)"
    return _reading(cursor, wish, columns, [all_files], rows)


def read_arrow(cursor: duck.Cursor, wish: Wish) -> Reading:
    """Read Arrow IPC files (Feather version 2), not streams."""
    import pyarrow.dataset as arrow_dataset  # at the top it would cost every start half a second

    rows, sources = {}, []
    for at, file in enumerate(wish.files):
        wish.check()
        found = arrow_dataset.dataset(str(file.location.path), format="ipc")
        check_names(found.schema.names, file.name, wish.max_columns)
        rows[str(file.location.path)] = found.count_rows()
        try:
            cursor.register(f"{VIEW}{at}", found)
        except duck.Error as error:
            reason = str(error).split(": ", 1)[-1]
            raise Invalid(f"{file.name} has a column that cannot be read: {reason}", "cast it in the file") from None
        sources.append(f"{VIEW}{at}")
    return _reading(cursor, wish, _agreed(cursor, wish.files, sources), sources, rows)


def _agreed(cursor: duck.Cursor, files: Sequence[SourceFile], sources: Sequence[str]) -> list[Column]:
    """The columns that all files have; their order may differ."""
    first: list[Column] = []
    for file, source in zip(files, sources, strict=True):
        columns = described(cursor, f"select * from {source}")
        first = first or columns
        ours = {(fold(column.name), column.type) for column in first}
        differing = sorted(ours ^ {(fold(column.name), column.type) for column in columns})
        if differing:
            raise Conflict(
                f"{file.name} and {files[0].name} differ in the column {differing[0][0]!r}",
                "ingest them as two datasets, or write them with one schema",
            )
    return first


def _reading(
    cursor: duck.Cursor, wish: Wish, columns: list[Column], sources: Sequence[str], rows: dict[str, int]
) -> Reading:
    names = [column.name for column in columns]
    given = dict(zip(pick(wish.given, names, "types"), wish.given.values(), strict=True))
    typed = [Column(column.name, given.get(column.name) or kept(cursor, column.type)) for column in columns]
    values = []
    for old, new in zip(columns, typed, strict=True):
        cell = duck.identifier(old.name)
        values.append(cell if old.type == new.type else f"cast({cell} as {new.type}) as {cell}")
    relation = " union all by name ".join(f"select {', '.join(values)} from {source}" for source in sources)
    return Reading(typed, relation, rows)
