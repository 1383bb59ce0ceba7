"""Values as JSON and pages show them: Arrow in, what JSON can say out, with no digit lost and no date out of range.

Integers of any width are numbers; decimals are strings, since a reader would round them; NaN and the infinities are the
strings 'NaN', 'Infinity', '-Infinity'; dates and times are ISO 8601 (zoned ones in UTC, with Z); intervals are ISO 8601
durations; bytes are `\\x` and hexadecimal digits; maps are objects; structs are objects; lists are lists.
"""

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

WRAPPED_CHARACTERS = 48  # a longer cell is broken into lines
SHOWN_CHARACTERS = 140  # of a cell in a table; the rest opens on demand
KEPT_CHARACTERS = 20_000  # of a cell in a page at all

SQL_NAMES = {
    pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INTEGER", pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT", pa.uint16(): "USMALLINT", pa.uint32(): "UINTEGER", pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.string(): "VARCHAR", pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR", pa.binary(): "BLOB", pa.large_binary(): "BLOB", pa.date32(): "DATE",
    pa.time64("us"): "TIME", pa.time64("ns"): "TIME_NS", pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("s"): "TIMESTAMP_S", pa.timestamp("ms"): "TIMESTAMP_MS", pa.timestamp("ns"): "TIMESTAMP_NS",
    pa.month_day_nano_interval(): "INTERVAL", pa.null(): "NULL",
}  # fmt: skip


def sql_type(kind: pa.DataType) -> str:
    """The SQL name of an Arrow type, such as `STRUCT(a INTEGER)[]`; the Arrow name for one that SQL does not have."""
    if kind in SQL_NAMES:
        return SQL_NAMES[kind]
    if kinds.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kinds.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE"
    if kinds.is_fixed_size_list(kind):
        return f"{sql_type(kind.value_type)}[{kind.list_size}]"
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if kinds.is_map(kind):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    if kinds.is_struct(kind) or kinds.is_union(kind):
        fields = ", ".join(f"{field.name} {sql_type(field.type)}" for field in kind)
        return f"{'STRUCT' if kinds.is_struct(kind) else 'UNION'}({fields})"
    if kinds.is_dictionary(kind):
        return "ENUM"
    return str(getattr(kind, "type_name", kind)).upper()


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type reads best aligned to the right."""
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind))


def plain(array: pa.Array) -> list[Any]:
    """The values of `array` as JSON has them, in order; see the top of this module for the forms."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if kinds.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if kinds.is_nested(kind):
        return _nested(array)
    if kinds.is_float16(kind) or kinds.is_float32(kind):  # by its own digits: widened, 0.1 would be 0.10000000149011612
        return [None if text is None else _number(float(text)) for text in array.cast(pa.string()).to_pylist()]
    if kinds.is_float64(kind):
        return [None if value is None else _number(value) for value in array.to_pylist()]
    if kinds.is_decimal(kind):
        return [None if value is None else _decimal(value, kind.scale) for value in array.to_pylist()]
    if kinds.is_date(kind) or kinds.is_time(kind) or kinds.is_timestamp(kind):
        return _moments(array)
    if kinds.is_interval(kind):
        return [None if value is None else _duration(*value) for value in array.to_pylist()]
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind):
        return [None if value is None else "\\x" + value.hex() for value in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    return values


def _nested(array: pa.Array) -> list[Any]:
    kind = array.type
    if kinds.is_union(kind):
        branches = [plain(array.field(position)) for position in range(kind.num_fields)]
        return [branches[code][row] for row, code in enumerate(array.type_codes.to_pylist())]
    valid = array.is_valid().to_pylist()
    if kinds.is_struct(kind):
        names = [field.name for field in kind]
        columns = [plain(array.field(position)) for position in range(kind.num_fields)]
        values = zip(*columns, strict=True) if columns else iter([()] * len(array))
        return [dict(zip(names, row, strict=True)) if ok else None for ok, row in zip(valid, values, strict=True)]
    if kinds.is_map(kind):
        entry = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
        entries = plain(array.cast(pa.list_(entry)))
        return [None if row is None else {_key(one["key"]): one["value"] for one in row} for row in entries]
    flat = iter(plain(array.flatten()))
    lengths = pc.list_value_length(array).to_pylist()
    return [[next(flat) for _ in range(length or 0)] if ok else None for ok, length in zip(valid, lengths, strict=True)]


def _key(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Any, scale: int) -> int | str:
    return int(value) if scale == 0 else str(value)


def _moments(array: pa.Array) -> list[str | None]:
    kind = array.type
    zoned = kinds.is_timestamp(kind) and kind.tz is not None
    naive = array.cast(pa.timestamp(kind.unit)) if zoned else array  # the instant in UTC; needs no time zone database
    texts: list[str | None] = naive.cast(pa.string()).to_pylist()
    return [None if text is None else _iso(text) + ("Z" if zoned else "") for text in texts]


def _iso(text: str) -> str:
    if text.startswith("<"):  # beyond what the calendar can say: only the engine's infinity is
        return "-infinity" if ": -" in text else "infinity"
    whole, _, fraction = text.replace(" ", "T", 1).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _duration(months: int, days: int, nanoseconds: int) -> str:
    date = "".join(f"{count}{unit}" for count, unit in ((months, "M"), (days, "D")) if count)
    time = f"T{Decimal(nanoseconds).scaleb(-9).normalize():f}S" if nanoseconds else ""
    return f"P{date}{time}" if date or time else "PT0S"


@dataclass(frozen=True)
class Cell:
    """One value in a table: `short` is what stands in the row, `rest` what opens on demand, None for all of it."""

    short: str
    rest: str | None = None
    null: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it is better broken into lines."""
        return len(self.short) > WRAPPED_CHARACTERS


def cell(value: object) -> Cell:
    """The cell of a value that `plain` made."""
    if value is None:
        return Cell("NULL", null=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= SHOWN_CHARACTERS:
        return Cell(text)
    kept = text[:KEPT_CHARACTERS] + (f" … ({len(text):,} characters in all)" if len(text) > KEPT_CHARACTERS else "")
    return Cell(shorten(text, SHOWN_CHARACTERS - 30), kept)


def shorten(text: str, length: int) -> str:
    """At most `length` characters of `text`, ended at a word where one ends near there, with an ellipsis."""
    if len(text) <= length:
        return text
    end = text.rfind(" ", length - length // 5, length)
    return text[: end if end > 0 else length].rstrip() + " …"
