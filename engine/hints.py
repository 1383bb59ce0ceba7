"""What to do next when a name is not there: the nearest names that the caller sees, not those of the engine's own."""

import re
from collections.abc import Callable, Collection, Sequence

from engine import duck, guard
from engine.errors import LakehouseError, NotFound, nearest

LIST = "see lake.datasets"
MISSING = re.compile(r'(Table|View|Table Function|Scalar Function|Macro Function) with name "?(.+?)"? does not exist')


def with_nearest(fault: LakehouseError, seen: Sequence[str], functions: Collection[str]) -> LakehouseError:
    """`fault`, with the nearest tables or functions when it says that one is not there.

    `seen`: the tables that the caller sees, as he would write them. `functions`: the names of ours.
    """
    found = MISSING.match(fault.message) if isinstance(fault, NotFound) else None
    if found is None:
        return fault
    what, name = found.groups()
    if what not in ("Table", "View"):
        if name in functions:  # it is there, but no table
            return NotFound(fault.message, f"write select {name}(…)")
        hint = nearest(name, functions)
        return NotFound(fault.message, hint) if hint.startswith("did you mean") else fault
    hint = nearest(name, seen, LIST)
    if not hint.startswith("did you mean"):  # then the tables of the caller say more than the views of the lake
        hint = nearest(name, [table for table in seen if not table.startswith("lake.")], LIST)
    return NotFound(fault.message, hint)


def tables(new_cursor: Callable[[], duck.Cursor], place: tuple[str, str]) -> list[str]:
    """The tables and views that a client sees, as it would write them."""
    cursor = new_cursor()
    try:
        rows = cursor.execute(
            "select database_name, schema_name, table_name from duckdb_tables() where not internal "
            "union all select database_name, schema_name, view_name from duckdb_views() where not internal"
        ).fetchall()
    except duck.Error:  # the error that asks for the names is the one to show
        return []
    finally:
        cursor.close()
    return [
        name if (catalog, schema) == place else f"{schema if catalog == place[0] else catalog}.{name}"
        for catalog, schema, name in rows
        if not guard.is_hidden(catalog) and schema != guard.LEDGER_SCHEMA
    ]
