-- Who asks, and what he may. The profile `admin` is built in and stands in no table.

create table control.profile (
    profile varchar primary key,
    role varchar not null,            -- reader, contributor, editor, admin
    description varchar,
    password varchar,                 -- scrypt, with its salt; null: no login by password
    created_at timestamptz not null default now()
);

create table control.access_grant (
    profile varchar not null,
    object varchar not null,          -- a bucket, schema, table or corpus; * at the end matches
    filter varchar,                   -- a predicate: the rows that are seen
    columns varchar[],                -- the columns that are seen; null: all
    masks varchar,                    -- JSON: column -> null, hash, mask(prefix, suffix)
    granted_at timestamptz not null default now(),
    primary key (profile, object)
);

create table control.token (
    token_id varchar primary key,
    profile varchar not null,
    sha256 varchar not null,          -- of the secret, which is kept nowhere
    created_at timestamptz not null default now(),
    expires_at timestamptz,           -- null: never
    revoked_at timestamptz
);

-- The key of the mask `hash`: made once a home, so that masked values join but cannot be looked up.
create table control.secret (
    name varchar primary key,
    value varchar not null
);

-- Who made a corpus: its source is read with his rights, also when another one refreshes it.
alter table control.corpus add column owner varchar;
