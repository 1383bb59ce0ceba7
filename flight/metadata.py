"""The metadata commands, answered with SQL over DuckDB's own catalogue functions through the caller's session."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import LakehouseError
from engine.session import Session
from flight import messages, schemas, xdbc

HIDDEN = ("control", "fn", "memory", "system", "temp")
SQL = "ARROW:FLIGHT:SQL:"
TEMPORARY = "LOCAL TEMPORARY"  # the name that JDBC and ODBC have for it
TABLE_TYPES = (TEMPORARY, "TABLE", "VIEW")
SPELLINGS = {"BASE TABLE": "TABLE"}  # what JDBC tools and DuckDB itself call a table
NO_ACTION = 3


def _visible(column: str) -> str:
    names = ", ".join(f"'{name}'" for name in HIDDEN)
    return f"{column} not in ({names}) and not starts_with({column}, '__ducklake_metadata_')"


class Metadata:
    """Answers metadata commands. Each answer has exactly the schema that the protocol fixes."""

    def __init__(self, info: Sequence[schemas.InfoRow]) -> None:
        """`info`: the rows of SqlInfo."""
        self._info = info

    def schema(self, command: messages.MetadataCommand) -> pa.Schema:
        """The schema of the answer; nothing runs."""
        match command:
            case messages.CommandGetSqlInfo():
                return schemas.SQL_INFO
            case messages.CommandGetXdbcTypeInfo():
                return schemas.XDBC_TYPES
            case messages.CommandGetCatalogs():
                return schemas.CATALOGS
            case messages.CommandGetDbSchemas():
                return schemas.DB_SCHEMAS
            case messages.CommandGetTables():
                return schemas.TABLES_WITH_SCHEMA if command.include_schema else schemas.TABLES
            case messages.CommandGetTableTypes():
                return schemas.TABLE_TYPES
            case messages.CommandGetPrimaryKeys():
                return schemas.PRIMARY_KEYS
            case _:
                return schemas.FOREIGN_KEYS

    def answer(self, session: Session, transaction: str | None, command: messages.MetadataCommand) -> pa.Table:
        """The answer, ordered as the protocol says, as seen from inside `transaction`."""
        ask = _Ask(session, transaction)
        match command:
            case messages.CommandGetSqlInfo():
                return schemas.info_table([row for row in self._info if not command.info or row[0] in command.info])
            case messages.CommandGetXdbcTypeInfo():
                return xdbc.table(command.data_type)
            case messages.CommandGetTableTypes():
                return pa.table([pa.array(TABLE_TYPES)], schema=schemas.TABLE_TYPES)
            case messages.CommandGetCatalogs():
                return ask.answer(schemas.CATALOGS, _CATALOGS, [])
            case messages.CommandGetDbSchemas():
                found = ask.answer(schemas.DB_SCHEMAS, _DB_SCHEMAS, [command.catalog])
                return _like(found, "db_schema_name", command.db_schema_filter_pattern)
            case messages.CommandGetTables():
                return _tables(ask, command)
            case messages.CommandGetPrimaryKeys():
                asked = [command.catalog, command.db_schema, command.table]
                return ask.answer(schemas.PRIMARY_KEYS, _PRIMARY_KEYS, asked)
            case _:
                return _foreign_keys(ask, command)


_CATALOGS = f"""
select database_name
from duckdb_databases()
where {_visible("database_name")}
order by all
"""

_DB_SCHEMAS = f"""
with asked as (select ?::varchar as catalog)
select database_name, schema_name
from duckdb_schemas(), asked
where {_visible("database_name")}
    and (catalog is null or lower(database_name) = lower(catalog))
order by all
"""

_RELATIONS = f"""
with asked as (select ?::varchar as catalog),
relation as (
    select database_name, schema_name, table_name, 'TABLE' as table_type
    from duckdb_tables()
    where not internal
    union all
    select database_name, schema_name, view_name, 'VIEW'
    from duckdb_views()
    where not internal and not temporary
    union all
    select database_name, schema_name, view_name, '{TEMPORARY}'
    from duckdb_views()
    where temporary and not internal
)
select relation.*
from relation, asked
where ({_visible("database_name")} or table_type = '{TEMPORARY}')
    and (catalog is null or lower(database_name) = lower(catalog))
order by all
"""

_COLUMNS = f"""
with asked as (select ?::varchar as catalog, ?::varchar[] as tables)
select
    database_name,
    schema_name,
    table_name,
    column_name,
    data_type,
    is_nullable,
    numeric_precision,
    numeric_scale,
    comment
from duckdb_columns(), asked
where not internal
    and ({_visible("database_name")} or (database_name, schema_name) = ('temp', 'main'))
    and (catalog is null or lower(database_name) = lower(catalog))
    and list_contains(tables, table_name)
order by database_name, schema_name, table_name, column_index
"""

_PRIMARY_KEYS = f"""
with asked as (select ?::varchar as catalog, ?::varchar as db_schema, ?::varchar as table_asked),
keyed as (
    select *, unnest(constraint_column_names) as column_name
    from duckdb_constraints()
    where constraint_type = 'PRIMARY KEY'
        and {_visible("database_name")}
)
select
    database_name,
    schema_name,
    table_name,
    column_name,
    constraint_name,
    list_position(constraint_column_names, column_name)::integer as key_sequence
from keyed, asked
where (catalog is null or lower(database_name) = lower(catalog))
    and (db_schema is null or lower(schema_name) = lower(db_schema))
    and lower(table_name) = lower(table_asked)
order by database_name, schema_name, table_name, constraint_name, key_sequence
"""

_FOREIGN_KEYS = f"""
with asked as (
    select
        ?::varchar as pk_catalog,
        ?::varchar as pk_schema,
        ?::varchar as pk_table,
        ?::varchar as fk_catalog,
        ?::varchar as fk_schema,
        ?::varchar as fk_table
),
keyed as (
    select *, unnest(constraint_column_names) as column_name, unnest(referenced_column_names) as referenced_column
    from duckdb_constraints()
    where constraint_type = 'FOREIGN KEY'
        and {_visible("database_name")}
)
select
    f.database_name as pk_catalog_name,
    f.schema_name as pk_db_schema_name,
    f.referenced_table as pk_table_name,
    f.referenced_column as pk_column_name,
    f.database_name as fk_catalog_name,
    f.schema_name as fk_db_schema_name,
    f.table_name as fk_table_name,
    f.column_name as fk_column_name,
    list_position(f.constraint_column_names, f.column_name)::integer as key_sequence,
    f.constraint_name as fk_key_name,
    p.constraint_name as pk_key_name,
    {NO_ACTION}::utinyint as update_rule,
    {NO_ACTION}::utinyint as delete_rule
from asked, keyed as f
left join duckdb_constraints() as p
    on p.constraint_type in ('PRIMARY KEY', 'UNIQUE')
    and (p.database_name, p.schema_name, p.table_name) = (f.database_name, f.schema_name, f.referenced_table)
    and p.constraint_column_names = f.referenced_column_names
where (pk_catalog is null or lower(f.database_name) = lower(pk_catalog))
    and (pk_schema is null or lower(f.schema_name) = lower(pk_schema))
    and (pk_table is null or lower(f.referenced_table) = lower(pk_table))
    and (fk_catalog is null or lower(f.database_name) = lower(fk_catalog))
    and (fk_schema is null or lower(f.schema_name) = lower(fk_schema))
    and (fk_table is null or lower(f.table_name) = lower(fk_table))
order by {{order}}, key_sequence
"""
_BY_FOREIGN = "fk_catalog_name, fk_db_schema_name, fk_table_name, fk_key_name"
_BY_PRIMARY = "pk_catalog_name, pk_db_schema_name, pk_table_name, pk_key_name"


@dataclass(frozen=True)
class _Ask:
    session: Session
    transaction: str | None

    def answer(self, schema: pa.Schema, sql: str, params: Sequence[object]) -> pa.Table:
        """The rows of `sql` with the names and types of `schema`."""
        found = self.rows(sql, params)
        columns = [found.column(index).cast(field.type) for index, field in enumerate(schema)]
        return pa.Table.from_arrays(columns, schema=schema)

    def rows(self, sql: str, params: Sequence[object]) -> pa.Table:
        with self.session.run(sql, params or None, transaction=self.transaction) as result:
            return result.read_all()

    def types(self, names: Sequence[str]) -> dict[str, pa.DataType]:
        """The Arrow type of each SQL type, all asked at once; text for one that only a column can have."""
        if not names:
            return {}
        sql = "select " + ", ".join(f"null::{name}" for name in names)
        try:
            described = self.session.describe(sql, transaction=self.transaction).schema or pa.schema([])
        except LakehouseError:
            if len(names) == 1:
                return {names[0]: pa.string()}
            half = len(names) // 2
            return self.types(names[:half]) | self.types(names[half:])
        return {name: described.field(index).type for index, name in enumerate(names)}


def lowered(answer: pa.Table) -> pa.Table:
    """`answer` with its table types in lower case: tools on ADBC compare them so, those on JDBC in upper case."""
    at = answer.schema.get_field_index("table_type")
    if at < 0:
        return answer
    return answer.set_column(at, answer.schema.field(at), pc.utf8_lower(answer.column(at)))


def _foreign_keys(ask: _Ask, command: messages.MetadataCommand) -> pa.Table:
    match command:
        case messages.CommandGetExportedKeys():
            asked, order = [command.catalog, command.db_schema, command.table, None, None, None], _BY_FOREIGN
        case messages.CommandGetImportedKeys():
            asked, order = [None, None, None, command.catalog, command.db_schema, command.table], _BY_PRIMARY
        case messages.CommandGetCrossReference():
            primary = [command.pk_catalog, command.pk_db_schema, command.pk_table]
            asked = [*primary, command.fk_catalog, command.fk_db_schema, command.fk_table]
            order = _BY_PRIMARY
    return ask.answer(schemas.FOREIGN_KEYS, _FOREIGN_KEYS.format(order=order), asked)


def _like(answer: pa.Table, column: str, pattern: str | None) -> pa.Table:
    """The rows whose `column` is like the SQL pattern, in any case. Arrow matches in linear time, whatever is sent."""
    if pattern is None:
        return answer
    return answer.filter(pc.match_like(answer.column(column), pattern, ignore_case=True))


def _tables(ask: _Ask, command: messages.CommandGetTables) -> pa.Table:
    found = ask.answer(schemas.TABLES, _RELATIONS, [command.catalog])
    found = _like(found, "db_schema_name", command.db_schema_filter_pattern)
    found = _like(found, "table_name", command.table_name_filter_pattern)
    if command.table_types:
        wanted = {SPELLINGS.get(kind.upper(), kind.upper()) for kind in command.table_types}
        found = found.filter(pa.array([kind in wanted for kind in found.column("table_type").to_pylist()], pa.bool_()))
    if not command.include_schema:
        return found
    by_table = _table_schemas(ask, [command.catalog, found.column("table_name").to_pylist()])
    keys = zip(*(found.column(index).to_pylist() for index in range(3)), strict=True)
    serialized = [by_table.get(key, pa.schema([])).serialize().to_pybytes() for key in keys]
    columns = [*found.columns, pa.array(serialized, pa.binary())]
    return pa.Table.from_arrays(columns, schema=schemas.TABLES_WITH_SCHEMA)


def _table_schemas(ask: _Ask, asked: Sequence[object]) -> dict[tuple[str, str, str], pa.Schema]:
    columns = ask.rows(_COLUMNS, asked).to_pylist()
    types = ask.types(sorted({column["data_type"] for column in columns}))
    fields: dict[tuple[str, str, str], list[pa.Field]] = {}
    for column in columns:
        key = (column["database_name"], column["schema_name"], column["table_name"])
        fields.setdefault(key, []).append(_field(column, types[column["data_type"]]))
    return {key: pa.schema(found) for key, found in fields.items()}


def _field(column: dict[str, object], kind: pa.DataType) -> pa.Field:
    known = {
        "CATALOG_NAME": column["database_name"],
        "DB_SCHEMA_NAME": column["schema_name"],
        "TABLE_NAME": column["table_name"],
        "TYPE_NAME": column["data_type"],
        "PRECISION": column["numeric_precision"],
        "SCALE": column["numeric_scale"],
        "REMARKS": column["comment"],
        "IS_AUTO_INCREMENT": 0,
        "IS_CASE_SENSITIVE": int(column["data_type"] in ("VARCHAR", "JSON")),
        "IS_READ_ONLY": 0,
        "IS_SEARCHABLE": 1,
    }
    metadata = {f"{SQL}{name}": str(value) for name, value in known.items() if value is not None}
    return pa.field(str(column["column_name"]), kind, nullable=bool(column["is_nullable"]), metadata=metadata)
