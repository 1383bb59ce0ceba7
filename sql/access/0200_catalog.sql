-- The engine's own catalog functions, limited to what the profile sees. They stand before those of the engine in the
-- search path, so that information_schema, pg_catalog, SHOW and DESCRIBE are limited with them.
create macro $space.__catalog.duckdb_databases() as table
select * replace (
    null::varchar as path, null::varchar as cipher, map {} as options, map {}::map(varchar, varchar) as tags
)
from system.main.duckdb_databases()
where database_name = 'lake' or database_name in (select bucket from $space.__seen.place);

create macro $space.__catalog.duckdb_schemas() as table
select * replace (null::varchar as sql)
from system.main.duckdb_schemas()
where (database_name, schema_name) in (select (bucket, schema) from $space.__seen.place)
    or (database_name = 'lake' and schema_name = 'main');

create macro $space.__catalog.duckdb_tables() as table
select * replace (null::bigint as estimated_size, null::varchar as sql, null::varchar as comment,
    (
        select count(*)
        from $space.__seen.field as field
        where (field.bucket, field.schema, field.relation) = (database_name, schema_name, table_name)
    ) as column_count)
from system.main.duckdb_tables()
where (database_name, schema_name, table_name) in (select (bucket, schema, name) from $space.__seen.relation);

create macro $space.__catalog.duckdb_views() as table
select * replace (null::varchar as sql, null::varchar as comment,
    (
        select count(*)
        from $space.__seen.field as field
        where (field.bucket, field.schema, field.relation) = (database_name, schema_name, view_name)
    ) as column_count)
from system.main.duckdb_views()
where (database_name, schema_name, view_name) in (select (bucket, schema, name) from $space.__seen.relation);

create macro $space.__catalog.duckdb_columns() as table
select engine.* replace (field.type as data_type, null::varchar as column_default,
    if(field.type = engine.data_type, engine.numeric_precision, null) as numeric_precision,
    if(field.type = engine.data_type, engine.numeric_scale, null) as numeric_scale)
from system.main.duckdb_columns() as engine
inner join $space.__seen.field as field
    on (field.bucket, field.schema, field.relation, field.name)
    = (engine.database_name, engine.schema_name, engine.table_name, engine.column_name);

create macro $space.__catalog.duckdb_constraints() as table
select *
from system.main.duckdb_constraints()
where (database_name, schema_name, table_name) in (
    select (bucket, schema, name)
    from $space.__seen.relation
    where whole
);

create macro $space.__catalog.duckdb_indexes() as table
select *
from system.main.duckdb_indexes()
where false;

create macro $space.__catalog.duckdb_sequences() as table
select *
from system.main.duckdb_sequences()
where false;

create macro $space.__catalog.duckdb_dependencies() as table
select *
from system.main.duckdb_dependencies()
where false;

-- Every catalog has the same types, one of them with their numbers; the names of catalogs would tell who else is there.
create macro $space.__catalog.duckdb_types() as table
select * replace ('system' as database_name, null::bigint as database_oid)
from system.main.duckdb_types()
where internal
qualify row_number() over (partition by type_name order by type_oid) = 1;

create macro $space.__catalog.duckdb_functions() as table
select *
from system.main.duckdb_functions()
where internal or database_name = 'fn';
