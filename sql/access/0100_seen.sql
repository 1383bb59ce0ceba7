-- What one profile sees, in a catalog of its own ($space). These tables are filled anew whenever that changes.
create schema $space.__seen;

create table $space.__seen.relation (
    bucket varchar, schema varchar, name varchar, whole boolean  -- whole: every row and column, as it is
);

create table $space.__seen.field (
    bucket varchar, schema varchar, relation varchar, name varchar, type varchar
);

create table $space.__seen.place (bucket varchar, schema varchar);

create table $space.__seen.corpus (corpus varchar, whole boolean);
