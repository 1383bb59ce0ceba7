-- Pathways: how tasks were solved, which of it works again, and the bugs that were met on the way.

create or replace macro fn.pathway_record(trace) as table
select unnest(answer)
from (
    select unnest(_pathway_record(
        to_json(trace)::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.pathway_record is
'Record how a task was solved: a trace, as JSON or as a struct. It is on disk when this returns.

Known fields: task_class, file_path, signal_class; ladder_attempts [{model, accepted, reject_reason}]; final_verdict;
audit_consensus {passed}; semantic_flags [{kind}]; type_hints_used [{source, symbol, type_repr}]; bug_fingerprints [{flag,
pattern_key, example, occurrences}]; kb_chunks; tags; uid. All may be missing or null, others are kept. Status: added; updated =
its uid or its workflow (attempts and verdict) is known, a replay was counted, the first content stays; noop = the known one
is retired or superseded. A list of traces is one transaction: pathway_record((select list(trace) from traces)).
Called for each row of a table it records in several transactions, and equal rows once.
@area memory
@effect records
@required 1
@signature pathway_record(trace)
@answers uid, status, pathway_id, version, replay_count, replays_succeeded, success_rate, predecessor_uid, reason
@example select * from pathway_record({''task_class'': ''code_review'', ''file_path'': ''crates/queryd/src/db.rs''})';

create or replace macro fn.pathway_update(uid, trace) as table
select unnest(answer)
from (
    select unnest(_pathway_update(
        uid::varchar, to_json(trace)::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.pathway_update is
'Replace the content of a live pathway, under the same uid. The journal keeps the former one. Status: replaced, unchanged.
@area memory
@effect records
@required 2
@signature pathway_update(uid, trace)
@answers uid, status, pathway_id, version, replay_count, replays_succeeded, success_rate, predecessor_uid, reason
@example select * from pathway_update(''p-1'', {''task_class'': ''code_review'', ''final_verdict'': ''accepted''})';

create or replace macro fn.pathway_revise(uid, trace) as table
select unnest(answer)
from (
    select unnest(_pathway_revise(
        uid::varchar, to_json(trace)::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.pathway_revise is
'Put a better trace in the place of a live pathway: a new uid, the next version, no replays yet.

The former one is superseded: it is not looked up any more, and stays in the history. One that is retired or superseded
cannot be revised.
@area memory
@effect records
@required 2
@signature pathway_revise(uid, trace)
@answers uid, status, pathway_id, version, replay_count, replays_succeeded, success_rate, predecessor_uid, reason
@example select * from pathway_revise(''p-1'', {''task_class'': ''code_review'', ''final_verdict'': ''accepted''})';

create or replace macro fn.pathway_retire(uid, reason) as table
select unnest(answer)
from (
    select unnest(_pathway_retire(
        uid::varchar, reason::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.pathway_retire is
'Retire a pathway for good: it is not looked up any more. Status: retired, or unchanged (the first reason stays).
@area memory
@effect records
@required 2
@signature pathway_retire(uid, reason)
@answers uid, status, pathway_id, version, replay_count, replays_succeeded, success_rate, predecessor_uid, reason
@example select * from pathway_retire(''p-1'', ''the file was split'')';

create or replace macro fn.pathway_replay(uid, succeeded, verdict := null, confidence := null) as table
select unnest(answer)
from (
    select unnest(_pathway_replay(
        uid::varchar, ('[' || trim(to_json(succeeded)::varchar, '[]') || ']')::json::boolean[], verdict::varchar,
        confidence::double, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.pathway_replay is
'Tell how a replay of a pathway went. Below 80 % success after three replays it is retired for good.

`succeeded` may be a list of at most 100,000, counted in its order in one transaction; the answer has the last state. From a
table: select r.* from (select uid, list(ok order by ts) as oks from outcomes group by uid), pathway_replay(uid, oks) as r.
Called for each row instead, rows that are equal are one replay, though each of them is answered: the engine runs what is equal once.
An observer''s `verdict` of ''reject'' with a `confidence` of 0.7 or more retires it at once; ''cycle'' and ''accept'' do not.
Status: counted, retired (by one of these replays), ignored (it was retired before).
@area memory
@effect records
@required 2
@signature pathway_replay(uid, succeeded, verdict := NULL, confidence := NULL)
@answers uid, status, pathway_id, version, replay_count, replays_succeeded, success_rate, predecessor_uid, reason
@example select * from pathway_replay(''p-1'', true)';

create or replace macro fn.pathway_lookup(task_class, file, signal_class, tokens := null, k := 10) as table
select answer.uid, answer.eligible, answer.model, answer.similarity, answer.replay_count, answer.success_rate,
    answer.gate::json as gate, answer.trace::json as trace
from (
    select unnest(_pathway_lookup(
        task_class::varchar, file::varchar, signal_class::varchar, tokens::varchar[], k::bigint, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.pathway_lookup is
'The live pathways of a task in an area of the files, the one to take first.

`eligible` = all conditions of `gate` hold: the same task, area (first two segments of the path) and signal; three replays; 80 %
of them succeeded; no failed audit; similarity 0.90; live. Its `model` is then tried first. `tokens` are those of the task
(''flag:OffByOne'', ''bug:…''); without them only task, file and signal are compared. `file` is NULL for a task without one.
@area memory
@effect reads
@required 3
@signature pathway_lookup(task_class, file, signal_class, tokens := NULL, k := 10)
@answers uid, eligible, model, similarity, replay_count, success_rate, gate, trace
@example select * from pathway_lookup(''code_review'', ''crates/queryd/src/db.rs'', ''overflow'')';

create or replace macro fn.pathway_history(uid) as table
select answer.position, answer.uid, answer.status, answer.version, answer.predecessor_uid, answer.replay_count,
    answer.success_rate, answer.reason, answer.created_at, answer.trace::json as trace
from (
    select unnest(_pathway_history(
        uid::varchar, getvariable('lakehouse_call')
    )) as answer
)
order by answer.position;

comment on macro table fn.pathway_history is
'The revisions that a pathway is one of, from the root to the tip. Retired and superseded ones are in it.
@area memory
@effect reads
@required 1
@signature pathway_history(uid)
@answers position, uid, status, version, predecessor_uid, replay_count, success_rate, reason, created_at, trace
@example select * from pathway_history(''p-1'')';

create or replace macro fn.bug_fingerprints(task_class, file, signal_class, k := 10) as table
select unnest(answer)
from (
    select unnest(_bug_fingerprints(
        task_class::varchar, file::varchar, signal_class::varchar, k::bigint, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.bug_fingerprints is
'The bugs that were met in an area of the files, over its live pathways, the most frequent first.

`file` is NULL for a task that is about none.
@area memory
@effect reads
@required 3
@signature bug_fingerprints(task_class, file, signal_class, k := 10)
@answers flag, pattern_key, occurrences, pathways, example
@example select * from bug_fingerprints(''code_review'', ''crates/queryd/src/db.rs'', ''overflow'')';

create or replace macro fn.review_flags(review) as table
select unnest(answer)
from (
    select unnest(_review_flags(
        review::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.review_flags is
'What a review says of mistakes: lines with **Flag: X**, or with the bare name of a flag where no line is marked.

`pattern_key` is the flag with up to three identifiers that the line puts in back quotes; NULL when it puts none. `confidence`
is from Confidence: NN% in the line, or else in the review.
@area memory
@effect reads
@required 1
@signature review_flags(review)
@answers flag, pattern_key, occurrences, confidence, example
@example select * from review_flags(''**Flag: OffByOne** in `row_count`. Confidence: 90%'')';

create or replace macro fn.import_pathways(uri) as table
select unnest(answer)
from (
    select unnest(_import_pathways(
        uri::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.import_pathways is
'Import pathways from a state.json of the original, or from its event log (.jsonl), as they lie.

The file must be in a folder of [ingest] allowed. Missing fields take their defaults, unknown ones are kept. Status: added (a
pathway of the lake that it follows is superseded); exists = the uid is known, and stays as it is; conflict = it was left out,
for the pathway that it follows has another successor: revise that one with it; corrupt = a trace or line that cannot be read,
contradicts itself, or has a time outside 1677-09-21 to 2262-04-11, with its place and the reason. A state that is cut off is
one such row.
@area memory
@effect administers
@required 1
@signature import_pathways(uri)
@answers uid, status, line, detail
@example select * from import_pathways(''state.json'')';

create or replace macro fn.export_pathways(uri) as table
select unnest(answer)
from (
    select unnest(_export_pathways(
        uri::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.export_pathways is
'Write every pathway into a file: the original''s state.json, or its event log when the name ends in .jsonl.

The folder must be one of [ingest] allowed. The file is replaced whole or not at all.
@area memory
@effect administers
@required 1
@signature export_pathways(uri)
@answers uri, status, pathways, bytes
@example select * from export_pathways(''state.json'')';

create or replace macro fn.pathway_id(task_class, file, signal_class) as _pathway_id(
    task_class::varchar, file::varchar, signal_class::varchar, getvariable('lakehouse_call')
);

comment on macro fn.pathway_id is
'The narrow fingerprint of a task in an area: SHA-256 of task_class|first two segments of the path|signal_class, in hex.
@area memory
@effect reads
@required 3
@signature pathway_id(task_class, file, signal_class)
@answers VARCHAR
@example select pathway_id(''code_review'', ''crates/queryd/src/db.rs'', ''overflow'')';

create or replace macro fn.pathway_vector(tokens) as _pathway_vector(
    tokens::varchar[], getvariable('lakehouse_call')
);

comment on macro fn.pathway_vector is
'The vector of tokens in 32 buckets: FLOAT[32] of unit length, whatever their order and case; zeros for none.
@area memory
@effect reads
@required 1
@signature pathway_vector(tokens)
@answers FLOAT[32]
@example select pathway_vector([''task:code_review'', ''flag:OffByOne''])';
