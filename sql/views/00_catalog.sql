-- The engine's own catalog functions without what is the lake's own. They stand before those of the engine in every
-- search path, so that information_schema, pg_catalog and SHOW ALL TABLES leave it out as well.
create schema if not exists fn.catalog;

create or replace macro fn.catalog.is_shown(database_name, schema_name) as
    database_name not in ('control', 'fn')
    and not starts_with(database_name, '__ducklake_metadata_')
    and not starts_with(database_name, '__as_')
    and schema_name <> 'lakehouse';

create or replace macro fn.catalog.duckdb_databases() as table
from system.main.duckdb_databases()
where fn.catalog.is_shown(database_name, '');

create or replace macro fn.catalog.duckdb_schemas() as table
from system.main.duckdb_schemas()
where fn.catalog.is_shown(database_name, schema_name);

create or replace macro fn.catalog.duckdb_tables() as table
from system.main.duckdb_tables()
where fn.catalog.is_shown(database_name, schema_name);

create or replace macro fn.catalog.duckdb_views() as table
from system.main.duckdb_views()
where fn.catalog.is_shown(database_name, schema_name);

create or replace macro fn.catalog.duckdb_columns() as table
from system.main.duckdb_columns()
where fn.catalog.is_shown(database_name, schema_name);

create or replace macro fn.catalog.duckdb_constraints() as table
from system.main.duckdb_constraints()
where fn.catalog.is_shown(database_name, schema_name);

create or replace macro fn.catalog.duckdb_indexes() as table
from system.main.duckdb_indexes()
where fn.catalog.is_shown(database_name, schema_name);
