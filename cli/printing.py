"""Rows on a terminal or in a pipe: table, csv, json, arrow."""

import json
import shutil
import sys
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.ipc as ipc

Format = Literal["table", "csv", "json", "arrow"]
SHOWN_ROWS = 40
WIDEST_CELL = 100


def show(table: pa.Table, affected: int | None, how: Format, seconds: float | None = None) -> None:
    """Print an answer. In the format `table` a line with counts and seconds follows."""
    if how == "arrow":
        with ipc.new_stream(sys.stdout.buffer, table.schema) as writer:
            writer.write_table(table)
        return
    if how == "csv":
        csv.write_csv(_flat(table), sys.stdout.buffer)
        return
    if how == "json":
        for row in table.to_pylist():
            print(json.dumps(row, default=str, ensure_ascii=False))
        return
    if affected is None:
        print(grid(table))
    took = f" in {seconds:.3f} s" if seconds is not None else ""
    print(f"{affected} rows affected{took}" if affected is not None else f"{table.num_rows} rows{took}")


def _flat(table: pa.Table) -> pa.Table:
    """Nested columns as JSON text: CSV has no nesting."""
    columns = [
        pa.array(
            [None if value is None else json.dumps(value, default=str) for value in column.to_pylist()], pa.string()
        )
        if pa.types.is_nested(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def grid(table: pa.Table, rows: int = SHOWN_ROWS) -> str:
    """The first rows as an aligned table as wide as the terminal."""
    shown = table.slice(0, rows)
    numeric = [pa.types.is_integer(column.type) or pa.types.is_floating(column.type) for column in shown.columns]
    cells = [[text(value) for value in column.to_pylist()] for column in shown.columns]
    widths = fit([max(map(len, [name, *column])) for name, column in zip(table.column_names, cells, strict=True)])
    lines = [_line(table.column_names, widths, [False] * len(widths)), "  ".join("─" * width for width in widths)]
    lines += [_line(list(row), widths, numeric) for row in zip(*cells, strict=True)]
    if table.num_rows > rows:
        more = table.num_rows - rows
        lines.append(f"… {more} more row{'s' if more > 1 else ''}")
    return "\n".join(lines)


def text(value: Any) -> str:
    """One value on one line."""
    if value is None:
        return "∅"
    if isinstance(value, float):
        return f"{value:.1f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return " ".join(str(value).split())


def fit(widths: list[int]) -> list[int]:
    """Narrow the widest columns until the line fits the terminal."""
    limit = max(40, shutil.get_terminal_size((140, 24)).columns) - 2 * (len(widths) - 1)
    fitted = [min(width, WIDEST_CELL) for width in widths]
    while sum(fitted) > limit and max(fitted) > 8:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _line(values: list[str], widths: list[int], right: list[bool]) -> str:
    cells = [
        value[: width - 1] + "…" if len(value) > width else value.rjust(width) if to_right else value.ljust(width)
        for value, width, to_right in zip(values, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()
