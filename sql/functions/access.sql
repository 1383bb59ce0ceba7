-- Who asks, and what he may.

create or replace macro fn.create_profile(profile, role := 'reader', description := null) as table
select unnest(answer)
from (
    select unnest(_create_profile(
        profile::varchar, role::varchar, description::varchar, getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.create_profile is
'Make a profile, or change the role or description of one.

`role`: reader (searches and selects), contributor (also records outcomes), editor (also writes), admin (everything). A
profile below admin sees nothing until grant_access says so; one with the role admin sees everything.
@area access
@effect administers
@required 1
@signature create_profile(profile, role := ''reader'', description := NULL)
@answers profile, status, role
@example select * from create_profile(''ann'', role := ''editor'')';

create or replace macro fn.drop_profile(profile) as table
select unnest(answer)
from (select unnest(_drop_profile(profile::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.drop_profile is
'Remove a profile with its grants and tokens. Its sessions end at once.
@area access
@effect administers
@required 1
@signature drop_profile(profile)
@answers profile, status, role
@example select * from drop_profile(''ann'')';

create or replace macro fn.set_password(profile, password) as table
select unnest(answer)
from (
    select unnest(_set_password(profile::varchar, password::varchar, getvariable('lakehouse_call'))) as answer
);

comment on macro table fn.set_password is
'Let a profile log in with a password; NULL takes it back.

Pass the password as a parameter: select * from set_password(''ann'', ?). The text of this statement is not kept.
@area access
@effect administers
@required 2
@signature set_password(profile, password)
@answers profile, status
@example select * from set_password(''ann'', NULL)';

create or replace macro fn.grant_access(profile, object, filter := null, columns := null, masks := null) as table
select unnest(answer)
from (
    select unnest(_grant_access(
        profile::varchar, object::varchar, filter::varchar, columns::varchar[], to_json(masks)::varchar,
        getvariable('lakehouse_call')
    )) as answer
);

comment on macro table fn.grant_access is
'Show an object to a profile: a bucket, bucket.schema, bucket.schema.table, a table or a corpus.

* at the end matches what begins so, also what is made later; * alone is every table and every corpus. A bucket is its
tables; corpora are granted by their names.

`filter` is a predicate: the rows that are seen. `columns`: the columns that are seen. `masks` hide values:
{''salary'': ''null'', ''email'': ''hash'', ''phone'': ''mask(0, 4)''}. Of several grants on one thing the most specific counts
alone. What is seen in part cannot be changed. The same object again replaces the grant. For a corpus, filter, columns
and masks are about its metadata columns and `id`.
@area access
@effect administers
@required 2
@signature grant_access(profile, object, filter := NULL, columns := NULL, masks := NULL)
@answers profile, object, status
@example select * from grant_access(''ann'', ''workers'', filter := $$state = ''IL''$$, masks := {''phone'': ''mask(0, 4)''})';

create or replace macro fn.revoke_access(profile, object) as table
select unnest(answer)
from (
    select unnest(_revoke_access(profile::varchar, object::varchar, getvariable('lakehouse_call'))) as answer
);

comment on macro table fn.revoke_access is
'Take a grant back; it holds from the next statement on.
@area access
@effect administers
@required 2
@signature revoke_access(profile, object)
@answers profile, object, status
@example select * from revoke_access(''ann'', ''workers'')';

create or replace macro fn.create_token(profile, expires := null) as table
select unnest(answer)
from (select unnest(_create_token(profile::varchar, expires::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.create_token is
'Make a token of a profile. It is shown once: only its SHA-256 is kept.

`expires` is a time or a span such as ''30 days''; NULL = it does not expire. Clients send it as a bearer token.
@area access
@effect administers
@required 1
@signature create_token(profile, expires := NULL)
@answers token_id, token, profile, expires
@example select * from create_token(''ann'', expires := ''30 days'')';

create or replace macro fn.revoke_token(token_id) as table
select unnest(answer)
from (select unnest(_revoke_token(token_id::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.revoke_token is
'Make a token worthless at once: its sessions end, and what they run is cancelled.
@area access
@effect administers
@required 1
@signature revoke_token(token_id)
@answers token_id, status, profile
@example select * from revoke_token(''5f2c9e0a1b3d'')';

create or replace macro fn.cancel_statement(statement_id) as table
select unnest(answer)
from (select unnest(_cancel_statement(statement_id::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.cancel_statement is
'Stop a running statement; its client gets a [TIMEOUT]. Everyone may stop his own, admins all.
@area access
@effect reads
@required 1
@signature cancel_statement(statement_id)
@answers id, status
@example select * from cancel_statement(''9b1e44c0aa21f3d7'')';

create or replace macro fn.close_session(session_id) as table
select unnest(answer)
from (select unnest(_close_session(session_id::varchar, getvariable('lakehouse_call'))) as answer);

comment on macro table fn.close_session is
'End a session: what it runs is cancelled, its transactions are rolled back. Everyone may end his own, admins all.
@area access
@effect reads
@required 1
@signature close_session(session_id)
@answers id, status
@example select * from close_session(''0c9d8e7f6a5b4c3d'')';
