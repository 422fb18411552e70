-- What the house is: accounts, keys, what they learnt, and the outbox.
-- A row is the record as MessagePack behind a version byte; columns beside it are what is looked for.

create table meta (
    name text primary key,
    value bytea not null
);

create table accounts (
    id uuid primary key,
    name text not null unique,
    version bigint not null,
    "row" bytea not null
);

-- No reference to accounts: declared accounts have no row there.
create table account_states (
    id uuid primary key,
    "row" bytea not null
);

create table account_tokens (
    id uuid primary key,
    version bigint not null,
    "row" bytea not null
);

create table api_keys (
    id uuid primary key,
    name text not null,
    revoked boolean not null,
    version bigint not null,
    "row" bytea not null
);
create unique index api_keys_live_name on api_keys (name) where not revoked;

-- Every hash that a key has, or had until its old secret ends; those of revoked keys too.
create table api_key_hashes (
    hash bytea primary key,
    id uuid not null references api_keys (id) on delete cascade
);
create index api_key_hashes_id on api_key_hashes (id);

create table key_totals (
    id uuid primary key,
    "row" bytea not null
);

create table sessions (
    key_id uuid not null,
    -- The bits of an unsigned number.
    session bigint not null,
    until_ms bigint not null,
    "row" bytea not null,
    primary key (key_id, session)
);
create index sessions_until on sessions (until_ms);

create table quotas (
    limit_id uuid not null,
    start_ms bigint not null,
    end_ms bigint not null,
    "row" bytea not null,
    primary key (limit_id, start_ms)
);
create index quotas_end on quotas (end_ms);

create table resources (
    resource text primary key,
    "row" bytea not null
);

-- The outbox. Writers wait for each other, so that numbers commit in their order.
create table changes (
    seq bigint primary key,
    node text not null,
    "row" bytea not null
);

create table change_last (
    one boolean primary key default true check (one),
    seq bigint not null
);
insert into change_last (seq) values (0);
