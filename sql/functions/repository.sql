-- What corpora of code and knowledge are made of: folders, findings, and what the lake itself came to know.

create or replace macro fn.repo_documents(path, include := null, max_bytes := 1048576) as table
select unnest(answer)
from (
    select unnest(_repo_documents(
        path::varchar, include::varchar[], max_bytes::bigint, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.repo_documents is
'The text files of a folder and those below it: one row a file, or a section of a Markdown file.

What .gitignore names is left out, and what is hidden, binary or a link. `include` is a list of patterns as in .gitignore,
of the files to take. The folder must be one that may be ingested from, and so must the role. `id` is the path, of a
section with its anchor: `docs/search.md#tuning`; `title` has the headings above. Line ends are `\n`. A file that is no
UTF-8 is read as windows-1252, see `encoding`. One that is longer than `max_bytes` or cannot be opened has no text, and
`error` says why. At most 50,000 files and 64 MiB.
@area search
@effect reads
@required 1
@signature repo_documents(path, include := NULL, max_bytes := 1048576)
@answers id, path, title, line, text, language, encoding, sha256, error
@example select * from repo_documents(''.'', include := [''docs/'', ''*.md''])';

create or replace macro fn.repo_symbols(path, include := null, max_bytes := 1048576) as table
select unnest(answer)
from (
    select unnest(_repo_symbols(
        path::varchar, include::varchar[], max_bytes::bigint, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.repo_symbols is
'What the code of a folder defines for others: one row a definition, with its doc comment, and one a file that says what
it is. Python, Rust, TypeScript, JavaScript and Go.

Public is `pub` in Rust, exported in TypeScript, capitalised in Go, without a leading underscore in Python; methods count.
`id` is `path#Class.method`; `line` is from 1; `text` is what to search: name, place, doc comment and signature. Files are
chosen as in repo_documents; one that takes more than 2 s to parse has no text, and `error` says so.
@area search
@effect reads
@required 1
@signature repo_symbols(path, include := NULL, max_bytes := 1048576)
@answers id, name, kind, path, line, language, signature, doc, text, error
@example select * from repo_symbols(''.'', include := [''engine/''])';

create or replace macro fn.repo_findings(uri, repository := null) as table
select unnest(answer)
from (select unnest(_repo_findings(uri::varchar, repository::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.repo_findings is
'The findings of reviewers and auditors from a file of JSON lines, each once.

A line is a finding (summary, claim_text, evidence, check, severity, path and line) or a verdict with a list `findings`.
`path` and `line` are the first that it cites, as a field or as `file.py:12` or `Makefile:3` in its texts. With
`repository`, a folder, `grounding` tells whether every cited line exists: `verified`, `past the end of the file`, `no such
file`, `too large to tell` (beyond 64 MiB), or `cites no line`. Hidden, ignored and binary files count as well. A line that cannot be read is a row with an `error`.
@area search
@effect reads
@required 1
@signature repo_findings(uri, repository := NULL)
@answers id, path, line, severity, check, summary, evidence, text, grounding, error
@example select * from repo_findings(''findings.jsonl'', repository := ''.'')';

create or replace macro fn.answers() as table
select unnest(answer)
from (select unnest(_answers(getvariable('lakehouse_call'))) as answer);

comment on macro table fn.answers is
'The answers that ask and run_mode gave, from lake.answers: the latest to each question, newest first.

`asked` is `ask` or the task class; `text` is the path it was asked about, and the answer. What found nothing is no answer.
You see your own, an admin sees all; one from a corpus that you do not see is left out. At most 100,000.
A corpus of it follows as they grow with refresh := ''on_append''.
@area memory
@effect reads
@required 0
@signature answers()
@answers id, asked, question, path, answer, model, corpora, answered_at, text
@example select * from answers() where asked = ''ask''';

create or replace macro fn.successful_playbooks(min_score := 0.75) as table
select unnest(answer)
from (select unnest(_successful_playbooks(min_score::double, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.successful_playbooks is
'The outcomes that held: those of lake.playbooks with at least that score whose document is there, newest first.

`text` is the question, and the note if there is one; `corpus` and `document` say what answered it. At most 100,000.
A corpus of it follows as they grow with refresh := ''on_append''.
@area memory
@effect reads
@required 0
@signature successful_playbooks(min_score := 0.75)
@answers id, question, corpus, document, score, role, note, recorded_at, text
@example select * from successful_playbooks(min_score := 1)';
