"""Columns of a dataset and of a file: types that can be kept, the fingerprint, and what drifted between the two."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import duck
from engine.errors import Conflict, Invalid, NotFound, nearest

SHORT = {
    "VARCHAR": "string",
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "BOOLEAN": "bool",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
# DuckLake refuses these, or its Parquet files lose them (a HUGEINT becomes a double, an INTERVAL its microseconds,
# a TIMETZ its zone, and a TIME_NS ends the whole engine), so that they are kept as text.
AS_TEXT = {
    "enum", "union", "bit", "hugeint", "uhugeint", "bignum", "interval", "time with time zone", "time_ns", "null",
    "variant", "geometry",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column by name and SQL type; `example` is a cell that kept it from being read as the dataset's type."""

    name: str
    type: str
    example: str | None = None

    @property
    def shown(self) -> str:
        """The type as users read it: string, int64, float64, bool, date, timestamp, else the SQL type."""
        return SHORT.get(self.type, self.type)


def fold(name: str) -> str:
    """A name for comparison: the engine ignores the case of ASCII letters."""
    return name.translate(_FOLD)


_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def quoted(names: Iterable[str], prefix: str = "") -> str:
    """Names as a list of quoted identifiers, each after `prefix`."""
    return ", ".join(prefix + duck.identifier(name) for name in names)


def described(cursor: duck.Cursor, query: str) -> list[Column]:
    """The columns that `query` would answer with."""
    return [Column(name, type) for name, type, *_ in cursor.execute(f"describe {query}").fetchall()]


def fingerprint(columns: Iterable[Column]) -> str:
    """SHA-256 over (name, type) in order: 0x1f between name and type, 0x1e between columns. Nullability is no part."""
    text = "\x1e".join(f"{column.name}\x1f{column.shown}" for column in columns)
    return hashlib.sha256(text.encode()).hexdigest()


def check_names(names: Sequence[str], where: str, limit: int) -> None:
    """Raise Invalid for no, too many, blank or equal column names (case ignored)."""
    if not names:
        raise Invalid(f"{where} has no columns", "it must name at least one")
    if len(names) > limit:
        raise Invalid(f"{where} has {len(names)} columns", f"at most {limit}, see [ingest] max_columns")
    seen: dict[str, str] = {}
    for at, name in enumerate(names, 1):
        if not name.strip():
            raise Invalid(f"{where}: column {at} has no name", "name it in the file")
        if fold(name) in seen:
            raise Invalid(
                f"{where}: the columns {seen[fold(name)]!r} and {name!r} have one name",
                "names must differ in more than their case",
            )
        seen[fold(name)] = name


def kept(cursor: duck.Cursor, type: str) -> str:
    """The type in which values of `type` are kept: itself, or what a bucket can store without loss.

    Fixed-size arrays become lists; what AS_TEXT names becomes text, also inside of structs, lists and maps.
    """
    return str(cursor.dtype(_kept(cursor.dtype(type))))


def _kept(type: Any) -> str:
    if type.id in AS_TEXT:
        return "VARCHAR"
    if type.id == "struct":
        return f"STRUCT({', '.join(f'{duck.identifier(name)} {_kept(child)}' for name, child in type.children)})"
    if type.id in ("list", "array"):
        return _kept(type.children[0][1]) + "[]"
    if type.id == "map":
        (_, key), (_, value) = type.children
        return f"MAP({_kept(key)}, {_kept(value)})"
    return str(type)


def parse_types(cursor: duck.Cursor, given: Mapping[str, str]) -> dict[str, str]:
    """The types that a caller names, in the engine's spelling, by column as given.

    Raises Invalid for what is no type or could not be kept.
    """
    found = {}
    for name, type in given.items():
        try:
            spelled = str(cursor.dtype(type))
        except duck.Error:
            raise Invalid(f"the type {type!r} of {name!r} is not a SQL type", "for example BIGINT or VARCHAR") from None
        if kept(cursor, spelled) != spelled:
            raise Invalid(f"the type {type!r} of {name!r} cannot be kept", f"use {kept(cursor, spelled)}")
        found[name] = spelled
    return found


def pick(names: Iterable[str], columns: Sequence[str], what: str) -> list[str]:
    """`names` as they stand in `columns`, case ignored; raises Invalid naming the nearest for one that does not."""
    by_fold = {fold(column): column for column in columns}
    picked = []
    for name in names:
        if fold(name) not in by_fold:
            raise Invalid(f"{what}: there is no column {name!r}", nearest(name, columns))
        picked.append(by_fold[fold(name)])
    return picked


def gate(dataset: str, present: Sequence[Column], found: Sequence[Column]) -> None:
    """Raise Conflict, naming the columns, unless the file has the dataset's columns and types; their order is free."""
    ours = {fold(column.name): column for column in present}
    theirs = {fold(column.name): column for column in found}
    faults = [f"column {column.name!r} is missing" for name, column in ours.items() if name not in theirs]
    faults += [f"column {column.name!r} is new" for name, column in theirs.items() if name not in ours]
    retyped = [(ours[name], column) for name, column in theirs.items() if name in ours]
    retyped = [(old, new) for old, new in retyped if old.type != new.type]
    for old, new in retyped:
        example = f", for example {new.example!r}" if new.example is not None else ""
        faults.append(f"column {old.name!r} is {old.shown} in the dataset and {new.shown} in the file{example}")
    if not faults:
        return
    hint = "use mode := 'replace'"
    if retyped and len(retyped) == len(faults):
        hint += f", or {_remedy(*retyped[0])}"
    more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
    raise Conflict(f"the file does not fit the dataset {dataset!r}: {', '.join(faults[:5])}{more}", hint)


def _remedy(old: Column, new: Column) -> str:
    if new.example is not None:
        return (
            f"correct the cell, or in csv take it for NULL: options := {{'nullstr': ['', {duck.literal(new.example)}]}}"
        )
    return f"cast it: options := {{'types': {{{duck.literal(old.name)}: {duck.literal(old.type)}}}}}"


def missing(name: str, known: Iterable[str]) -> NotFound:
    """The error for a dataset that is not there."""
    return NotFound(f"dataset {name!r} does not exist", nearest(name, known))
