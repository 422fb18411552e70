-- The request log, bodies, usage and the audit mirror.
--
-- Days are days since the Unix epoch (UTC), times are milliseconds since it. `row` is the whole record as the program
-- encodes it; the other columns are what is searched by, cut to what an index can hold.

create sequence request_logs_seq as bigint;

-- One partition a day; the program creates and drops them.
create table request_logs (
    day integer not null,
    id uuid not null,
    at_ms bigint not null,
    -- In the order of commits.
    seq bigint not null,
    session bigint,
    key uuid,
    duration_us bigint not null,
    cost_micro_usd bigint not null,
    status integer not null,
    stream boolean not null,
    route text collate "C" not null,
    outcome text collate "C" not null,
    owner text collate "C",
    key_group text collate "C",
    -- The account that answered, by name; then those that were tried before, each between two unit separators.
    account text collate "C",
    tried text collate "C",
    model text collate "C",
    upstream_request_id text collate "C",
    error text collate "C",
    "row" bytea not null,
    primary key (day, id)
) partition by range (day);

-- The order of pages, alone and behind each value that is searched by. What nearly every row has is left out: it is found
-- in the order of time as quickly.
create index request_logs_at on request_logs (at_ms, id);
create index request_logs_seq_order on request_logs (seq);
create index request_logs_key on request_logs (key, at_ms, id) where key is not null;
create index request_logs_session on request_logs (session, at_ms, id) where session is not null;
create index request_logs_owner on request_logs (owner, at_ms, id) where owner is not null;
create index request_logs_group on request_logs (key_group, at_ms, id) where key_group is not null;
create index request_logs_account on request_logs (account, at_ms, id) where account is not null;
create index request_logs_tried on request_logs (at_ms, id) where tried is not null;
create index request_logs_model on request_logs (model, at_ms, id) where model is not null;
create index request_logs_upstream_request_id on request_logs (upstream_request_id, at_ms, id)
    where upstream_request_id is not null;
create index request_logs_stream on request_logs (stream, at_ms, id);
create index request_logs_status on request_logs (status, at_ms, id) where status <> 200;
create index request_logs_status_class on request_logs ((status / 100), at_ms, id) where status / 100 <> 2;
create index request_logs_route on request_logs (route, at_ms, id) where route <> 'messages';
create index request_logs_outcome on request_logs (outcome, at_ms, id) where outcome <> 'completed';
create index request_logs_error on request_logs (at_ms, id) where error is not null;

-- Bodies come packed.
create table request_bodies (
    day integer not null,
    id uuid not null,
    at_ms bigint not null,
    packed bytea not null,
    primary key (day, id)
) partition by range (day);
alter table request_bodies alter column packed set storage external;

create table usage_rows (
    day bigint not null,
    -- SHA-256 of the whole key.
    place bytea not null,
    key uuid,
    key_name text collate "C",
    account uuid,
    account_name text collate "C",
    owner text collate "C",
    key_group text collate "C",
    model text collate "C",
    "row" bytea not null,
    primary key (day, place)
) with (fillfactor = 70);

-- How many rows a day has.
create table usage_days (
    day bigint primary key,
    rows bigint not null
);

-- The number of the last batch of each node.
create table usage_batches (
    node text primary key,
    number bigint not null
);

create table usage_series (
    grain smallint not null,
    series smallint not null,
    -- In lengths of the grain since the Unix epoch.
    point bigint not null,
    -- UTF-8.
    value bytea not null,
    sums bytea not null,
    primary key (grain, series, point, value)
) with (fillfactor = 70);
create index usage_series_of_value on usage_series (grain, series, value, point);

create table audit (
    node text collate "C" not null,
    seq bigint not null,
    at_ms bigint not null,
    hash text collate "C" not null,
    actor text collate "C" not null,
    action text collate "C" not null,
    resource text collate "C" not null,
    status text collate "C" not null,
    "row" bytea not null,
    primary key (node, seq)
);

create index audit_at on audit (at_ms, node, seq);
create index audit_actor on audit (actor, at_ms, node, seq);
create index audit_action on audit (action, at_ms, node, seq);
create index audit_resource on audit (resource, at_ms, node, seq);

-- The last line of each node's chain; stays when lines go.
create table audit_anchors (
    node text collate "C" primary key,
    seq bigint not null,
    hash text collate "C" not null
);
