"""Which tables a source reads, so that a change of them is a reason to read it again."""

from engine import duck, tokens
from engine.cursors import path_of
from engine.search import source
from engine.storage import ducklake
from engine.storage.buckets import PRIMARY


def changed(cursor: duck.Cursor, since: int) -> set[str]:
    """The names of the tables that changed after a version of the bucket, in lower case."""
    return {change.table.lower() for change in ducklake.changes(cursor, PRIMARY, since=since)}


def tables(cursor: duck.Cursor, given: str) -> set[str] | None:
    """The names of the tables that a source reads, in lower case; None when that cannot be told.

    The engine sees through views and macros, but not through a join with USING. `cursor` looks names up in the primary
    bucket from then on.
    """
    cursor.execute(f"set search_path = {duck.literal(path_of((PRIMARY, 'main')))}")
    try:
        names = cursor.get_table_names(source.statement_of(given), qualified=True)
    except duck.Error:
        return None
    return {tokens.name_at(tokens.read(name), 0)[0][-1].lower() for name in names} or None  # `x.y AS z` is y
