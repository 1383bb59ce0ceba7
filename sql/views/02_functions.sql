-- The catalogue of functions. Signature, documentation and effect come from the macros and their comments.
create or replace view lake.functions as
with macro as (
    select
        function_name,
        comment,
        parameters as shown,
        list_transform(parameters, lambda p: lower(split_part(p, ' := ', 1))) as names,
        function_type
    from duckdb_functions()
    where database_name = 'fn' and schema_name = 'main' and not internal
)
select
    function_name as "function",
    regexp_extract(comment, '@area (\w+)', 1) as area,
    regexp_extract(comment, '@effect (\w+)', 1) as effect,
    names as parameters,
    coalesce(try_cast(nullif(regexp_extract(comment, '@required (\d+)', 1), '') as integer), 1) as required,
    regexp_extract(comment, '@signature ([^\n]+)', 1) as signature,
    regexp_extract(comment, '@answers ([^\n]+)', 1) as answers,
    regexp_extract(comment, '@example ([^\n]+)', 1) as example,
    trim(regexp_extract(comment, '^(.*?)\n@', 1, 's')) as description,
    if(function_type = 'macro', 'scalar', 'table') as kind
from macro;
