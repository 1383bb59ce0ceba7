-- Files into datasets, and datasets back to what they were.

create or replace macro fn.ingest(
    uri, dataset,
    key := null, mode := 'auto', bucket := null, format := null, options := null
) as table
select unnest(answer)
from (
    select unnest(_ingest(
        uri::varchar, dataset::varchar, to_json(key)::varchar, mode::varchar, bucket::varchar, format::varchar,
        to_json(options)::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.ingest is
'Read files into a dataset, exactly once by content.

`uri` is a file, a folder with its subfolders, or a pattern such as ''in/*.csv''; a relative path starts at the folder the
server runs in, and it must lie inside [ingest] allowed. Formats by suffix, or `format`: csv (.csv, .tsv), json (.json,
.jsonl, .ndjson; an array or one object after another), parquet, arrow (.arrow, .feather); .gz and .zst of CSV and JSON.

The same bytes again are `unchanged`, also after a restart and also as one file of a folder; the other files are taken.
`key`, a column or a list (''country,id''), merges: a row whose key is known is updated when it differs, the others are
added, the last of several with one key wins, and a NULL key is an error. The dataset remembers its key.
`mode`: auto = create, merge when there is a key, or append; append; merge; replace; error = it must not exist.
The rows and the record of them appear together or not at all; it commits on its own, also within a transaction.

A column of text becomes int64, float64, bool, date or timestamp when every cell is one, else it stays string: 007 and
N/A keep theirs a string. Empty cells are NULL. A file that lacks a column, has a new one or another type is a [CONFLICT]
before anything is written; the order of columns is free, and cells of text are read as the type the dataset has.
Kept as text: ENUM, UNION, BIT, HUGEINT, INTERVAL, times with zones; fixed-size arrays become lists; nested objects stay
nested. A header without rows makes an empty dataset of strings.
`options`: types ({''zip'': ''VARCHAR''}, cast as SQL does); for csv also delim, quote, escape, header, names, skip, comment,
nullstr, encoding (utf-8, utf-16, latin-1), decimal_separator, dateformat, timestampformat, strict.
@area storage
@effect writes
@required 2
@signature ingest(uri, dataset, key := NULL, mode := ''auto'', bucket := NULL, format := NULL, options := NULL)
@answers dataset, status, bucket, version, rows_read, rows_added, rows_updated, fingerprint, seconds
@example select * from ingest(''workers.csv'', ''workers'', key := ''worker_id'')';

create or replace macro fn.drop_dataset(dataset) as table
select unnest(answer)
from (select unnest(_drop_dataset(dataset::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.drop_dataset is
'Drop a dataset. Its versions stay: rollback_dataset brings it back.

What was ingested into it can be ingested again. One that is gone already answers `absent`.
@area storage
@effect writes
@required 1
@signature drop_dataset(dataset)
@answers dataset, status, version
@example select * from drop_dataset(''workers'')';

create or replace macro fn.rollback_dataset(dataset, version) as table
select unnest(answer)
from (
    select unnest(_rollback_dataset(dataset::varchar, version::bigint, getvariable('lakehouse_call'))) as answer
);

comment on macro table fn.rollback_dataset is
'Make a dataset what it was at a version, as a new version; a dropped one comes back.

Versions are in lake.versions; `from workers at (version => 7)` reads one without restoring it. Files ingested since then
are out of it and can be ingested again. Nothing is lost: the state before can be restored in the same way.
@area storage
@effect writes
@required 2
@signature rollback_dataset(dataset, version)
@answers dataset, status, version, rows
@example select * from rollback_dataset(''workers'', 7)';

create or replace macro fn.delete_rows(dataset, keys, reason) as table
select unnest(answer)
from (
    select unnest(_delete_rows(
        dataset::varchar, to_json(keys)::varchar, reason::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.delete_rows is
'Delete rows of a dataset by their key, and keep the reason.

`keys`: one value, a list, or objects for a key of several columns ([{''country'': ''US'', ''id'': 7}]). Keys that are not
there are passed over. Earlier versions still hold the rows.
@area storage
@effect writes
@required 3
@signature delete_rows(dataset, keys, reason)
@answers dataset, status, rows_deleted, version
@example select * from delete_rows(''workers'', [''W-1''], ''asked to be forgotten'')';
