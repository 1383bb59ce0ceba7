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
chunk is kept when its score reaches `threshold`; NULL = that of [relevance], which is 0.3.
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
