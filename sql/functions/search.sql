-- Corpora and search. Every search answers with the same columns, its rows in their order; `_rank` 1 is best.
-- A question goes as a list of one: the engine plans to_json() of a parameter anew at each call, but not a cast to JSON.

create or replace macro fn.create_corpus(
    corpus, source, id, text,
    metadata := null, embedder := null, chunk_size := null, description := null, refresh := 'manual'
) as table
select unnest(answer)
from (
    select unnest(_create_corpus(
        corpus::varchar, source::varchar, id::varchar, text::varchar, metadata::varchar[], embedder::varchar,
        chunk_size::integer, description::varchar, refresh::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.create_corpus is
'Make a searchable corpus from a dataset or a query.

Its rows are split to the window of the model, embedded (an identical chunk once) and indexed for words. It is searchable
when this returns. `source` is a dataset or a select; `id` must be unique; `metadata` names the columns that filters may
use, NULL = all the others. The same call again only refreshes. It commits on its own, also within a transaction.
`refresh`: ''manual''; ''on_append'' = in the background after every change of the tables that the source reads, and when
answers() or successful_playbooks(), which it names, have grown; or five fields of cron in UTC, ''0 3 * * *''. The same call
with another `refresh` changes it.
@area search
@effect writes
@required 4
@signature create_corpus(corpus, source, id, text, metadata := NULL, embedder := NULL, chunk_size := NULL, description := NULL, refresh := ''manual'')
@answers corpus, status, generation, rows, chunks, duplicates, failed, seconds
@example select * from create_corpus(''resumes'', source := ''workers'', id := ''worker_id'', text := ''resume'')';

create or replace macro fn.refresh_corpus(corpus) as table
select unnest(answer)
from (select unnest(_refresh_corpus(corpus::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.refresh_corpus is
'Bring a corpus up to date with its source.

Only what is new or changed is embedded; what is gone is found no more. A search that runs keeps the state it began with.
@area search
@effect writes
@required 1
@signature refresh_corpus(corpus)
@answers corpus, status, added, updated, deleted, unchanged, failed, seconds
@example select * from refresh_corpus(''resumes'')';

create or replace macro fn.drop_corpus(corpus) as table
select unnest(answer)
from (select unnest(_drop_corpus(corpus::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.drop_corpus is
'Remove a corpus and its index. The dataset stays, and so do recorded outcomes.
@area search
@effect writes
@required 1
@signature drop_corpus(corpus)
@answers corpus, status, added, updated, deleted, unchanged, failed, seconds
@example select * from drop_corpus(''resumes'')';

create or replace macro fn.build_index(
    corpus, engine := null, m := null, ef_construction := null, wait := false
) as table
select unnest(answer)
from (
    select unnest(_build_index(
        corpus::varchar, engine::varchar, m::bigint, ef_construction::bigint, wait::boolean, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.build_index is
'Build an index of the vectors of a corpus, behind what is live. A corpus is searchable without one, and exactly.

It becomes live by itself when it finds enough of what exact search finds; else it stays `built`, with the reason.
`lake.generations` shows how far it is. `engine`: ''hnswlib'', ''usearch'' (graphs), ''compact'' (binary codes, for very
large corpora), ''exact'' (none); NULL = what suits the corpus. `m` and `ef_construction` are those of a graph: more of
them finds more and costs more. A large corpus gets an index without being asked. `wait` = answer when it is built, which
takes all cores meanwhile; else one is left to those who search.
@area search
@effect writes
@required 1
@signature build_index(corpus, engine := NULL, m := NULL, ef_construction := NULL, wait := false)
@answers corpus, status, generation, engine, recall, reason, seconds
@example select * from build_index(''resumes'', wait := true)';

create or replace macro fn.cancel_build(corpus) as table
select unnest(answer)
from (select unnest(_cancel_build(corpus::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.cancel_build is
'Stop the build of an index. What is live stays.
@area search
@effect writes
@required 1
@signature cancel_build(corpus)
@answers corpus, status, generation
@example select * from cancel_build(''resumes'')';

create or replace macro fn.promote_index(corpus, generation, note := null) as table
select unnest(answer)
from (
    select unnest(_promote_index(
        corpus::varchar, generation::varchar, note::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.promote_index is
'Make a generation live: one that the gate held back, or an earlier one, as it was when it was made.

A search that runs keeps the generation it began with. `note` says why; lake.swaps keeps it.
@area search
@effect writes
@required 2
@signature promote_index(corpus, generation, note := NULL)
@answers corpus, status, generation, previous
@example select * from promote_index(''resumes'', ''g000002'', note := ''enough for this corpus'')';

create or replace macro fn.rollback_index(corpus) as table
select unnest(answer)
from (select unnest(_rollback_index(corpus::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.rollback_index is
'Make the generation live again that was before the present one. Repeat it to go back further.

`status` is `unchanged` when there was none. promote_index goes forward again.
@area search
@effect writes
@required 1
@signature rollback_index(corpus)
@answers corpus, status, generation, previous
@example select * from rollback_index(''resumes'')';

create or replace macro fn.measure_recall(corpus, k := 10, queries := 100) as table
select unnest(answer)
from (
    select unnest(_measure_recall(
        corpus::varchar, k::bigint, queries::bigint, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.measure_recall is
'How many of the true nearest documents the live index of a corpus finds, and how fast.

The questions are sampled chunks of the corpus, always the same ones; the truth is exact search.
@area search
@effect reads
@required 1
@signature measure_recall(corpus, k := 10, queries := 100)
@answers corpus, engine, parameters, recall, p50_ms, p95_ms, build_seconds, promoted
@example select * from measure_recall(''resumes'')';

create or replace macro fn.tune_index(corpus, min_recall := 0.95, grid := null, queries := 100) as table
select unnest(answer)
from (
    select unnest(_tune_index(
        corpus::varchar, min_recall::double, to_json(grid)::varchar, queries::bigint, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.tune_index is
'Try indexes of a corpus one after the other, and promote the fastest that finds at least `min_recall`.

The first row is the live index; it stays when no trial is 5 % faster. The winner passes the gate of build_index and can
be rolled back. `reason` says why each row is or is not live; lake.trials keeps the trials.
`grid` NULL = a usual one, or a list of at most 50 points, as structs or as JSON, with `engine`, `m` (4 to 64),
`ef_construction` (10 to 400) and `ef` (10 to 200; of ''compact'' 100 to 1000, a tenth of the rows compared exactly); what
a point leaves out is usual. `queries` questions are asked: recorded ones of the corpus first, then sampled chunks.
@area search
@effect writes
@required 1
@signature tune_index(corpus, min_recall := 0.95, grid := NULL, queries := 100)
@answers corpus, engine, parameters, recall, p50_ms, p95_ms, build_seconds, promoted, reason
@example select * from tune_index(''resumes'', grid := [{''ef_construction'': 80, ''ef'': 60}])';

create or replace macro fn.export_index(corpus, uri) as table
select unnest(answer)
from (select unnest(_export_index(corpus::varchar, uri::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.export_index is
'Write the live index of a corpus into one file: its vectors, their ids and metadata, and the graph over them.

The name must end in `.lhv1`, in a folder of [ingest] allowed. The file is replaced whole or not at all. What was added
since the last rebuild is not in it.
@area search
@effect administers
@required 2
@signature export_index(corpus, uri)
@answers corpus, status, bytes, generation, reason
@example select * from export_index(''resumes'', ''/data/resumes.lhv1'')';

create or replace macro fn.import_index(corpus, uri) as table
select unnest(answer)
from (select unnest(_import_index(corpus::varchar, uri::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.import_index is
'Take the index of a corpus from a file of export_index, where the same documents are: no graph has to be built.

The file is checked before anything changes: it must be whole, of the same model, and hold the chunks and vectors that
the corpus was built with. The index passes the gate of build_index; `status` is `live`, `built` with the reason, or
`unchanged`.
@area search
@effect administers
@required 2
@signature import_index(corpus, uri)
@answers corpus, status, bytes, generation, reason
@example select * from import_index(''resumes'', ''/data/resumes.lhv1'')';

create or replace macro fn.vector_search(
    query, corpora := null, k := 10, filter := null, exact := false, ef := null, generation := null, collapse := null
) as table
select unnest(hit)
from (
    select unnest(_vector_search(
        [query]::json::varchar, corpora::varchar[], k::bigint, filter::varchar, exact::boolean, ef::bigint,
        generation::varchar, collapse::varchar, getvariable('lakehouse_call')
    )) as hit
);

comment on macro table fn.vector_search is
'Search by meaning: the nearest chunks by cosine, one row a document.

`query` is a text or a vector (FLOAT[]). `corpora` NULL = all. `filter` is a SQL predicate over the metadata columns and
`id`; it is evaluated before the top k, so there are k rows whenever k match. `exact` compares everything, whatever index
there is; `ef` is how many candidates an index looks at. `generation` searches a named one of one corpus. `collapse` is a
metadata column: of the documents with one value in it, the best stands for all; what has no value stands for itself.
A `where` after it sees only the rows that were found: `corpora` and `filter` act before the top k.
@area search
@effect reads
@required 1
@signature vector_search(query, corpora := NULL, k := 10, filter := NULL, exact := false, ef := NULL, generation := NULL, collapse := NULL)
@answers _rank, _score, _corpus, id, content, metadata, _distance, _generation, _explain
@example select * from vector_search(''who can drive a lift truck?'', k := 5)';

create or replace macro fn.text_search(query, corpora := null, k := 10, filter := null, collapse := null) as table
select unnest(hit)
from (
    select unnest(_text_search(
        [query]::json::varchar, corpora::varchar[], k::bigint, filter::varchar, collapse::varchar,
        getvariable('lakehouse_call')
    )) as hit
);

comment on macro table fn.text_search is
'Search by words: BM25 with English stemming, statistics over all searched corpora.

Arguments as in vector_search. `_distance` is NULL.
A `where` after it sees only the rows that were found: `corpora` and `filter` act before the top k.
@area search
@effect reads
@required 1
@signature text_search(query, corpora := NULL, k := 10, filter := NULL, collapse := NULL)
@answers _rank, _score, _corpus, id, content, metadata, _distance, _generation, _explain
@example select * from text_search(''OSHA-10 forklift'', corpora := [''resumes''])';

create or replace macro fn.hybrid_search(
    query, corpora := null, k := 10, filter := null, alpha := null, rrf_k := null, depth := 100, playbook := 'robust',
    collapse := null
) as table
select unnest(hit)
from (
    select unnest(_hybrid_search(
        [query]::json::varchar, corpora::varchar[], k::bigint, filter::varchar, alpha::double, rrf_k::bigint,
        depth::bigint, playbook::varchar, collapse::varchar, getvariable('lakehouse_call')
    )) as hit
);

comment on macro table fn.hybrid_search is
'Search by meaning and by words.

`_score` = alpha · cosine + (1 - alpha) · share of the greatest BM25 that the words could reach, where the best three
answers have sharpened the question; `alpha` NULL is 0.5, 1 = meaning only, 0 = words only. With `rrf_k` (60 is usual) the
two lists are fused by reciprocal ranks instead. `depth` is how far each list is looked at.
`playbook`: ''robust'' = recorded outcomes move what was found, as far as they bear each other out; ''classic'' = the
three nearest, believed; ''off'' = as if there were none. `collapse` as in vector_search.
A `where` after it sees only the rows that were found: `corpora` and `filter` act before the top k.
@area search
@effect reads
@required 1
@signature hybrid_search(query, corpora := NULL, k := 10, filter := NULL, alpha := NULL, rrf_k := NULL, depth := 100, playbook := ''robust'', collapse := NULL)
@answers _rank, _score, _corpus, id, content, metadata, _distance, _generation, _explain
@example select * from hybrid_search(''night shift reach truck'', filter := $$state = ''IL''$$)';

create or replace macro fn.matrix_search(
    query, corpora := null, k := 8, per_corpus_k := 6, filter := null, weights := null, min_relevance := null,
    playbook := 'robust', role := null, exclude := null, collapse := null, focus := null
) as table
select unnest(hit)
from (
    select unnest(_matrix_search(
        [query]::json::varchar, corpora::varchar[], k::bigint, per_corpus_k::bigint, filter::varchar,
        to_json(weights)::varchar, min_relevance::double, playbook::varchar, role::varchar, exclude::varchar[],
        collapse::varchar, to_json(focus)::varchar, getvariable('lakehouse_call')
    )) as hit
);

comment on macro table fn.matrix_search is
'Search many corpora at once: one global ranking by meaning and words, with the origin of every row, that learns.

At most `per_corpus_k` rows of one corpus (NULL = no limit) and `k` in all. `weights` favours corpora, {''resumes'': 2.0}.
`min_relevance` is the least cosine of a row. `playbook`: ''robust'' = recorded outcomes move what was
found, as far as they bear each other out; ''classic'' = the three nearest, believed, which may bring in what was not
found; ''off'' = as if there were none. `role` limits them to that role. `exclude` is a list of ids to leave out.
`focus` is a file, {''path'': …, ''content'': …}: what is about code that it imports, or about none of its own, is left out
before the top k, as by `relevance`. `collapse` is a metadata column of which each value is in one row only.
A `where` after it sees only the rows that were found: `corpora` and `filter` act before the top k.
@area search
@effect reads
@required 1
@signature matrix_search(query, corpora := NULL, k := 8, per_corpus_k := 6, filter := NULL, weights := NULL, min_relevance := NULL, playbook := ''robust'', role := NULL, exclude := NULL, collapse := NULL, focus := NULL)
@answers _rank, _score, _corpus, id, content, metadata, _distance, _generation, _explain
@example select * from matrix_search(''forklift operator with OSHA-10 in IL'', filter := $$state = ''IL''$$, corpora := [''resumes''])';

create or replace macro fn.rerank(query, ids, contents, k := 10, model := null) as table
select unnest(hit)
from (
    select unnest(_rerank(
        query::varchar, ids::varchar[], contents::varchar[], k::bigint, model::varchar, getvariable('lakehouse_call')
    )) as hit
);

comment on macro table fn.rerank is
'Put some texts in the order in which they answer a question: the best `k` of them, with their ids.

`ids` and `contents` are lists of one length, without NULL; an id may stand once. NULL or empty lists have no rows.
`model` NULL = the first of [models] rerank, or ''local'' where there is none: it compares each text with the question
by the default embedder, by its words, and by words that stand together, with their frequencies in the given texts.
A model that fails is an error; no other takes its place.
@area search
@effect reads
@required 3
@signature rerank(query, ids, contents, k := 10, model := NULL)
@answers id, content, _rank, _score
@example select r.* from (select list(id) as ids, list(content) as contents from text_search(''night shift'', k := 50)) as s, lateral rerank(''night shift'', s.ids, s.contents) as r';

create or replace macro fn.ask(question, corpora := null, k := 8, filter := null, model := null) as table
select unnest(answer)
from (
    select unnest(_ask(
        question::varchar, corpora::varchar[], k::bigint, filter::varchar, model::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.ask is
'Answer a question with quoted sentences and where they stand; says so when nothing answers it.

The default model is extractive: it quotes, it does not write. `citations` is a list of corpus, id, quote and the
characters of the document that the quote takes.
@area search
@effect reads
@required 1
@signature ask(question, corpora := NULL, k := 8, filter := NULL, model := NULL)
@answers answer, citations, grounded, model, seconds
@example select * from ask(''what certification does a forklift operator need?'')';
