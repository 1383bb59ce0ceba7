"""The columns of a query that has not run."""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from engine import dml, duck, guard

AMBIGUOUS = "Could not choose a best candidate"  # NULL fits several functions, where the value to come fits one


def of(cursor: duck.Cursor, checked: guard.Checked, arrow_type: Callable[[str], pa.DataType]) -> pa.Schema | None:
    """The columns of the query `checked`; None where only running tells.

    A PIVOT that names no values looks for them. Raises an error of the engine when the query cannot be bound.
    """
    if checked.kind == "SELECT" and not checked.describable:
        return duck.expanded_schema(cursor, checked.text)
    reading = checked.text if checked.describable else dml.read(checked.text).returning
    if reading is None:
        return None
    try:
        values = unbound(checked.parameters) if checked.describable else _values(cursor, reading)
        rows = duck.table(cursor, f"describe {reading}", values).to_pylist()
    except duck.Error as error:
        if checked.describable and not (checked.parameters and AMBIGUOUS in str(error)):
            raise
        return None
    types = [arrow_type(row["column_type"]) for row in rows]
    return pa.schema([pa.field(row["column_name"], kind) for row, kind in zip(rows, types, strict=True)])


def _values(cursor: duck.Cursor, reading: str) -> Mapping[str, object]:
    """NULL for each parameter of a part of a statement."""
    (statement,) = duck.statements(cursor, reading)
    return dict.fromkeys(statement.named_parameters)


def unbound(names: Sequence[str]) -> Sequence[object] | Mapping[str, object]:
    """NULL for every parameter: enough to describe a statement."""
    return [None] * len(names) if all(name.isdigit() for name in names) else dict.fromkeys(names)
