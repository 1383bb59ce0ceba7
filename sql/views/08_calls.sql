-- Calls of models behind an endpoint. Some of it is what they answer: a count that is none is NULL.
create or replace view lake.calls as
select
    ts,
    subject as model,
    body ->> 'endpoint' as endpoint,
    try_cast(body ->> 'texts' as bigint) as texts,
    try_cast(body ->> 'tokens' as bigint) as tokens,
    try_cast(body ->> 'tries' as integer) as tries,
    try_cast(body ->> 'milliseconds' as double) as milliseconds,
    body ->> 'outcome' as outcome,
    coalesce(body ->> 'purpose', 'embed') as purpose
from lake.journal
where kind = 'call';
