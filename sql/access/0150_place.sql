-- Where the profile is, by the names that it knows. Workers have these, too.
create schema if not exists $space.__catalog;

create macro $space.__catalog.current_database() as 'primary';

create macro $space.__catalog.current_catalog() as 'primary';

create macro $space.__catalog.current_schemas(implicit) as ['main'];

create macro $space.__catalog.in_search_path(database_name, schema_name) as
    database_name = 'primary' and schema_name = 'main';
