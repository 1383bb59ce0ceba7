-- What goes into a prompt, and which mode runs.

create or replace macro fn.relevance(focus, chunks, threshold := null) as table
select row.chunk::json as chunk, row.score, row.kept, row.signals::json as signals
from (
    select unnest(_relevance(
        to_json(focus)::varchar, to_json(chunks)::varchar, threshold::double, getvariable('lakehouse_call')
    )) as row
);

comment on macro table fn.relevance is
'Whether chunks are about a focus file, or about something that it only imports: a score and its signals for each chunk.

`focus` is {''path'': …, ''content'': …} or a text; defined_symbols and imported_symbols replace what is found in the content
(Python, Rust, TypeScript and Go by their syntax). `chunks` is a list of {''source'': …, ''content'': …} or of texts. Signals:
path_match 1.0, filename_match 0.6, defined_match 0.6, token_overlap 0.4 × Jaccard, prefix_match 0.3, import_penalty −0.5. A
chunk is kept when its score reaches `threshold`; NULL = that of [relevance], which is 0.3. A focus that takes more than 2 s
to parse has no symbols, and `signals` say so.
@area search
@effect reads
@required 2
@signature relevance(focus, chunks, threshold := NULL)
@answers chunk, score, kept, signals
@example select * from relevance({''path'': ''src/db.go'', ''defined_symbols'': [''Connector'']}, [''Connector opens a pool'', ''other''])';

create or replace macro fn.downgrade(mode, model, force_mode := null, force_full_enrichment := null) as table
select unnest(answer)
from (
    select unnest(_downgrade(
        mode::varchar, model::varchar, force_mode::varchar, force_full_enrichment::boolean,
        getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.downgrade is
'The mode that a model should run: codereview_lakehouse becomes codereview_isolation for a strong model, all else passes.

Weak are models that are free by their name (…:free) and those of [downgrade] weak. `force_mode` is run whatever the gate
says (true = the mode as it is); `force_full_enrichment` NULL = that of [downgrade].
@area memory
@effect reads
@required 2
@signature downgrade(mode, model, force_mode := NULL, force_full_enrichment := NULL)
@answers mode, downgraded_from, weak, reason
@example select * from downgrade(''codereview_lakehouse'', ''x-ai/grok-4.1-fast'')';

create or replace macro fn.run_mode(task_class, prompt, model := null, force_mode := null) as table
select unnest(answer)
from (
    select unnest(_run_mode(
        task_class::varchar, to_json(prompt)::varchar, model::varchar, force_mode::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.run_mode is
'Run the mode of a task class: focus file, known bugs, excerpts of the corpora, one prompt, one call of a model.

`prompt` is a text, or {''prompt'': …, ''path'': …, ''content'': …, ''signal_class'': …} about a file; the JSON of one will do. The
task class (lake.task_classes) says which mode runs, on which corpora; what goes in is in lake.modes. `model` is one of [models]
chat, NULL = that of the task class, else the first. Where none is configured, or it is ''extractive'', the answer is quoted
sentences with their tags, and nothing is written. `force_mode` is run whatever the downgrade gate says (true = the mode as it
is). Each call is a row of lake.mode_runs.
@area memory
@effect records
@required 2
@signature run_mode(task_class, prompt, model := NULL, force_mode := NULL)
@answers answer, mode, downgraded_from, corpora, chunks, seconds, model
@example select * from run_mode(''code_review'', {''path'': ''src/db.rs'', ''content'': ''pub struct Connector { limit: u32 }''})';

create or replace macro fn.create_mode(mode, parts, instruction, description := null) as table
select unnest(answer)
from (
    select unnest(_create_mode(
        mode::varchar, parts::varchar[], instruction::varchar, description::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.create_mode is
'Make a mode, or change one: what goes into a prompt. Its parts are of [''focus'', ''fingerprints'', ''matrix''], [] = none.

focus: the content of the file. fingerprints: bugs that were met in its area. matrix: excerpts of the corpora, without those
that the relevance filter drops. `instruction` stands above them.
@area memory
@effect administers
@required 3
@signature create_mode(mode, parts, instruction, description := NULL)
@answers mode, status
@example select * from create_mode(''short_review'', [''focus'', ''fingerprints''], ''Name the three worst faults.'')';

create or replace macro fn.drop_mode(mode) as table
select unnest(answer)
from (select unnest(_drop_mode(mode::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.drop_mode is
'Remove a mode that no task class runs. codereview_isolation stays: the downgrade gate sends strong models there.
@area memory
@effect administers
@required 1
@signature drop_mode(mode)
@answers mode, status
@example select * from drop_mode(''short_review'')';

create or replace macro fn.create_task_class(
    task_class, mode, model := null, corpora := null, instruction := null, description := null
) as table
select unnest(answer)
from (
    select unnest(_create_task_class(
        task_class::varchar, mode::varchar, model::varchar, corpora::varchar[], instruction::varchar,
        description::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.create_task_class is
'Make a task class, or change one: which mode run_mode runs for it.

`model` is one of [models] chat, NULL = the first. `corpora` NULL = all that the caller may search. `instruction` takes the
place of the one of the mode.
@area memory
@effect administers
@required 2
@signature create_task_class(task_class, mode, model := NULL, corpora := NULL, instruction := NULL, description := NULL)
@answers task_class, status, mode
@example select * from create_task_class(''code_review'', ''codereview_isolation'', description := ''faults of a file'')';

create or replace macro fn.drop_task_class(task_class) as table
select unnest(answer)
from (select unnest(_drop_task_class(task_class::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.drop_task_class is
'Remove a task class.
@area memory
@effect administers
@required 1
@signature drop_task_class(task_class)
@answers task_class, status, mode
@example select * from drop_task_class(''pr_audit'')';
