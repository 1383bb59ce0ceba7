"""What a source reads: tables, and what the lake itself knows. A change of that is a reason to read it again."""

from engine import duck, tokens
from engine.cursors import path_of
from engine.search import source
from engine.storage import ducklake
from engine.storage.buckets import PRIMARY

FUNCTIONS = {
    "answers": {"answer"},
    "successful_playbooks": {"outcome", "swap"},
}  # with the journal entries they grow by
VIEWS = {"answers": {"answer"}, "playbooks": {"outcome", "swap"}, "outcomes": {"outcome"}}  # of the schema lake

FOLDERS = {"repo_documents", "repo_symbols", "repo_findings"}  # whose files nobody tells the lake of


def is_followed(cursor: duck.Cursor, given: str) -> bool:
    """Whether anything that the lake hears of can change a source: not where it reads a folder alone."""
    if FOLDERS.isdisjoint(tokens.calls(tokens.read(source.statement_of(given)))):
        return True
    return bool(knowledge(given)) or tables(cursor, given) != set()


def knowledge(given: str) -> set[str]:
    """The kinds of journal entries by which a source grows; views and macros of the caller are not seen through."""
    read = tokens.read(source.statement_of(given))
    kinds: set[str] = set()
    for name in tokens.calls(read):
        kinds |= FUNCTIONS.get(name, set())
    for schema, dot, view in zip(read, read[1:], read[2:], strict=False):
        if schema.text == "lake" and dot.text == ".":
            kinds |= VIEWS.get(view.text, set())
    return kinds


def learned(cursor: duck.Cursor, corpus: str, kinds: set[str], since: float) -> bool:
    """Whether the journal has got an entry of some kinds since a moment, in seconds since the epoch.

    That a document has come or gone is told by the swap of its corpus; that of `corpus` itself tells nothing new.
    """
    (found,) = cursor.execute(
        "select count(*) from control.journal where ts > to_timestamp(?) and list_contains(?, kind) "
        "and (kind <> 'swap' or subject <> ?)",
        [since, sorted(kinds), corpus],
    ).fetchall()
    return bool(found[0])


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
    return {tokens.name_at(tokens.read(name), 0)[0][-1].lower() for name in names}  # `x.y AS z` is y
