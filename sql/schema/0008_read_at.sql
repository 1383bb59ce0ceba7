-- When the source of a corpus was last read, before the first row: what the lake came to know since then is not in it.
alter table control.upkeep add column read_at timestamptz;
