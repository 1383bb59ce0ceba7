-- Outcomes: what proved right, and how it is taken back.

create or replace macro fn.playbook_record(query, corpus, id, score, role := null, note := null) as table
select unnest(answer)
from (
    select unnest(_playbook_record(
        query::varchar, corpus::varchar, id::varchar, score::double, role::varchar, note::varchar,
        getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.playbook_record is
'Record an outcome: for this question, this answer was right (score 1) or wrong (0).

Near questions find it better from now on. Recording again replaces. It is on disk when this returns and commits on its
own, also within a transaction.
@area memory
@effect records
@required 4
@signature playbook_record(query, corpus, id, score, role := NULL, note := NULL)
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
@area memory
@effect records
@required 3
@signature playbook_retract(query, corpus, id)
@answers playbook_id, status
@example select * from playbook_retract(''forklift operator with OSHA-10 in IL'', ''resumes'', ''W-1042'')';
