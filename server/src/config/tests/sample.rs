//! The sample of the contract, defaults, the schema, and what is shown.

use super::*;

/// The contract's sample.
const SAMPLE: &str = r#"version: 1
server:   { bind: "127.0.0.1:5200", workers: 1, threads: auto, body_limit: 32MiB, bodies_in_memory: 512MiB, drain: { delay: 5s, idle: 30s, max: 15m }, trusted_proxies: [], cors: [] }
storage:  { url: "sled:./data" }                # or postgres://… (a cluster needs it) or memory:
cluster:  { redis_url: null, node_id: null, on_redis_down: local_share }     # local_share | open | closed
secrets:  { key_file: ./data/master.key }      # or TROUPE_SECRETS__KEY
accounts:
  - name: main
    kind: api_key
    api_key: ${ANTHROPIC_API_KEY}
    base_url: https://api.anthropic.com
    auth: x-api-key                            # or bearer
keys:
  - name: ci
    secret: ${CI_KEY}
    owner: build@example.org
    group: platform
    endpoints: all
    resources: all
    limits: { requests_per_minute: 100, tokens_per_hour: 5000000, usd_per_month: 100, concurrent: 32 }
models:   {}                                   # aliases, prices
routing:  { strategy: least_utilized, affinity: { enabled: true, ttl: 1h, max_entries: 100000 }, max_attempts: 3, max_elapsed: 60s }
limits:   { enabled: true, defaults: {}, timezone: UTC, concurrency_queue: 30s, error_shape: messages }   # or roadmap
sessions: { idle_timeout: 15m, max: 100000 }
cache:    { responses: { enabled: false, ttl: 5m, max_bytes: 256MiB }, prompt: { mode: off } }
streaming: { keepalive: 15s, idle_timeout: 300s, first_event_timeout: 120s, response_timeout: 600s }
audit:    { dir: ./data/audit, retention: 400d }
request_log: { enabled: true, bodies: off, retention: 30d }                    # bodies: off | errors | sampled | all
usage:    { retention: 400d }
admin:    { enabled: true, bind: null, allow_from: [], session_ttl: 12h, cors: [] }
transforms: []
plugins:  []
webhooks: []
telemetry: { log: { format: auto, level: info }, metrics: { enabled: true, bind: null }, otlp: { endpoint: null, sample: 0.01 } }
web_session: { enabled: false, acknowledge_terms: false, pause: 10m, authorize_url: null }
passthrough: { enabled: false, base_url: https://api.anthropic.com }
"#;

fn sample(text: &str) -> Bench {
    Bench::yaml(text)
        .env("ANTHROPIC_API_KEY", "sk-ant-sample-0001")
        .env("CI_KEY", "ci-key-of-twenty-characters")
}

#[test]
fn the_sample_parses_and_says_nothing_but_the_defaults() {
    let loaded = sample(SAMPLE).load();
    assert_eq!(loaded.notes, [""; 0]);
    let config = loaded.config;
    let account = &config.accounts[0];
    assert_eq!(account.name, "main");
    assert_eq!(
        account.api_key.as_ref().map(Secret::expose),
        Some("sk-ant-sample-0001")
    );
    let key = &config.keys[0];
    assert_eq!(
        key.secret.as_ref().map(Secret::expose),
        Some("ci-key-of-twenty-characters")
    );
    assert_eq!(key.endpoints, Endpoints::All);
    assert_eq!(key.resources, Resources::All);
    assert_eq!(
        key.limits.lines(),
        [
            "concurrent=32",
            "requests_per_minute=100",
            "tokens_per_hour=5000000",
            "usd_per_month=100"
        ]
    );
    // The place that it has without being named, in the data folder.
    let dir = config.audit.dir.as_deref();
    assert_eq!(dir, Some(std::path::Path::new("./data/audit")));
    let rest = Config {
        accounts: Vec::new(),
        keys: Vec::new(),
        audit: crate::config::audit::Audit::default(),
        ..config
    };
    assert_eq!(rest, Config::default());
}

#[test]
fn nothing_at_all_is_the_defaults_too() {
    let bench = Bench::new();
    let loaded = bench.load();
    // A machine may have a file of its own in /etc.
    if loaded.file.is_none() {
        assert_eq!(loaded.config, Config::default());
        assert!(loaded.inputs.is_empty());
    }
}

#[test]
fn the_search_goes_flag_variable_folder() {
    let bench = Bench::yaml("version: 1\nsessions: { max: 1 }\n");
    bench.write("variable.yaml", "version: 1\nsessions: { max: 2 }\n");
    bench.write("flag.yaml", "version: 1\nsessions: { max: 3 }\n");
    let loaded = bench.load();
    assert_eq!(loaded.config.sessions.max, 1);
    assert_eq!(loaded.file, Some(bench.folder.path().join("troupe.yaml")));
    let mut bench = bench.env("TROUPE_CONFIG", "variable.yaml");
    assert_eq!(bench.load().config.sessions.max, 2);
    bench.sources.file = Some("flag.yaml".into());
    assert_eq!(bench.load().config.sessions.max, 3);
    bench.sources.file = Some("absent.yaml".into());
    assert_eq!(bench.errors(), "--config: no such file: `absent.yaml`");
    let bench = Bench::new().env("TROUPE_CONFIG", "gone.yaml");
    assert_eq!(bench.errors(), "TROUPE_CONFIG: no such file: `gone.yaml`");
}

#[test]
fn every_kind_of_value_is_read() {
    let bench = Bench::yaml(
        r#"version: 1
server: { threads: 4, body_limit: 64 KiB, drain: { delay: 1m30s, idle: 500ms, max: 2d } }
storage: { url: "memory:" }
models: { aliases: { fast: claude-3.5-haiku } }
accounts:
  - &base
    name: one
    api_key: 12345678
    auth: bearer
    headers: { X-Extra: "a b" }
    models: { claude-3.5: local-model }
    concurrent: 8
    base_url: http://127.0.0.1:8080/proxy
  - <<: *base
    name: two
keys:
  - { name: a, secret: aaaaaaaaaaaaaaaaaaaa, expires: 2027-01-31, endpoints: [/v1/messages] }
  - { name: b, secret: bbbbbbbbbbbbbbbbbbbb, expires: "2027-01-31T12:00:00+02:00" }
"#,
    );
    let config = bench.load().config;
    assert_eq!(config.server.body_limit.bytes(), 65536);
    assert_eq!(config.server.drain.delay.get().as_secs(), 90);
    assert_eq!(config.server.drain.idle.get().as_millis(), 500);
    assert_eq!(config.server.drain.max.get().as_secs(), 172_800);
    assert_eq!(config.storage.url, storage::StorageUrl::Memory);
    assert_eq!(config.accounts[1].name, "two");
    assert_eq!(
        config.accounts[1].api_key.as_ref().map(Secret::expose),
        Some("12345678")
    );
    assert_eq!(config.accounts[1].models["claude-3.5"], "local-model");
    let expires = |at: usize| config.keys[at].expires.map(|t| t.to_string());
    assert_eq!(expires(0).as_deref(), Some("2027-01-31T00:00:00Z"));
    assert_eq!(expires(1).as_deref(), Some("2027-01-31T10:00:00Z"));
    assert_eq!(
        config.keys[0].endpoints,
        Endpoints::Paths(vec!["/v1/messages".to_owned()])
    );
}

#[test]
fn sections_that_are_commented_out_are_defaults() {
    let bench =
        Bench::yaml("version: 1\nserver:\n  # bind: x\naccounts:\nkeys:\ncluster:\nplugins:\n");
    assert_eq!(bench.load().config, Config::default());
}

#[test]
fn keys_that_only_tune_a_later_feature_have_no_effect() {
    let bench = Bench::yaml(
        "version: 1\nadmin: { session_ttl: 1h }\n\
         cluster: { node_id: a, on_redis_down: closed }\n",
    );
    assert_eq!(bench.load().config, Config::default());
}

#[test]
fn what_is_shown_loads_again_and_is_the_same() {
    let config = sample(SAMPLE).load().config;
    let shown = show(&config);
    assert!(!shown.contains("sample-0001") && !shown.contains("twenty"));
    let mut again = Bench::yaml(&shown);
    insta::assert_snapshot!(again.errors(), @r"
    troupe.yaml:24:3: accounts[0].api_key: is a redacted secret (`***`); write the secret or `${VAR}`
    troupe.yaml:31:3: keys[0].secret: is a redacted secret (`***`); write the secret or `${VAR}`
    ");
    again.sources.redacted = Redacted::Accept;
    let mut loaded = again.load();
    assert_eq!(loaded.notes.len(), 2);
    loaded.config.accounts[0].api_key = config.accounts[0].api_key.clone();
    loaded.config.keys[0].secret = config.keys[0].secret.clone();
    assert_eq!(loaded.config, config);
}

#[test]
fn the_checked_in_schema_is_the_one_generated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.schema.json");
    let mut text = serde_json::to_string_pretty(&schema()).expect("JSON");
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).expect("a written schema");
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == text,
        "docs/config.schema.json is not up to date; run the test with UPDATE_SCHEMA=1"
    );
}

#[test]
fn the_schema_knows_every_name_of_the_sample() {
    let schema = schema();
    for path in [
        "/properties/version/const",
        "/properties/server/properties/trusted_proxies/items",
        "/properties/cache/properties/responses/properties/enabled/enum",
        "/properties/telemetry/properties/otlp/properties/sample",
        "/properties/accounts/items/properties/api_key_file",
        "/properties/keys/items/properties/limits/properties/usd_per_month/$ref",
        "/$defs/UsdLimit/anyOf",
        "/properties/plugins/enum",
        "/properties/routing/properties/strategy/enum",
        "/properties/accounts/items/properties/oauth/properties/token_url",
        "/properties/accounts/items/properties/web/properties/cookie_file",
        "/properties/models/properties/prices/additionalProperties/properties/cache_write_1h",
        "/properties/web_session/properties/pause",
    ] {
        assert!(schema.pointer(path).is_some(), "{path}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["server"]["additionalProperties"],
        false
    );
}

#[test]
fn the_documented_examples_load_as_one_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
    let page = std::fs::read_to_string(path).expect("docs/CONFIGURATION.md");
    let examples = page.split("```yaml\n").skip(1);
    let examples = examples.filter_map(|rest| rest.split("```").next());
    let text = format!("version: 1\n{}", examples.collect::<String>());
    let bench = Bench::yaml(&text)
        .env("ANTHROPIC_API_KEY", "a")
        .env("LOCAL_KEY", "b")
        .env("OAUTH_CLIENT", "c")
        .env("OAUTH_REFRESH", "d")
        .env("PROXY_OF_FULL", "socks5h://u:p@127.0.0.1:1080")
        .env("CI_KEY", "ci-key-of-twenty-characters");
    bench.write("client.secret", "e");
    bench.write("session.cookie", "f");
    bench.write("company-ca.pem", include_str!("ca.pem"));
    let config = bench.load().config;
    assert_eq!(config.accounts.len(), 5);
    assert_eq!(config.models.prices.len(), 2);
    assert_eq!(config.keys.len(), 1);
    assert!(!config.limits.policy().defaults.is_empty());
}

#[test]
fn each_documented_example_of_limits_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/LIMITS.md");
    let page = std::fs::read_to_string(path).expect("docs/LIMITS.md");
    let examples = page.split("```yaml\n").skip(1);
    let examples: Vec<_> = examples
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() > 1);
    for example in examples {
        Bench::yaml(&format!("version: 1\n{example}"))
            .env("NIGHTLY_KEY", "nightly-key-of-twenty")
            .load();
    }
}
