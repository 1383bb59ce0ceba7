-- Who asks. A token's secret is kept nowhere; what a view of passwords would show is not there either.
create or replace view lake.profiles as
select
    profile,
    role,
    description,
    password is not null as has_password,
    created_at
from control.profile
union all
select 'admin', 'admin', 'the owner of the home', false, null;

create or replace view lake.grants as
select profile, object, filter, columns, masks::json as masks, granted_at
from control.access_grant;

create or replace view lake.tokens as
select
    token_id,
    profile,
    created_at,
    expires_at,
    revoked_at,
    case
        when revoked_at is not null then 'revoked'
        when expires_at <= now() then 'expired'
        else 'valid'
    end as status
from control.token;

create or replace view lake.sessions as
select *
from (select unnest(_sessions(getvariable('lakehouse_call')), recursive := true));
