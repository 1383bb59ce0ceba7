"""A grant against what is there: its object exists, its columns exist, and its filter is a predicate that runs."""

from typing import TYPE_CHECKING

from engine import duck, faults, guard
from engine.access.fence import reviewed
from engine.access.profiles import Grant
from engine.errors import Invalid, NotFound, nearest
from engine.guard import LEDGER_SCHEMA
from engine.search import filters
from engine.storage.buckets import BUCKETS

if TYPE_CHECKING:
    from engine.lake import Lake

Columns = dict[str, str]


def check_objects(lake: "Lake", grant: Grant) -> None:
    """Raise NotFound when the grant names nothing that is there, Invalid when it does not fit what it names.

    An object that ends with * may name what will only be made later.
    """
    with lake.cursor() as cursor:
        tables = _tables(cursor, grant)
        corpora = [name for name in lake.corpora.names() if grant.pattern.is_corpus(name)]
        is_pattern = grant.pattern.tables.endswith("*")
        if not tables and not corpora and not is_pattern:
            known = [*_all_tables(cursor), *lake.corpora.names(), *BUCKETS]
            raise NotFound(f"there is no table or corpus {grant.object!r}", nearest(grant.object, known))
        if is_pattern and not grant.is_plain:
            hint = "grant the tables one by one, or the whole without filter, columns and masks"
            raise Invalid("filter, columns and masks are about one table or corpus", hint)
        for name, columns in tables.items():
            _check_columns(name, columns, grant)
            _check_filter(cursor, f"(from {name} limit 0)", list(columns), grant)
        for corpus in corpora:
            _check_corpus(lake, cursor, corpus, grant)


def _all_tables(cursor: duck.Cursor) -> list[str]:
    rows = cursor.execute(
        "select distinct table_name from duckdb_columns() where list_contains(?, database_name) and schema_name <> ?",
        [list(BUCKETS), LEDGER_SCHEMA],
    ).fetchall()
    return [name for (name,) in rows]


def _tables(cursor: duck.Cursor, grant: Grant) -> dict[str, Columns]:
    rows = cursor.execute(
        "select database_name, schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where list_contains(?, database_name) and schema_name <> ? order by all",
        [list(BUCKETS), LEDGER_SCHEMA],
    ).fetchall()
    found: dict[str, Columns] = {}
    for bucket, schema, table, column, kind in rows:
        if grant.pattern.is_table(bucket, schema, table):
            found.setdefault(duck.qualified(bucket, schema, table), {})[column] = kind
    return found


def _check_columns(name: str, columns: Columns | list[str], grant: Grant) -> None:
    known = {column.lower() for column in columns}
    for column in [*(grant.columns or ()), *(column for column, _ in grant.masks)]:
        if column.lower() not in known:
            raise Invalid(f"{name} has no column {column!r}", nearest(column, columns))
    for column, _ in grant.masks:
        if grant.hides(column):
            raise Invalid(f"the column {column!r} is masked but not granted", "name it in both, or in neither")


def _check_filter(cursor: duck.Cursor, relation: str, columns: list[str], grant: Grant) -> None:
    if grant.filter is None:
        return
    guard.check_predicate(cursor, grant.filter, columns, reviewed())
    try:
        cursor.execute(f"select 1 from {relation} where (\n{grant.filter}\n)::boolean")
    except duck.Error as error:
        fault = faults.translate(error)
        raise Invalid(f"the filter does not fit {relation}: {fault.message}", fault.hint) from None


def _check_corpus(lake: "Lake", cursor: duck.Cursor, corpus: str, grant: Grant) -> None:
    generation = lake.corpora.live(corpus)
    known = ["id", *generation.metadata_columns]
    _check_columns(f"the corpus {corpus!r}", known, grant)
    if "id" in {column.lower() for column, _ in grant.masks}:
        raise Invalid("the id of a corpus cannot be masked", "results are named by it")
    if grant.filter is not None:
        unknown = [one for one in guard.check_predicate(cursor, grant.filter, known, reviewed()) if one not in known]
        if unknown:
            raise filters.unknown_column(unknown[0], generation, None)
        filters.seen(lake.cursor, generation, grant)
