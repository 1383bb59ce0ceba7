-- What the buckets hold. A reader inside a transaction sees here what is committed.
create or replace view lake.datasets as
select *
from (select unnest(_datasets(getvariable('lakehouse_call')), recursive := true));

create or replace view lake.columns as
select *
from (select unnest(_columns(getvariable('lakehouse_call')), recursive := true));

-- Each version of each dataset; read one with `from workers at (version => n)`.
create or replace view lake.versions as
select *
from (select unnest(_versions(getvariable('lakehouse_call')), recursive := true));

create or replace view lake.buckets as
select *
from (select unnest(_buckets(getvariable('lakehouse_call')), recursive := true));

-- The ledger: which file is in which dataset, and what else happened to it.
create or replace view lake.ingests as
select * replace (options::json as options)
from (select unnest(_ingests(getvariable('lakehouse_call')), recursive := true));
