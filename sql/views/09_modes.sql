-- Modes, task classes, their runs and answers; where memory is off, and what its checks found.
create or replace view lake.modes as
select mode, parts, instruction, description
from control.mode
order by mode;

create or replace view lake.task_classes as
select task_class, mode, model, corpora, instruction, description
from control.task_class
order by task_class;

create or replace view lake.mode_runs as
select
    ts,
    body ->> 'task_class' as task_class,
    subject as mode,
    body ->> 'downgraded_from' as downgraded_from,
    body ->> 'reason' as reason,
    body ->> 'model' as model,
    (body ->> 'extractive')::boolean as extractive,
    from_json(body -> 'corpora', '["varchar"]') as corpora,
    (body ->> 'fingerprints')::bigint as fingerprints,
    (body ->> 'chunks_found')::bigint as chunks_found,
    (body ->> 'chunks_kept')::bigint as chunks_kept,
    (body ->> 'prompt_characters')::bigint as prompt_characters,
    (body ->> 'milliseconds')::double as milliseconds,
    body ->> 'finish' as finish,
    body ->> 'outcome' as outcome,
    actor,
    statement_id
from lake.journal
where kind = 'mode_run';

-- What ask and run_mode answered; `asked`: ask, or the task class.
create or replace view lake.answers as
select
    ts,
    subject as asked,
    body ->> 'question' as question,
    body ->> 'path' as path,
    body ->> 'answer' as answer,
    body ->> 'model' as model,
    from_json(body -> 'corpora', '["varchar"]') as corpora,
    actor,
    statement_id
from lake.journal
where kind = 'answer';

create or replace view lake.playbook_switches as
select corpus, why, by_check, switched_at
from control.playbook_switch
order by corpus;

create or replace view lake.playbook_checks as
select
    ts,
    subject as corpus,
    body ->> 'action' as action,
    (body ->> 'questions')::bigint as questions,
    (body ->> 'ndcg_off')::double as ndcg_off,
    (body ->> 'ndcg_on')::double as ndcg_on,
    (body ->> 'helped')::bigint as helped,
    (body ->> 'hurt')::bigint as hurt,
    coalesce(nullif(body ->> 'why', ''), body ->> 'note') as why,
    actor
from lake.journal
where kind = 'playbook_check';
