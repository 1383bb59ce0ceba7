-- The control plane: what the lake knows of itself. Users see the views of the schema `lake`, never these tables.

create table control.journal (
    entry bigint not null,            -- grows with every entry, unique
    ts timestamptz not null,
    kind varchar not null,            -- error, statement, outcome, swap, ingest, call, …
    subject varchar,
    actor varchar,                    -- the profile
    statement_id varchar,
    body varchar not null             -- JSON
);

create table control.corpus (
    corpus varchar primary key,
    description varchar,
    source varchar not null,          -- a dataset or a query, as it was given
    id_column varchar not null,
    text_column varchar not null,
    metadata varchar[],               -- null: all the other columns of the source
    embedder varchar not null,
    chunk_size integer not null,
    refresh varchar not null,
    created_at timestamptz not null default now()
);

create table control.generation (
    corpus varchar not null,
    generation varchar not null,      -- g000001, g000002 …
    documents bigint not null,        -- alive
    chunks bigint not null,
    duplicates bigint not null,       -- chunks whose content another chunk has
    failed bigint not null,           -- documents without text
    manifest varchar not null,        -- JSON
    created_at timestamptz not null default now(),
    primary key (corpus, generation)
);

-- The live pointer: one row a corpus, and changing it is the swap.
create table control.live (
    corpus varchar primary key,
    generation varchar not null,
    swapped_at timestamptz not null default now()
);

create table control.playbook (
    playbook_id varchar primary key,  -- sha256 of the question, corpus and id
    query varchar not null,
    corpus varchar not null,
    id varchar not null,
    score double not null,            -- 0 … 1
    role varchar,
    note varchar,
    model varchar not null,           -- sha256 of the embedder that made the vector
    vector blob not null,             -- float32, little endian, unit length
    recorded_at timestamptz not null default now()
);
