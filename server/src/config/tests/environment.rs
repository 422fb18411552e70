//! The order of sources, variables' names, and interpolation.

use super::*;

#[test]
fn the_order_is_file_short_name_long_name_flag() {
    let mut bench = Bench::yaml("version: 1\nserver: { bind: '127.0.0.1:1', body_limit: 1MiB }\n");
    let port = |bench: &Bench| bench.load().config.server.bind.port();
    assert_eq!(port(&bench), 1);
    bench = bench.env("BIND", "127.0.0.1:2");
    assert_eq!(port(&bench), 2);
    bench = bench.env("TROUPE_SERVER__BIND", "127.0.0.1:3");
    assert_eq!(port(&bench), 3);
    bench.sources.flags.bind = Some("127.0.0.1:4".to_owned());
    assert_eq!(port(&bench), 4);
    assert_eq!(bench.load().config.server.body_limit, ByteSize::mib(1));
    bench.sources.flags.workers = Some("x".to_owned());
    assert_eq!(
        bench.errors(),
        "--workers: server.workers: expected a whole number, got `x`"
    );
}

#[test]
fn nested_names_and_scalars_are_read() {
    let bench = Bench::yaml("version: 1\nserver:\n")
        .env("TROUPE_SERVER__DRAIN__MAX", "1h")
        .env("TROUPE_ROUTING__AFFINITY__MAX_ENTRIES", "7")
        .env("TROUPE_ROUTING__STRATEGY", "round_robin")
        .env("TROUPE_ROUTING__AFFINITY__ENABLED", "false")
        .env("TROUPE_WEB_SESSION__ENABLED", "true")
        .env("TROUPE_WEB_SESSION__ACKNOWLEDGE_TERMS", "true")
        .env("TROUPE_WEB_SESSION__PAUSE", "90s")
        .env("TROUPE_PASSTHROUGH__ENABLED", "true")
        .env("TROUPE_LIMITS__ENABLED", "false")
        .env("TROUPE_TELEMETRY__METRICS__BIND", "0.0.0.0:9100")
        .env("TROUPE_SECRETS__KEY", "0123 #: {not yaml}")
        .env("TROUPE_CLUSTER__REDIS_URL", "null")
        .env("DATA_DIR", "/srv/troupe/");
    let config = bench.load().config;
    assert_eq!(config.server.drain.max.get().as_secs(), 3600);
    assert_eq!(config.routing.affinity.max_entries, 7);
    assert_eq!(config.routing.strategy.as_str(), "round_robin");
    assert!(!config.routing.affinity.enabled && config.passthrough.enabled);
    assert!(config.web_session.consent().is_given());
    assert_eq!(config.web_session.pause, HumanDuration::from_secs(90));
    assert!(!config.limits.enabled);
    assert_eq!(config.telemetry.metrics.bind.map(|b| b.port()), Some(9100));
    let key = config.secrets.key.as_ref().map(Secret::expose);
    assert_eq!(key, Some("0123 #: {not yaml}"));
    assert_eq!(config.storage.url.to_string(), "sled:/srv/troupe");
    assert_eq!(config.storage.dir.to_str(), Some("/srv/troupe"));
    assert_eq!(
        config.secrets.key_file.to_str(),
        Some("/srv/troupe/master.key")
    );
}

#[test]
fn a_database_url_keeps_its_password_to_itself() {
    let bench = Bench::yaml("version: 1\n")
        .env(
            "DATABASE_URL",
            "postgres://u:hunter2@h:5433/db?sslmode=require",
        )
        .env("DATA_DIR", "/srv/troupe");
    let config = bench.load().config;
    let shown = "postgres://u:***@h:5433/db?sslmode=require";
    assert_eq!(config.storage.url.to_string(), shown);
    assert!(!format!("{config:?}{}", show(&config)).contains("hunter2"));
    assert_eq!(
        config.storage.folder(),
        Some(std::path::Path::new("/srv/troupe"))
    );
    let secret = config.storage.url.secret();
    assert!(::secrecy::ExposeSecret::expose_secret(&secret).contains("hunter2"));
}

#[test]
fn a_data_dir_is_the_store_only_where_none_of_another_kind_is_named() {
    let postgres = "postgres://h/db";
    for (file, database, long, url) in [
        ("", "", "", "sled:/srv"),
        ("url: 'sled:/file'", "", "", "sled:/srv"),
        ("url: null", "", "", "sled:/srv"),
        ("dir: /file", "", "", "sled:/srv"),
        ("url: 'postgres://h/db'", "", "", postgres),
        ("url: 'memory:'", "", "", "memory:"),
        ("url: 'memory:'", postgres, "", postgres),
        ("", postgres, "", postgres),
        ("url: 'sled:/file'", postgres, "", postgres),
        ("url: 'postgres://h/db'", "", "sled:/long", "sled:/long"),
        ("", postgres, "memory:", "memory:"),
    ] {
        let mut bench = Bench::yaml(&format!("version: 1\nstorage: {{ {file} }}\n"));
        for (name, value) in [
            ("DATA_DIR", "/srv/"),
            ("DATABASE_URL", database),
            ("TROUPE_STORAGE__URL", long),
        ] {
            if !value.is_empty() {
                bench = bench.env(name, value);
            }
        }
        let config = bench.load().config;
        let case = format!("{file} {database} {long}");
        assert_eq!(config.storage.url.to_string(), url, "{case}");
        assert_eq!(config.storage.dir.to_str(), Some("/srv"), "{case}");
        let key_file = config.secrets.key_file.to_str();
        assert_eq!(key_file, Some("/srv/master.key"), "{case}");
    }
}

#[test]
fn limits_have_short_names_and_long_ones() {
    let bench =
        Bench::yaml("version: 1\nlimits: { defaults: { usd_per_day: 3, concurrent: 4 } }\n")
            .env("RATE_LIMIT_ENABLED", "true")
            .env("RATE_LIMIT_REQUESTS_PER_MINUTE", "100")
            .env("RATE_LIMIT_TOKENS_PER_HOUR", "5_000_000")
            .env("TROUPE_LIMITS__DEFAULTS__TOKENS_PER_HOUR", "7")
            .env("TROUPE_LIMITS__DEFAULTS__USD_PER_DAY", "12.50")
            .env("TROUPE_LIMITS__DEFAULTS__CONCURRENT", "null")
            .env("TROUPE_LIMITS__GATEWAY__USD_PER_MONTH", "1000")
            .env("TROUPE_LIMITS__NEW_KEYS__CONCURRENT", "2")
            .env("TROUPE_LIMITS__SPEND_MESSAGE", "ask the platform team");
    let limits = bench.load().config.limits;
    assert_eq!(
        limits.defaults.lines(),
        [
            "concurrent=none",
            "requests_per_minute=100",
            "tokens_per_hour=7",
            "usd_per_day=12.50"
        ]
    );
    assert_eq!(limits.gateway.lines(), ["usd_per_month=1000"]);
    assert_eq!(limits.new_keys.lines(), ["concurrent=2"]);
    assert_eq!(
        limits.spend_message.as_deref(),
        Some("ask the platform team")
    );
    let off = bench.env("TROUPE_LIMITS__ENABLED", "false").load();
    assert!(!off.config.limits.policy().enabled);
}

#[test]
fn each_variable_that_cannot_be_used_is_named() {
    let table = [
        (
            "TROUPE_SERVER__BNID",
            "x",
            "TROUPE_SERVER__BNID: is not a setting; did you mean `TROUPE_SERVER__BIND`?",
        ),
        (
            "TROUPE_SERVER_BIND",
            "x",
            "TROUPE_SERVER_BIND: is not a setting; did you mean `TROUPE_SERVER__BIND`?",
        ),
        ("TROUPE_A__B", "x", "TROUPE_A__B: is not a setting"),
        (
            "TROUPE_ACCOUNTS",
            "[]",
            "TROUPE_ACCOUNTS: accounts: a list can only be set in troupe.yaml",
        ),
        (
            "TROUPE_SERVER__CORS",
            "[]",
            "TROUPE_SERVER__CORS: server.cors: a list can only be set in troupe.yaml",
        ),
        (
            "TROUPE_MODELS__ALIASES",
            "{}",
            "TROUPE_MODELS__ALIASES: models.aliases: a mapping of names can only be set in \
             troupe.yaml",
        ),
        (
            "TROUPE_SERVER__DRAIN",
            "5s",
            "TROUPE_SERVER__DRAIN: server.drain: is a section; set one of its keys, \
             `TROUPE_SERVER__DRAIN__…`",
        ),
        (
            "TROUPE_SECRETS__KEY",
            "",
            "TROUPE_SECRETS__KEY: secrets.key: is set but empty; unset it or give it a value",
        ),
        (
            "TROUPE_CACHE__RESPONSES__ENABLED",
            "true",
            "TROUPE_CACHE__RESPONSES__ENABLED: cache.responses.enabled: `cache.responses.enabled` \
             is not available in this version",
        ),
        (
            "TROUPE_SERVER__BIND",
            "here",
            "TROUPE_SERVER__BIND: server.bind: expected an address and port such as \
             127.0.0.1:5200, got `here`",
        ),
        (
            "WORKERS",
            "4",
            "WORKERS: server.workers: more than one worker needs `cluster.redis_url` and a \
             `postgres://` `storage.url`, which are not available in this version; use \
             `server.threads`",
        ),
        (
            "REDIS_URL",
            "redis://:secret@h",
            "REDIS_URL: cluster.redis_url: `cluster.redis_url` is not available in this version",
        ),
        (
            "DATABASE_URL",
            "postgres://u:secret@h/db?x=secret",
            "DATABASE_URL: storage.url: it has a parameter that is not known; known are sslmode, \
             sslrootcert, sslcert, sslkey, host, hostaddr, port, user, options and application_name",
        ),
        (
            "RATE_LIMIT_REQUESTS_PER_MINUTE",
            "many",
            "RATE_LIMIT_REQUESTS_PER_MINUTE: limits.defaults.requests_per_minute: expected a whole number \
             from 1 to 9007199254740992, got `many`",
        ),
        (
            "RATE_LIMIT_ENABLED",
            "yes",
            "RATE_LIMIT_ENABLED: limits.enabled: expected true or false, got `yes`",
        ),
        (
            "TROUPE_LIMITS__DEFAULTS__TOKENS_PER_OUR",
            "5",
            "TROUPE_LIMITS__DEFAULTS__TOKENS_PER_OUR: is not a setting; did you mean \
             `TROUPE_LIMITS__DEFAULTS__TOKENS_PER_HOUR`?",
        ),
        (
            "TROUPE_LIMITS__GROUPS",
            "{}",
            "TROUPE_LIMITS__GROUPS: limits.groups: a mapping of names can only be set in troupe.yaml",
        ),
        (
            "TROUPE_LIMITS__GATEWAY__MODELS",
            "{}",
            "TROUPE_LIMITS__GATEWAY__MODELS: limits.gateway.models: a mapping of names can only be set in \
             troupe.yaml",
        ),
        (
            "PORT",
            "8080",
            "PORT: is not read by troupe; use `BIND` (or `server.bind`), for example 0.0.0.0:5200",
        ),
        (
            "COOKIES",
            "x",
            "COOKIES: is not read by troupe; declare them as `accounts` of kind `web_session` in \
             troupe.yaml, or use `troupe import clove`",
        ),
        (
            "PROXY_URL",
            "socks5://u:secret@h",
            "PROXY_URL: is not read by troupe; give each of `accounts` its `proxy` in troupe.yaml",
        ),
        (
            "TROUPE_ROUTING__STRATEGY",
            "fastest",
            "TROUPE_ROUTING__STRATEGY: routing.strategy: expected `least_utilized`, `round_robin`, \
             `weighted` or `priority`, got `fastest`",
        ),
        (
            "TROUPE_WEB_SESSION__ENABLED",
            "true",
            "TROUPE_WEB_SESSION__ENABLED: web_session.enabled: needs \
             `web_session.acknowledge_terms: true` beside it; using web sessions this way may be \
             against the provider's terms, and is the operator's decision",
        ),
        (
            "TROUPE_MODELS__PRICES",
            "{}",
            "TROUPE_MODELS__PRICES: models.prices: a mapping of names can only be set in troupe.yaml",
        ),
    ];
    for (name, value, expected) in table {
        let bench = Bench::yaml("version: 1\n").env(name, value);
        assert_eq!(bench.errors(), expected);
    }
}

#[test]
fn some_variables_are_only_noted_and_others_are_nobodys() {
    let bench = Bench::yaml("version: 1\n")
        .env("ADMIN_PASSWORD", "hunter2")
        .env("WORKER_CLASS", "uvicorn")
        .env("TROUPE_COLOUR", "red")
        .env("TROUPE_PORT_5200_TCP", "tcp://10.0.0.1:5200")
        .env("TROUPE_SERVICE_HOST", "10.0.0.1")
        .env("HOST", "")
        .env("HOSTNAME", "box");
    insta::assert_snapshot!(bench.load().notes.join("\n"), @r"
    ADMIN_PASSWORD is accepted, but this version has no admin sign-in that would use it
    WORKER_CLASS has no meaning here and is ignored; see `server.threads`
    TROUPE_COLOUR is not a setting and is ignored
    ");
}

#[test]
fn the_first_account_comes_from_the_environment_only_when_none_is_configured() {
    let bench = Bench::yaml("version: 1\n").env("ANTHROPIC_API_KEY", "sk-ant-1");
    let account = bench.load().env_account.expect("an account");
    assert_eq!(account.name, "main");
    assert_eq!(account.base_url, accounts::DEFAULT_BASE_URL);
    assert!(bench.load().config.accounts.is_empty());
    bench.write(
        "troupe.yaml",
        "version: 1\naccounts: [{ name: a, api_key: b }]\n",
    );
    assert!(bench.load().env_account.is_none());
    let bench = Bench::yaml("version: 1\n").env("ANTHROPIC_API_KEY", "");
    assert!(bench.load().env_account.is_none());
}

#[test]
fn variables_expand_in_plain_and_quoted_values_but_nowhere_else() {
    let bench = Bench::yaml(
        r#"version: 1
# ${IN_A_COMMENT}
sessions:
  max: ${MAX:-12} # ${NOT_HERE}
accounts:
  - name: "${NAME}"
    api_key: 'pre-${KEY}-post'
    base_url: http://${HOST_NAME:-localhost}:${PORT_NUMBER}/
    models: { $NOT_A_VARIABLE: "$${LITERAL} $NAME $$" }
keys:
  - name: k
    secret: >-
      ${KEY}aaaaaaaaaaaaaaaaaaaa
    owner: ${OWNER:-}
    group: "${TRICK}"
"#,
    )
    .env("NAME", "a")
    .env("KEY", "x'\"#:y")
    .env("PORT_NUMBER", "81")
    .env("TRICK", "${KEY}");
    let config = bench.load().config;
    assert_eq!(config.sessions.max, 12);
    let account = &config.accounts[0];
    assert_eq!(account.name, "a");
    assert_eq!(
        account.api_key.as_ref().map(Secret::expose),
        Some("pre-x'\"#:y-post")
    );
    assert_eq!(account.base_url, "http://localhost:81/");
    assert_eq!(account.models["$NOT_A_VARIABLE"], "${LITERAL} $NAME $$");
    assert_eq!(config.keys[0].owner, None);
    assert_eq!(config.keys[0].group.as_deref(), Some("${KEY}"));
    let bench_again = Bench::yaml(&show(&config).replace("***", "aaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_eq!(bench_again.load().config.accounts[0].models, account.models);
}

#[test]
fn a_secret_whose_variable_is_empty_or_absent_names_it() {
    let text = "version: 1\naccounts: [{ name: a, api_key: \"${ACCOUNT_KEY}\" }]\n";
    assert_eq!(
        Bench::yaml(text).env("ACCOUNT_KEY", "").errors(),
        "troupe.yaml:2:23: accounts[0].api_key: variable `ACCOUNT_KEY` is set but empty"
    );
    assert_eq!(
        Bench::yaml("version: 1\naccounts:\n- name: a\n  api_key: ${ACCOUNT_KEY}\n")
            .env("ACCOUNT_KEY", "")
            .errors(),
        "troupe.yaml:4:3: accounts[0].api_key: variable `ACCOUNT_KEY` is set but empty"
    );
    assert_eq!(
        Bench::yaml(text).errors(),
        "troupe.yaml:2:23: accounts[0].api_key: variable `ACCOUNT_KEY` is not set; set it or write \
         `${ACCOUNT_KEY:-default}`"
    );
}
