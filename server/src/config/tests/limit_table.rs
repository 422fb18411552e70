//! Each fault of limits, and its exact message.

/// (the file after its `version: 1` line, what is said)
pub(super) const TABLE: &[(&str, &str)] = &[
    // Names.
    (
        "limits: { defaults: { request_per_minute: 5 } }",
        "troupe.yaml:2:23: limits.defaults.request_per_minute: unknown key; did you mean \
         `requests_per_minute`?",
    ),
    (
        "limits: { gateway: { requests_per_second: 5 } }",
        "troupe.yaml:2:22: limits.gateway.requests_per_second: unknown key; did you mean \
         `requests_per_hour`?",
    ),
    (
        "limits: { defaults: { colour: 5 } }",
        "troupe.yaml:2:23: limits.defaults.colour: unknown key",
    ),
    (
        "limits: { new_keys: { models: { \"claude-*\": { tokens_per_dya: 5 } } } }",
        "troupe.yaml:2:47: limits.new_keys.models.claude-*.tokens_per_dya: unknown key; did you mean \
         `tokens_per_day`?",
    ),
    (
        "limits: { groups: { a: { limit: {} } } }",
        "troupe.yaml:2:26: limits.groups.a.limit: unknown key; did you mean `limits`?",
    ),
    // Numbers.
    (
        "limits: { defaults: { requests_per_minute: 0 } }",
        "troupe.yaml:2:23: limits.defaults.requests_per_minute: expected a whole number from 1 to \
         9007199254740992, got `0`",
    ),
    (
        "limits: { defaults: { tokens_per_hour: -5 } }",
        "troupe.yaml:2:23: limits.defaults.tokens_per_hour: expected a whole number from 1 to \
         9007199254740992, got `-5`",
    ),
    (
        "limits: { defaults: { tokens_per_hour: 5M } }",
        "troupe.yaml:2:23: limits.defaults.tokens_per_hour: expected a whole number from 1 to \
         9007199254740992, got `5M`",
    ),
    (
        "limits: { defaults: { tokens_per_hour: 9007199254740993 } }",
        "troupe.yaml:2:23: limits.defaults.tokens_per_hour: expected a whole number from 1 to \
         9007199254740992, got `9007199254740993`",
    ),
    (
        "limits: { defaults: { concurrent: 4294967295 } }",
        "troupe.yaml:2:23: limits.defaults.concurrent: expected a whole number from 1 to 4294967294, got \
         `4294967295`",
    ),
    (
        "limits: { defaults: { usd_per_day: 0 } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: expected dollars from 0.000001 to 1000000000, such \
         as 100 or 12.50, got `0`",
    ),
    (
        "limits: { defaults: { usd_per_day: 0.0000001 } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: expected dollars from 0.000001 to 1000000000, such \
         as 100 or 12.50, got `0.0000001`",
    ),
    (
        "limits: { defaults: { usd_per_day: 1000000001 } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: expected dollars from 0.000001 to 1000000000, such \
         as 100 or 12.50, got `1000000001`",
    ),
    (
        "limits: { defaults: { usd_per_day: [5] } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: expected a value or a mapping of keys, got a list",
    ),
    (
        "limits: { defaults: 5 }",
        "troupe.yaml:2:11: limits.defaults: expected a mapping of keys, got `5`",
    ),
    // What happens when it is reached.
    (
        "limits: { defaults: { usd_per_day: { on_limit: queue } } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: `limit` is missing",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: none } } }",
        "troupe.yaml:2:38: limits.defaults.usd_per_day.limit: expected dollars from 0.000001 to \
         1000000000, such as 100 or 12.50, got `none`",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, on_limit: refuse } } }",
        "troupe.yaml:2:48: limits.defaults.usd_per_day.on_limit: expected `reject`, `queue`, `downgrade` or \
         `shadow`, got `refuse`",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, on_limit: downgrade } } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: `on_limit: downgrade` needs `model`, the name of a \
         cheaper one",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, model: claude-haiku-4-5 } } }",
        "troupe.yaml:2:23: limits.defaults.usd_per_day: `model` belongs to `on_limit: downgrade`",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, on_limit: downgrade, model: claude-* } } }",
        "troupe.yaml:2:69: limits.defaults.usd_per_day.model: expected the name of one model such as \
         claude-haiku-4-5, got `claude-*`",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, cap: hard } } }",
        "troupe.yaml:2:48: limits.defaults.usd_per_day.cap: expected `strict` or `soft`, got `hard`",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, grants: {} } } }",
        "troupe.yaml:2:48: limits.defaults.usd_per_day.grants: unknown key; did you mean `grant`?",
    ),
    (
        "limits: { defaults: { concurrent: { limit: 5, on_limit: queue } } }",
        "troupe.yaml:2:23: limits.defaults.concurrent: `concurrent` has no `cap`, and `on_limit` is `reject` \
         or `shadow`: who finds it taken waits `limits.concurrency_queue` in any case",
    ),
    (
        "limits: { defaults: { concurrent: { limit: 5, cap: soft } } }",
        "troupe.yaml:2:23: limits.defaults.concurrent: `concurrent` has no `cap`, and `on_limit` is `reject` \
         or `shadow`: who finds it taken waits `limits.concurrency_queue` in any case",
    ),
    // Grants.
    (
        "limits: { defaults: { usd_per_day: { limit: 5, grant: { extra: 5 } } } }",
        "troupe.yaml:2:48: limits.defaults.usd_per_day.grant: `until` is missing",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, grant: { until: 2026-12-24 } } } }",
        "troupe.yaml:2:48: limits.defaults.usd_per_day.grant: `extra` is missing",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, grant: { extra: 5, until: 30d } } } }",
        "troupe.yaml:2:67: limits.defaults.usd_per_day.grant.until: expected a date such as 2026-12-24 or a \
         time such as 2026-12-24T18:00:00Z, got `30d`",
    ),
    (
        "limits: { defaults: { tokens_per_day: { limit: 5, grant: { extra: 1.5, until: 2026-12-24 } } } }",
        "troupe.yaml:2:60: limits.defaults.tokens_per_day.grant.extra: expected a whole number from 1 to \
         9007199254740992, got `1.5`",
    ),
    (
        "limits: { defaults: { usd_per_day: { limit: 5, grant: 5 } } }",
        "troupe.yaml:2:48: limits.defaults.usd_per_day.grant: expected a mapping of keys, got `5`",
    ),
    // Models.
    (
        "limits: { gateway: { models: { \"a b\": { usd_per_day: 5 } } } }",
        "troupe.yaml:2:22: limits.gateway.models: model pattern has a space or a control character; remove it",
    ),
    (
        "limits: { gateway: { models: { \"${X}\": { usd_per_day: 5 } } } }",
        "troupe.yaml:2:22: limits.gateway.models: variables are not expanded in keys",
    ),
    (
        "limits: { gateway: { models: { A: { usd_per_day: 5 }, a: { usd_per_week: 5 } } } }",
        "troupe.yaml:2:22: limits.gateway.models: names the same models twice (upper and lower case are the \
         same); keep one",
    ),
    (
        "limits: { gateway: { models: { a: { usd_per_day: null } } } }",
        "troupe.yaml:2:37: limits.gateway.models.a.usd_per_day: expected dollars from 0.000001 to \
         1000000000, such as 100 or 12.50, got nothing",
    ),
    (
        "limits: { gateway: { models: { a: { models: {} } } } }",
        "troupe.yaml:2:37: limits.gateway.models.a.models: unknown key",
    ),
    // Groups and the rest.
    (
        "limits: { groups: { a: { multiplier: 1.2345678 } } }",
        "troupe.yaml:2:26: limits.groups.a.multiplier: expected a factor of at most 1000 such as 1.25 or \
         0.5, got `1.2345678`",
    ),
    (
        "limits: { groups: { \" a\": {} } }",
        "troupe.yaml:2:11: limits.groups: a group's name must be 1 to 256 bytes without control characters, \
         and no space at either end",
    ),
    (
        "limits: { groups: { \"${G}\": {} } }",
        "troupe.yaml:2:11: limits.groups: variables are not expanded in keys",
    ),
    (
        "limits: { spend_message: \"\" }",
        "troupe.yaml:2:11: limits.spend_message: must be 1 to 200 characters in one line, without control \
         characters and without a space at either end",
    ),
    // Accounts.
    (
        "accounts: [{ name: a, api_key: x, limits: { concurrent: 5 } }]",
        "troupe.yaml:2:35: accounts[0].limits: has `concurrent`, which is a setting of the account itself; \
         write it beside `limits`",
    ),
    (
        "accounts: [{ name: a, api_key: x, limits: { usd_per_day: { limit: 5, on_limit: queue } } }]",
        "troupe.yaml:2:35: accounts[0].limits: has `on_limit: queue` for `usd_per_day`, which means nothing \
         here: at an account's limit the next account is used; write it at the key, its group or the gateway",
    ),
];
