-- Corpora and their generations.
create or replace view lake.corpora as
select
    corpus.corpus,
    description,
    source,
    id_column,
    text_column,
    metadata,
    embedder,
    chunk_size,
    refresh,
    live.generation,
    generation.documents as rows,
    generation.chunks,
    (generation.manifest::json ->> 'model') as model,
    (generation.manifest::json ->> 'dimension')::integer as dimension,
    (generation.manifest::json ->> 'floor')::double as floor,
    corpus.created_at,
    live.swapped_at
from control.corpus as corpus
left join control.live as live on live.corpus = corpus.corpus
left join control.generation as generation
    on generation.corpus = live.corpus and generation.generation = live.generation;

create or replace view lake.generations as
select
    generation.corpus,
    generation.generation,
    case
        when live.generation = generation.generation then 'live'
        when status = 'served' then 'retired'
        else status
    end as status,
    documents as rows,
    chunks,
    duplicates,
    failed,
    (manifest::json ->> 'engine') as engine,
    (manifest::json -> '$.graph.parameters')::varchar as parameters,
    progress,
    recall,
    build_seconds,
    reason,
    (manifest::json ->> 'model') as model,
    (manifest::json ->> 'model_sha256') as model_sha256,
    (manifest::json ->> 'dimension')::integer as dimension,
    json_array_length(manifest::json -> 'parts') as segments,
    generation.created_at
from control.generation as generation
left join control.live as live on live.corpus = generation.corpus
order by generation.corpus, generation.generation desc;

-- Every index that a tuning has tried; `promoted`: it became live then.
create or replace view lake.trials as
with swap as (
    select subject, body ->> 'tuning' as tuning, (body ->> 'trial')::bigint as trial
    from lake.journal
    where kind = 'swap' and (body ->> 'why') = 'tuned'
)
select
    ts,
    journal.subject as corpus,
    body ->> 'tuning' as tuning,
    (body ->> 'trial')::bigint as trial,
    body ->> 'origin' as origin,
    body ->> 'engine' as engine,
    (body -> 'parameters')::varchar as parameters,
    (body ->> 'recall')::double as recall,
    (body ->> 'p50_ms')::double as p50_ms,
    (body ->> 'p95_ms')::double as p95_ms,
    (body ->> 'build_seconds')::double as build_seconds,
    (body ->> 'questions')::bigint as queries,
    (body ->> 'min_recall')::double as min_recall,
    swap.trial is not null as promoted,
    if(swap.trial is null, null, body ->> 'generation') as generation,
    actor
from lake.journal as journal
left join swap
    on swap.subject = journal.subject
    and swap.tuning = (body ->> 'tuning')
    and swap.trial = (body ->> 'trial')::bigint
where kind = 'trial';

-- What is remembered now; lake.outcomes has the history.
create or replace view lake.playbooks as
select
    playbook_id,
    query,
    corpus,
    id,
    score,
    role,
    note,
    recorded_at,
    _playbook_answer(corpus, id, getvariable('lakehouse_call')) as answer
from control.playbook;
