-- Outcomes: what proved right, and how it is taken back.

create or replace macro fn.playbook_record(
    query, corpus, id, score, role := null, note := null, allow_missing := false
) as table
select unnest(answer)
from (
    select unnest(_playbook_record(
        query::varchar, corpus::varchar, id::varchar, score::double, role::varchar, note::varchar,
        allow_missing::boolean, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.playbook_record is
'Record an outcome: for this question, this answer was right (score 1) or wrong (0).

Near questions find it better from now on: record what was wrong as well, it counts as much. Recording again replaces.
A document that is not there is an error unless `allow_missing` (for who sees the whole corpus). It is on disk when this returns
and commits on its own, also within a transaction.
@area memory
@effect records
@required 4
@signature playbook_record(query, corpus, id, score, role := NULL, note := NULL, allow_missing := false)
@answers playbook_id, status
@example select * from playbook_record(''forklift operator with OSHA-10 in IL'', ''resumes'', ''W-1042'', 1.0)';

create or replace macro fn.playbook_retract(query, corpus, id) as table
select unnest(answer)
from (
    select unnest(_playbook_retract(
        query::varchar, corpus::varchar, id::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.playbook_retract is
'Take an outcome back: every ranking is again as if it had never been recorded. The journal keeps what happened.

Status: retracted, or unchanged where that was done before.
@area memory
@effect records
@required 3
@signature playbook_retract(query, corpus, id)
@answers playbook_id, status
@example select * from playbook_retract(''forklift operator with OSHA-10 in IL'', ''resumes'', ''W-1042'')';

create or replace macro fn.playbook_supersede(playbook_id, query, corpus, id, score) as table
select unnest(answer)
from (
    select unnest(_playbook_supersede(
        playbook_id::varchar, query::varchar, corpus::varchar, id::varchar, score::double, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.playbook_supersede is
'Put a better outcome in the place of one in lake.playbooks. The old one stays in lake.outcomes only.

Its role and note pass to the new one. One that was retracted or superseded before is an error.
@area memory
@effect records
@required 5
@signature playbook_supersede(playbook_id, query, corpus, id, score)
@answers playbook_id, status
@example select * from playbook_supersede((select playbook_id from lake.playbooks limit 1), ''forklift operator in Joliet'', ''resumes'', ''W-1042'', 1.0)';

create or replace macro fn.playbook_import(rows) as table
select unnest(answer)
from (select unnest(_playbook_import(rows::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.playbook_import is
'Record many outcomes: `rows` is a query with the columns query, corpus, id, score and, if you like, role and note.

A row of the answer for each row of the query, by its index from 0: created, replaced, unchanged, or failed with the
error. A bad row does not hold up the others. The query runs with your rights, beside a transaction that is open, and must
only read. All rows are recorded at once: of an import that is cancelled, or ends with the process, there is nothing.
@area memory
@effect records
@required 1
@signature playbook_import(rows)
@answers index, playbook_id, status, error
@example select * from playbook_import(''select query, corpus, id, score from judged'')';

create or replace macro fn.playbook_lift(corpora := null, sample := 100) as table
select unnest(answer)
from (
    select unnest(_playbook_lift(corpora::varchar[], sample::bigint, getvariable('lakehouse_call'))) as answer
);

comment on macro table fn.playbook_lift is
'What the recorded outcomes are worth: recorded questions are asked again, each as if it alone had never been judged.

The nDCG and MRR of the first ten, without and with the memory of the others, and how many questions it helped and hurt. Its own
judgements are the truth, what was not judged counts as wrong. `sample` is the most questions of a corpus.
@area memory
@effect reads
@required 0
@signature playbook_lift(corpora := NULL, sample := 100)
@answers corpus, questions, ndcg_off, ndcg_on, mrr_off, mrr_on, helped, hurt
@example select * from playbook_lift()';

create or replace macro fn.playbook_check(corpora := null, sample := 100) as table
select unnest(answer)
from (
    select unnest(_playbook_check(corpora::varchar[], sample::bigint, getvariable('lakehouse_call'))) as answer
);

comment on macro table fn.playbook_check is
'Measure what outcomes are worth, as playbook_lift does, and switch them off where they harm.

Harm: the mean nDCG falls, and more questions are hurt than helped beyond chance (sign test, p < 0.05). Where a check had
switched them off and they harm no longer, they are on again. `status`: switched_off, switched_on, unchanged, unmeasured (no
recorded question has a right answer), or unreadable (see lake.corpora). [memory] check_outcomes and check_hours run it by themselves.
@area memory
@effect writes
@required 0
@signature playbook_check(corpora := NULL, sample := 100)
@answers corpus, status, questions, ndcg_off, ndcg_on, helped, hurt
@example select * from playbook_check()';

create or replace macro fn.playbook_switch(corpus, enabled, note := null) as table
select unnest(answer)
from (
    select unnest(_playbook_switch(
        corpus::varchar, enabled::boolean, note::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.playbook_switch is
'Switch the outcomes of a corpus on or off: off, every search is as if none were recorded. They are kept.

What is switched off by hand no check switches on. lake.playbook_switches shows what is off, and why.
@area memory
@effect writes
@required 2
@signature playbook_switch(corpus, enabled, note := NULL)
@answers corpus, status, enabled
@example select * from playbook_switch(''resumes'', true)';
