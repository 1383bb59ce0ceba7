-- Indexes: how far the build of a generation is, how well it finds, and which generations were live before.

alter table control.generation add column status varchar default 'served';  -- building, built, served
alter table control.generation add column progress double;                  -- 0 … 1 while it is being built
alter table control.generation add column wish varchar;                     -- JSON: what build_index was asked for
alter table control.generation add column recall double;                    -- recall@10 when it was built
alter table control.generation add column build_seconds double;
alter table control.generation add column reason varchar;                   -- why it is not live, or why this engine

-- What rollback_index goes back to: the generations that were live before, the last one on top.
create table control.history (
    corpus varchar not null,
    place bigint not null,            -- grows from the bottom to the top
    generation varchar not null,
    note varchar,                     -- why it was replaced
    replaced_at timestamptz not null default now(),
    primary key (corpus, place)
);

insert into control.history (corpus, place, generation)
select corpus, row_number() over (partition by corpus order by generation), generation
from control.generation
where (corpus, generation) not in (select (corpus, generation) from control.live);
