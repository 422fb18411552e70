//! Each fault of routing, prices, web sessions, passthrough and what keys may use, and its exact message.

/// (the file after its `version: 1` line, what is said)
pub(super) const TABLE: &[(&str, &str)] = &[
    (
        "routing: { strategy: fastest }",
        "troupe.yaml:2:12: routing.strategy: expected `least_utilized`, `round_robin`, `weighted` or \
         `priority`, got `fastest`",
    ),
    (
        "routing: { affinity: { enabled: 1 } }",
        "troupe.yaml:2:24: routing.affinity.enabled: expected true or false, got `1`",
    ),
    // Prices.
    (
        "models: { prices: { x: { input: 1 } } }",
        "troupe.yaml:2:21: models.prices.x: `output` is missing",
    ),
    (
        "models: { prices: { x: { input: -1, output: 2 } } }",
        "troupe.yaml:2:26: models.prices.x.input: expected dollars per million tokens such as 3 or \
         0.25, got `-1`",
    ),
    (
        "models: { prices: { x: { input: 1, output: 0.0000001 } } }",
        "troupe.yaml:2:36: models.prices.x.output: expected dollars per million tokens such as 3 or \
         0.25, got `0.0000001`",
    ),
    (
        "models: { prices: { x: { input: 1, output: 1, cache_reads: 1 } } }",
        "troupe.yaml:2:47: models.prices.x.cache_reads: unknown key; did you mean `cache_read`?",
    ),
    (
        "models: { prices: { x: { input: 1, output: 1, as_of: soon } } }",
        "troupe.yaml:2:47: models.prices.x.as_of: expected a date such as 2026-08-01, got `soon`",
    ),
    (
        "models: { prices: { \"a b\": { input: 1, output: 1 } } }",
        "troupe.yaml:2:11: models.prices: model pattern has a space or a control character; remove it",
    ),
    (
        "models: { prices: { \"${X}\": { input: 1, output: 1 } } }",
        "troupe.yaml:2:11: models.prices: variables are not expanded in keys",
    ),
    // Web sessions and passthrough.
    (
        "web_session: { enabled: true }",
        "troupe.yaml:2:16: web_session.enabled: needs `web_session.acknowledge_terms: true` beside \
         it; using web sessions this way may be against the provider's terms, and is the operator's decision",
    ),
    (
        "web_session: { acknowledge_terms: true, enable: true }",
        "troupe.yaml:2:41: web_session.enable: unknown key; did you mean `enabled`?",
    ),
    (
        "web_session: { pause: 0s }",
        "troupe.yaml:2:16: web_session.pause: must be longer than 0s",
    ),
    (
        "web_session: { pause: 2d }",
        "troupe.yaml:2:16: web_session.pause: must be at most 1d",
    ),
    (
        "web_session: { authorize_url: \"{base}/authorize\" }",
        "troupe.yaml:2:16: web_session.authorize_url: must hold `{organization_uuid}`, such as \
         {base}/v1/oauth/{organization_uuid}/authorize",
    ),
    (
        "web_session: { authorize_url: \"{base}/{organization_uuid}/{account}\" }",
        "troupe.yaml:2:16: web_session.authorize_url: holds braces that mean nothing; only `{base}` at \
         its beginning and `{organization_uuid}` are filled in",
    ),
    (
        "web_session: { authorize_url: \"http://h.example/{organization_uuid}\" }",
        "troupe.yaml:2:16: web_session.authorize_url: must start with https://; http:// is allowed to \
         this machine only",
    ),
    (
        "passthrough: { base_url: https://h/v1 }",
        "troupe.yaml:2:16: passthrough.base_url: must not end in `/v1`: the gateway adds it",
    ),
    // Keys.
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, accounts: [] }]",
        "troupe.yaml:2:49: keys[0].accounts: names nothing; leave it out for every account",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, account_groups: a }]",
        "troupe.yaml:2:49: keys[0].account_groups: expected a list, got `a`",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, account_tags: [x, x] }]",
        "troupe.yaml:2:49: keys[0].account_tags: entry 2 stands there twice; remove one",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, account_tag: [x] }]",
        "troupe.yaml:2:49: keys[0].account_tag: unknown key; did you mean `account_tags`?",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, models: [] }]",
        "troupe.yaml:2:49: keys[0].models: names no model; leave it out for every model",
    ),
    (
        "keys: [{ name: a, secret: aaaaaaaaaaaaaaaaaaaa, models: [claude-*, \"\"] }]",
        "troupe.yaml:2:68: keys[0].models[1]: model pattern is empty; write a model's name, `*` stands \
         for any characters, got ``",
    ),
];
