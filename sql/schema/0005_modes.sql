-- Modes and task classes: what goes into a prompt, and which mode a task runs. And where memory is switched off.

create table control.mode (
    mode varchar primary key,
    parts varchar[] not null,         -- of focus, fingerprints, matrix
    instruction varchar not null,     -- what stands above everything else
    description varchar
);

create table control.task_class (
    task_class varchar primary key,
    mode varchar not null,
    model varchar,                    -- null: the default
    corpora varchar[],                -- null: all that the caller may search
    instruction varchar,              -- null: that of the mode
    description varchar
);

create table control.playbook_switch (
    corpus varchar primary key,       -- whose outcomes move nothing
    why varchar not null,
    by_check boolean not null,        -- a check switched it off, and may switch it on again
    switched_at timestamptz not null default now()
);

insert into control.mode (mode, parts, instruction, description)
with adversarial(instruction) as (
    select 'Review the file as someone who must find what is wrong with it. Assume that it has faults. Name each fault with '
        || 'its place, quote the code, and say why it is wrong and what would be right. Excerpts are background: do not '
        || 'blame the file for what they show of other files. When you find nothing, say what you looked for.'
)
select mode, parts, instruction, description
from adversarial
cross join (values
    ('codereview_lakehouse', ['focus', 'fingerprints', 'matrix'], 'everything: file, known bugs, excerpts of the corpora'),
    ('codereview_isolation', ['focus', 'fingerprints'], 'file and known bugs, no corpora: better for strong models'),
    ('codereview_matrix_only', ['focus', 'matrix'], 'file and excerpts of the corpora, no known bugs'),
    ('codereview_playbook_only', ['fingerprints'], 'known bugs only, without the content of the file')
) as native(mode, parts, description)
union all
select 'codereview_null', ['focus'], 'Look at the file and say what you notice.', 'the file alone, as a baseline';

insert into control.task_class (task_class, mode, instruction, description)
values
    ('code_review', 'codereview_lakehouse', null, 'faults of a file'),
    (
        'pr_audit', 'codereview_lakehouse',
        'Audit the change. For each claim that it makes, say whether the code bears it out, and quote the line that shows it. '
        || 'A claim that nothing shows is unproven. Excerpts are background from other files.',
        'whether a change does what it claims'
    ),
    (
        'doc_drift_check', 'codereview_lakehouse',
        'Compare the file with the excerpts. Name each statement of the one that the other contradicts, and quote both. What '
        || 'neither contradicts is no drift.',
        'where code and documentation contradict each other'
    ),
    (
        'staffing_inference', 'codereview_matrix_only',
        'Answer from the excerpts alone. Name each person or document by the tag in front of its excerpt. When the excerpts '
        || 'do not answer, say so.',
        'questions about people and jobs, from the corpora'
    );
