//! Each fault and its exact message.

/// (the file after its `version: 1` line, what is said)
pub(super) const TABLE: &[(&str, &str)] = &[
    // Unknown keys.
    (
        "server: { bnid: x }",
        "troupe.yaml:2:11: server.bnid: unknown key; did you mean `bind`?",
    ),
    (
        "servers: {}",
        "troupe.yaml:2:1: servers: unknown key; did you mean `server`?",
    ),
    (
        "plugin: []",
        "troupe.yaml:2:1: plugin: unknown key; did you mean `plugins`?",
    ),
    ("qwertyuiop: 1", "troupe.yaml:2:1: qwertyuiop: unknown key"),
    (
        "cache: { respones: {} }",
        "troupe.yaml:2:10: cache.respones: unknown key; did you mean `responses`?",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, limits: { request_per_minute: 1 } }]",
        "troupe.yaml:2:59: keys[0].limits.request_per_minute: unknown key; did you mean \
         `requests_per_minute`?",
    ),
    // Types and ranges.
    (
        "server: { bind: localhost }",
        "troupe.yaml:2:11: server.bind: expected an address and port such as 127.0.0.1:5200, got \
         `localhost`",
    ),
    (
        "server: 5",
        "troupe.yaml:2:1: server: expected a mapping of keys, got `5`",
    ),
    (
        "server: { bind: [a] }",
        "troupe.yaml:2:11: server.bind: expected text, got a list",
    ),
    (
        "server: { workers: many }",
        "troupe.yaml:2:11: server.workers: expected a whole number, got `many`",
    ),
    (
        "server: { workers: \"1\" }",
        "troupe.yaml:2:11: server.workers: expected a whole number, got `1`",
    ),
    (
        "server: { workers: 0 }",
        "troupe.yaml:2:11: server.workers: must be at least 1",
    ),
    (
        "server: { threads: 0 }",
        "troupe.yaml:2:11: server.threads: expected `auto` or a number from 1 to 65535, got `0`",
    ),
    (
        "server: { drain: { idle: 30 } }",
        "troupe.yaml:2:20: server.drain.idle: expected a duration such as 500ms, 5s, 15m, 1h or \
         30d, got `30`",
    ),
    (
        "server: { body_limit: 32MX }",
        "troupe.yaml:2:11: server.body_limit: expected a size such as 512KiB, 32MiB or 1GiB, got \
         `32MX`",
    ),
    (
        "server: { body_limit: 1GiB }",
        "troupe.yaml:2:11: server.body_limit: must not be larger than `server.bodies_in_memory` \
         (512MiB)",
    ),
    (
        "accounts: { main: {} }",
        "troupe.yaml:2:1: accounts: expected a list, got a mapping",
    ),
    (
        "limits: { enabled: yes }",
        "troupe.yaml:2:11: limits.enabled: expected true or false, got `yes`",
    ),
    (
        "limits: { error_shape: rfc }",
        "troupe.yaml:2:11: limits.error_shape: expected `messages` or `roadmap`, got `rfc`",
    ),
    (
        "sessions: { idle_timeout: 0s }",
        "troupe.yaml:2:13: sessions.idle_timeout: must be longer than 0s",
    ),
    // Accounts and keys.
    (
        "accounts: [{ api_key: x }]",
        "troupe.yaml:2:12: accounts[0]: `name` is missing",
    ),
    (
        "accounts: [{ name: a }]",
        "troupe.yaml:2:12: accounts[0]: needs `api_key` or `api_key_file`",
    ),
    (
        "accounts: [{ name: a b, api_key: x }]",
        "troupe.yaml:2:14: accounts[0].name: must be 1 to 64 letters, digits, `.`, `_` or `-`, \
         beginning with a letter or digit",
    ),
    (
        "accounts: [{ name: a, api_key: x }, { name: a, api_key: y }]",
        "troupe.yaml:2:39: accounts[1].name: is used by another account",
    ),
    (
        "accounts: [{ name: a, api_key: x, kind: saml }]",
        "troupe.yaml:2:35: accounts[0].kind: expected `api_key`, `oauth` or `web_session`, got `saml`",
    ),
    (
        "accounts: [{ name: a, api_key: x, base_url: ftp://h }]",
        "troupe.yaml:2:35: accounts[0].base_url: must start with http:// or https://",
    ),
    (
        "accounts: [{ name: a, api_key: x, base_url: https://h/v1/ }]",
        "troupe.yaml:2:35: accounts[0].base_url: must not end in `/v1`: the gateway adds it",
    ),
    (
        "accounts: [{ name: a, api_key: x, headers: { Host: h } }]",
        "troupe.yaml:2:35: accounts[0].headers: `Host` is set by the gateway itself; remove it",
    ),
    (
        "accounts: [{ name: a, api_key: x, api_key_file: f }]",
        "troupe.yaml:2:35: accounts[0].api_key_file: stands beside `api_key`; keep one of the two",
    ),
    (
        "accounts: [{ name: a, api_key: x, models: { \"${X}\": y } }]",
        "troupe.yaml:2:35: accounts[0].models: variables are not expanded in keys",
    ),
    (
        "keys: [{ name: a, secret_file: absent }]",
        "troupe.yaml:2:19: keys[0].secret_file: cannot read `CWD/absent`: No such file or \
         directory (os error 2)",
    ),
    (
        "keys: [{ name: a, secret: short }]",
        "troupe.yaml:2:19: keys[0].secret: the secret is too short: at least 20 characters are needed",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa }, { name: b, secret: aaaaaaaaaaaaaaaaaaaa }]",
        "troupe.yaml:2:62: keys[1].secret: is the same secret as that of key `a`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, expires: 30d }]",
        "troupe.yaml:2:49: keys[0].expires: expected an RFC 3339 date such as 2027-01-31 or \
         2027-01-31T12:00:00Z (a duration has no beginning in a file), got `30d`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, endpoints: some }]",
        "troupe.yaml:2:49: keys[0].endpoints: expected `all` or a list of paths such as \
         [/v1/messages], got `some`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, addresses: [10.0.0.1/8] }]",
        "troupe.yaml:2:61: keys[0].addresses[0]: has bits of a host beside its network; write 10.0.0.0/8 for the network, or the address without `/`, got `10.0.0.1/8`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, addresses: [host] }]",
        "troupe.yaml:2:61: keys[0].addresses[0]: expected an address such as 192.0.2.7 or 2001:db8::7, or a network such as 10.0.0.0/8 or 2001:db8::/32, got `host`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, priority: urgent }]",
        "troupe.yaml:2:49: keys[0].priority: expected `low`, `normal` or `high`, got `urgent`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, tags: [a, a] }]",
        "troupe.yaml:2:49: keys[0].tags: entry 2 stands there twice; remove one",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, deny_models: [a b] }]",
        "troupe.yaml:2:63: keys[0].deny_models[0]: model pattern has a space or a control character; remove it, got `a b`",
    ),
    (
        "server: { trusted_proxies: [nginx] }",
        "troupe.yaml:2:29: server.trusted_proxies[0]: expected an address such as 192.0.2.7 or 2001:db8::7, or a network such as 10.0.0.0/8 or 2001:db8::/32, got `nginx`",
    ),
    // Not in this version.
    (
        "plugins: [x]",
        "troupe.yaml:2:1: plugins: `plugins` is not available in this version",
    ),
    (
        "cluster: { redis_url: redis://h }",
        "troupe.yaml:2:12: cluster.redis_url: `cluster.redis_url` is not available in this version",
    ),
    (
        "limits: { timezone: CET }",
        "troupe.yaml:2:11: limits.timezone: `limits.timezone` is not available in this version; \
         only `UTC` is accepted",
    ),
    (
        "cache: { responses: { enabled: true } }",
        "troupe.yaml:2:23: cache.responses.enabled: `cache.responses.enabled` is not available in \
         this version",
    ),
    (
        "storage: { url: \"postgres://user:pass@h\" }",
        "troupe.yaml:2:12: storage.url: the database is missing; expected \
         postgres://user:password@host:5432/database",
    ),
    (
        "storage: { url: \"postgres://user:***@h/db\" }",
        "troupe.yaml:2:12: storage.url: is a redacted secret (`***`); write the secret or `${VAR}`",
    ),
    (
        "storage: { url: mysql://user:pass@h }",
        "troupe.yaml:2:12: storage.url: expected `sled:FOLDER`, \
         `postgres://USER:PASSWORD@HOST/DATABASE` or `memory:`",
    ),
    (
        "server: { workers: 2 }",
        "troupe.yaml:2:11: server.workers: more than one worker needs `cluster.redis_url` and a \
         `postgres://` `storage.url`, which are not available in this version; use `server.threads`",
    ),
    // YAML.
    (
        "server: {}\nserver: {}",
        "troupe.yaml:3:1: server: is written twice in one mapping",
    ),
    (
        "---\na: 1",
        "troupe.yaml:2:1: only one document is read; remove the `---`",
    ),
    (
        "sessions: { max: ${MAX} }",
        "troupe.yaml:2:19: not valid YAML: while parsing a flow mapping, did not find expected ',' \
         or '}'; within `{ }` and `[ ]` write `\"${VAR}\"` with its quotes",
    ),
    // Interpolation.
    (
        "sessions: { max: \"${ABSENT}\" }",
        "troupe.yaml:2:13: sessions.max: variable `ABSENT` is not set; set it or write \
         `${ABSENT:-default}`",
    ),
    (
        "storage: { url: \"sled:${ABSENT\" }",
        "troupe.yaml:2:12: storage.url: `${` without its `}`; write `$${` for the two characters \
         themselves",
    ),
    (
        "storage: { url: \"sled:${not a name}\" }",
        "troupe.yaml:2:12: storage.url: only `${VAR}` and `${VAR:-default}` are understood; write \
         `$${` for the two characters themselves",
    ),
];
