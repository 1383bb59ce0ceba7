-- Corpora that are brought up to date by themselves: up to which version of the bucket a source was read, and when.
create table control.upkeep (
    corpus varchar primary key,
    version bigint not null,
    refreshed_at timestamptz not null
);
