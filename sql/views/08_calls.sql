-- Calls of models behind an endpoint.
create or replace view lake.calls as
select
    ts,
    subject as model,
    body ->> 'endpoint' as endpoint,
    (body ->> 'texts')::bigint as texts,
    (body ->> 'tokens')::bigint as tokens,
    (body ->> 'tries')::integer as tries,
    (body ->> 'milliseconds')::double as milliseconds,
    body ->> 'outcome' as outcome,
    coalesce(body ->> 'purpose', 'embed') as purpose
from lake.journal
where kind = 'call';
