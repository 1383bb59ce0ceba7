create or replace view lake.settings as
select *
from (select unnest(_settings(getvariable('lakehouse_call')), recursive := true));
