-- The views of the lake, limited to what the profile sees. A limit that no query reaches keeps the caller's predicates
-- from being evaluated on rows that are hidden. A view that is not here is hidden.
create schema $space.__lake;

create view $space.__lake.functions as
from lake.main.functions;

create view $space.__lake.journal as
from (
    from lake.main.journal
    where actor = $profile
    limit 9223372036854775807
);

create view $space.__lake.errors as
from (
    from lake.main.errors
    where actor = $profile
    limit 9223372036854775807
);

create view $space.__lake.statements as
from (
    from lake.main.statements
    where profile = $profile
    limit 9223372036854775807
);

create view $space.__lake.sessions as
from (
    from lake.main.sessions
    where profile = $profile
    limit 9223372036854775807
);

create view $space.__lake.profiles as
from (
    from lake.main.profiles
    where profile = $profile
    limit 9223372036854775807
);

create view $space.__lake.grants as
from (
    select * replace (if(filter is null, null, 'hidden') as filter)
    from lake.main.grants
    where profile = $profile
    limit 9223372036854775807
);

create view $space.__lake.tokens as
from (
    from lake.main.tokens
    where profile = $profile
    limit 9223372036854775807
);

create view $space.__lake.outcomes as
from (
    from lake.main.outcomes
    where actor = $profile or corpus in (select corpus from $space.__seen.corpus where whole)
    limit 9223372036854775807
);

create view $space.__lake.playbooks as
from (
    from lake.main.playbooks
    where corpus in (select corpus from $space.__seen.corpus where whole)
    limit 9223372036854775807
);

create view $space.__lake.swaps as
from (
    from lake.main.swaps
    where corpus in (select corpus from $space.__seen.corpus where whole)
    limit 9223372036854775807
);

create view $space.__lake.corpora as
from (
    select corpus.* replace (
        if(seen.whole, source, null) as source,
        if(seen.whole, metadata, null) as metadata,
        if(seen.whole, rows, null) as rows,
        if(seen.whole, chunks, null) as chunks)
    from lake.main.corpora as corpus
    inner join $space.__seen.corpus as seen on seen.corpus = corpus.corpus
    limit 9223372036854775807
);

create view $space.__lake.generations as
from (
    from lake.main.generations
    where corpus in (select corpus from $space.__seen.corpus where whole)
    limit 9223372036854775807
);

create view $space.__lake.trials as
from (
    from lake.main.trials
    where corpus in (select corpus from $space.__seen.corpus where whole)
    limit 9223372036854775807
);

create view $space.__lake.datasets as
from (
    select dataset.* replace (
        if(seen.whole, rows, null) as rows,
        if(seen.whole, columns, null) as columns,
        if(seen.whole, key, null) as key,
        if(seen.whole, bytes, null) as bytes,
        if(seen.whole, files, null) as files)
    from lake.main.datasets as dataset
    inner join $space.__seen.relation as seen
        on (seen.bucket, seen.schema, seen.name) = (dataset.bucket, dataset.schema, dataset.dataset)
    limit 9223372036854775807
);

create view $space.__lake.columns as
from (
    select engine.* replace (field.type as type)
    from lake.main.columns as engine
    inner join $space.__seen.field as field
        on (field.bucket, field.schema, field.relation, field.name)
        = (engine.bucket, engine.schema, engine.dataset, engine.column_name)
    limit 9223372036854775807
);

create view $space.__lake.versions as
from (
    from lake.main.versions
    where (bucket, schema, dataset) in (select (bucket, schema, name) from $space.__seen.relation where whole)
    limit 9223372036854775807
);

create view $space.__lake.ingests as
from (
    from lake.main.ingests
    where (bucket, 'main', dataset) in (select (bucket, schema, name) from $space.__seen.relation where whole)
    limit 9223372036854775807
);

create view $space.__lake.buckets as
from (
    select bucket.* replace (
        (
            select count(*)
            from $space.__seen.relation as seen
            where seen.bucket = bucket.bucket
        ) as datasets,
        null as files, null as bytes, null as version)
    from lake.main.buckets as bucket
    where bucket.bucket in (select bucket from $space.__seen.place)
    limit 9223372036854775807
);

create view $space.__lake.modes as
from lake.main.modes;

create view $space.__lake.task_classes as
from (
    select * replace (
        if(corpora is null, null, coalesce(list_sort(list_intersect(
            corpora, (select list(corpus) from $space.__seen.corpus))), [])) as corpora)
    from lake.main.task_classes
    limit 9223372036854775807
);

create view $space.__lake.mode_runs as
from (
    from lake.main.mode_runs
    where actor = $profile
    limit 9223372036854775807
);

create view $space.__lake.answers as
from (
    from lake.main.answers
    where actor = $profile
    limit 9223372036854775807
);

create view $space.__lake.pathways as
from (
    from lake.main.pathways
    where recorded_by = $profile
    limit 9223372036854775807
);

create view $space.__lake.playbook_switches as
from (
    from lake.main.playbook_switches
    where corpus in (select corpus from $space.__seen.corpus)
    limit 9223372036854775807
);

create view $space.__lake.playbook_checks as
from (
    from lake.main.playbook_checks
    where corpus in (select corpus from $space.__seen.corpus where whole)
    limit 9223372036854775807
);
