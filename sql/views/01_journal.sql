-- What happened. The table and what is still in memory; an entry in both is shown once.
create or replace view lake.journal as
with memory as (
    select unnest(_journal_in_memory(getvariable('lakehouse_call')), recursive := true)
)
select ts, kind, subject, actor, statement_id, body::json as body, entry
from control.journal
union all
select ts, kind, subject, actor, statement_id, body::json as body, entry
from memory
where entry not in (
    select entry
    from control.journal
    where entry >= (select min(entry) from memory)
);

create or replace view lake.errors as
select
    ts,
    subject as code,
    body ->> 'message' as message,
    body ->> 'hint' as hint,
    body ->> 'sql' as sql,
    actor,
    statement_id
from lake.journal
where kind = 'error';

create or replace view lake.statements as
select
    ts,
    statement_id,
    'done' as status,
    subject as kind,
    body ->> 'sql' as sql,
    (body ->> 'rows')::bigint as rows,
    (body ->> 'bytes')::bigint as bytes,
    (body ->> 'milliseconds')::double as milliseconds,
    body ->> 'outcome' as outcome,
    null::varchar as progress,
    actor as profile,
    body ->> 'session_id' as session_id
from lake.journal
where kind = 'statement'
union all
select *
from (select unnest(_running_statements(getvariable('lakehouse_call')), recursive := true));

create or replace view lake.outcomes as
select
    ts,
    body ->> 'action' as action,
    subject as playbook_id,
    body ->> 'query' as query,
    body ->> 'corpus' as corpus,
    body ->> 'id' as id,
    (body ->> 'score')::double as score,
    actor,
    statement_id
from lake.journal
where kind = 'outcome';

create or replace view lake.swaps as
select
    ts,
    subject as corpus,
    body ->> 'generation' as generation,
    body ->> 'previous' as previous,
    body ->> 'why' as why,
    actor
from lake.journal
where kind = 'swap';
