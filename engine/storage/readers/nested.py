"""JSON: an array of objects, or objects one after another. Nested objects stay structs and lists.

The types are found over all objects, not a sample: with a sample DuckDB would round a late 1.5 to 2. Strings stay
strings but for whole columns of ISO dates or timestamps; values of several kinds in one column make it a string.
"""

import re
from typing import Any

from engine import duck
from engine.storage.columns import AS_TEXT, Column, check_names, fold, pick
from engine.storage.inference import TIMES, infer
from engine.storage.readers.reading import FILE_COLUMN, Reading, Wish, with_room

OBJECT_BYTES = 16_777_216  # DuckDB's default
NO_DATES = "'(dates are found by inference.py)'"
TEXT_IN_JSON = AS_TEXT | {"uuid", "time"}  # strings of the file that DuckDB would rewrite in its own spelling


def read(cursor: duck.Cursor, wish: Wish) -> Reading:
    """Read JSON files. Raises Invalid naming file and line."""
    return with_room(lambda room: _read(cursor, wish, room), OBJECT_BYTES, wish.max_cell_bytes, "maximum_object_size")


def _read(cursor: duck.Cursor, wish: Wish, room: int) -> Reading:
    found = _found(cursor, wish, room)
    names = [column.name for column in found]
    check_names(names, wish.files[0].name, wish.max_columns)
    given = dict(zip(pick(wish.given, names, "types"), wish.given.values(), strict=True))
    wanted = wish.wanted_for(names)
    types = {column.name: _type(cursor, column, wanted.get(column.name)) for column in found}
    texts = [name for name in names if types[name] == "VARCHAR"]
    spec = ", ".join(f"{duck.literal(name)}: {duck.literal(type)}" for name, type in types.items())
    relation = f"select * from read_json({_arguments(wish, room)}, columns = {{{spec}}})"
    several = FILE_COLUMN if len(wish.files) > 1 else None
    inferred = infer(
        cursor, relation, texts, wanted=wanted, given={n: t for n, t in given.items() if n in texts}, check=wish.check,
        candidates=TIMES, file_column=several,
    )  # fmt: skip
    columns, values = [], []
    for name in names:
        cell = duck.identifier(name)
        column = inferred.columns.get(name) or Column(name, given.get(name, types[name]))
        columns.append(column)
        values.append(cell if column.type == types[name] else f"cast({cell} as {column.type}) as {cell}")
    rows = inferred.rows if several else {str(wish.files[0].location.path): inferred.rows.get("", 0)}
    return Reading(columns, f"select {', '.join(values)} from ({relation})", rows)


def _arguments(wish: Wish, room: int) -> str:
    return (
        f"{wish.paths()}, records = 'true', maximum_object_size = {room}, hive_partitioning = false, "
        f"filename = {duck.literal(FILE_COLUMN)}"
    )


def _found(cursor: duck.Cursor, wish: Wish, room: int) -> list[Column]:
    """The columns of all objects with the types that DuckDB finds."""
    detect = (
        f"{_arguments(wish, room)}, sample_size = -1, union_by_name = true, maximum_sample_files = {len(wish.files)}, "
        f"dateformat = {NO_DATES}, timestampformat = {NO_DATES}"
    )
    rows = cursor.execute(f"describe select * from read_json({detect})").fetchall()
    columns = [Column(name, type) for name, type, *_ in rows if name != FILE_COLUMN]
    if any(re.fullmatch(r"C\d+|.+_\d+", column.name) for column in columns):
        _check_renamed(cursor, wish, room, {column.name for column in columns})
    return columns


def _check_renamed(cursor: duck.Cursor, wish: Wish, room: int, names: set[str]) -> None:
    """DuckDB renames a blank key to C0 and a key that differs in case only to `a_1`: refuse both."""
    keys = {
        key
        for (key,) in cursor.execute(
            f"select distinct unnest(json_keys(json)) from read_json_objects({wish.paths()}, "
            f"maximum_object_size = {room})"
        ).fetchall()
    }
    if keys - names:
        check_names(sorted(keys, key=lambda key: (fold(key), key)), wish.files[0].name, len(keys))


def _type(cursor: duck.Cursor, column: Column, wanted: str | None) -> str:
    """The type to read a column as: that of the dataset where every value fits it."""
    source = cursor.dtype(column.type)
    if wanted is not None and _fits(source, cursor.dtype(wanted)):
        return wanted
    return str(cursor.dtype(_read_as(source)))


def _read_as(source: Any) -> str:
    if source.id in TEXT_IN_JSON or str(source) == "JSON":
        return "VARCHAR"
    if source.id == "struct":
        return f"STRUCT({', '.join(f'{duck.identifier(name)} {_read_as(child)}' for name, child in source.children)})"
    if source.id == "list":
        return _read_as(source.children[0][1]) + "[]"
    if source.id == "map":
        (_, key), (_, value) = source.children
        return f"MAP({_read_as(key)}, {_read_as(value)})"
    return str(source)


def _fits(source: Any, target: Any) -> bool:
    """Whether every value of the found type can be read as `target` without loss."""
    if str(source) == str(target) or str(target) in ("VARCHAR", "JSON"):
        return True
    if source.id == "struct" and target.id == "struct":
        fields = {fold(name): child for name, child in target.children}
        return all(fold(name) in fields and _fits(child, fields[fold(name)]) for name, child in source.children)
    if source.id == "struct" and target.id == "map":
        return all(_fits(child, target.children[1][1]) for _, child in source.children)
    if source.id == "list" and target.id == "list":
        return _fits(source.children[0][1], target.children[0][1])
    if source.id == "map" and target.id == "map":
        return _fits(source.children[1][1], target.children[1][1])
    return (source.id, target.id) == ("bigint", "double")
