-- Pathways: how a task was solved in one area of the files, and how often that worked again.

create table control.pathway (
    uid varchar primary key,
    pathway_id varchar,                -- sha256 of task, file prefix and signal; null: the trace names none of them
    task_class varchar not null,
    file_path varchar not null,
    file_prefix varchar not null,      -- its first two segments
    signal_class varchar not null,
    content varchar not null,          -- JSON, as it was recorded, without what the columns hold
    envelope varchar,                  -- JSON: fields beside the content that an imported trace had
    tags varchar,                      -- JSON list
    model varchar,                     -- of the attempt that was accepted
    audit varchar,                     -- passed, failed, unreadable; null: none yet
    bugs varchar,                      -- JSON list of {flag, pattern_key, example, occurrences}
    workflow varchar,                  -- sha256 of pathway, attempts and verdict; null: the trace has none
    vector blob not null,              -- float32 [32], little endian
    predecessor_uid varchar,
    version integer not null,
    superseded_by varchar,
    superseded_at_ns bigint,
    retired boolean not null,
    retirement_reason varchar,
    replay_count bigint not null,
    replays_succeeded bigint not null,
    replays_failed bigint not null,    -- a repetition that nobody judged is in neither
    created_at_ns bigint not null,
    updated_at_ns bigint not null
);
