//! Accounts of every kind, from the file to the record.

use ::secrecy::{ExposeSecret, SecretString};
use troupe_core::account::{AccountKind, AuthScheme, Grant, PreferredAuth, TokenFormat};
use troupe_core::routing::Strategy;

use super::super::words;
use super::*;

const EVERYTHING: &str = r#"version: 1
web_session: { enabled: true, acknowledge_terms: true, authorize_url: "{base}/v1/oauth/{organization_uuid}/authorize" }
accounts:
  - name: all
    kind: oauth
    preferred_auth: web
    api_key_file: k
    auth: bearer
    base_url: https://API.example/base/
    oauth:
      preset: claude_platform
      grant: refresh_token
      client_id: client
      client_secret_file: cs
      redirect_uri: http://localhost:5200/callback
      scopes: [one, two]
      extra: { tenant: 7 }
      refresh_token_file: rt
    web: { base_url: "https://web.example/", cookie_file: ck, organization: 0b9c-1, preserve_chats: true }
    headers: { X-Extra: S3CR3T-h }
    models: { a: b }
    allow_models: [Claude-*, "*-local"]
    deny_models: ["*opus*"]
    group: team
    tags: [eu, fast]
    weight: 5
    priority: 2
    concurrent: 8
    schedule: mon-fri 08:00-18:00
    reserve: 90
    proxy: "socks5h://u:S3CR3T-p@127.0.0.1"
  - name: identity
    kind: oauth
    oauth:
      preset: claude_workload_identity
      grant: jwt_bearer
      assertion_file: /var/run/token
      extra: { federation_rule_id: r, organization_id: o, service_account_id: s }
      format: form
"#;

fn everything() -> Bench {
    let bench = Bench::yaml(EVERYTHING);
    for (file, text) in [
        ("k", "S3CR3T-k\n"),
        ("cs", "S3CR3T-cs"),
        ("rt", "S3CR3T-rt"),
        ("ck", "sessionKey=S3CR3T-ck; lang=en"),
    ] {
        bench.write(file, text);
    }
    bench
}

#[test]
fn every_setting_reaches_the_record() {
    let loaded = everything().load();
    let names = ["troupe.yaml", "k", "cs", "rt", "ck"];
    let watched = loaded.inputs.iter().filter_map(|file| file.file_name());
    assert!(
        names
            .iter()
            .all(|name| watched.clone().any(|file| file == *name))
    );
    let record = loaded.config.accounts[0].record();
    assert_eq!(record.kind, AccountKind::Oauth);
    assert_eq!(record.preferred_auth, PreferredAuth::Web);
    assert_eq!(record.auth, AuthScheme::Bearer);
    assert_eq!(record.base_url, "https://api.example/base");
    let oauth = record.oauth.expect("oauth");
    assert_eq!(oauth.grant, Grant::RefreshToken);
    assert_eq!(oauth.token_url, "https://auth.claude.com/v1/oauth/token");
    assert_eq!(oauth.format, TokenFormat::Form);
    assert_eq!(
        (oauth.scopes.len(), oauth.extra["tenant"].as_str()),
        (2, "7")
    );
    let web = record.web.expect("web");
    assert_eq!(web.base_url, "https://web.example");
    assert_eq!(web.organization.as_deref(), Some("0b9c-1"));
    assert!(web.preserve_chats);
    assert_eq!(
        (record.weight, record.priority, record.concurrent),
        (5, 2, Some(8))
    );
    assert_eq!(record.reserve_percent, Some(90));
    assert_eq!(record.group.as_deref(), Some("team"));
    assert_eq!(record.tags, ["eu", "fast"]);
    assert!(record.rules.permits("claude-haiku-4-5") && !record.rules.permits("claude-opus-5"));
    assert!(!record.rules.permits("gpt"));
    let schedule = record.schedule.map(|schedule| schedule.to_string());
    assert_eq!(schedule.as_deref(), Some("mon-fri 08:00-18:00"));

    let identity = loaded.config.accounts[1].record().oauth.expect("oauth");
    assert_eq!(
        (identity.grant, identity.format),
        (Grant::JwtBearer, TokenFormat::Form)
    );
    assert_eq!(
        identity.token_url,
        "https://api.anthropic.com/v1/oauth/token"
    );
    assert_eq!(identity.authorize_url, None);
}

#[test]
fn every_secret_reaches_the_secrets_and_nothing_else() {
    let loaded = everything().load();
    let account = &loaded.config.accounts[0];
    let secrets = account.secrets();
    let said = |secret: &Option<SecretString>| {
        secret
            .as_ref()
            .map(|secret| secret.expose_secret().to_owned())
    };
    let said = [
        said(&secrets.api_key),
        said(&secrets.client_secret),
        said(&secrets.web_cookie),
        said(&secrets.reach.proxy),
        said(&account.refresh_token()),
    ];
    let expected = [
        "S3CR3T-k",
        "S3CR3T-cs",
        "sessionKey=S3CR3T-ck; lang=en",
        "socks5h://u:S3CR3T-p@127.0.0.1",
        "S3CR3T-rt",
    ];
    assert_eq!(said.map(Option::unwrap_or_default), expected);
    let shown = show(&loaded.config);
    assert!(!shown.contains("S3CR3T"), "{shown}");
    assert!(!format!("{loaded:?}").contains("S3CR3T"));
    let mut again = Bench::yaml(&shown);
    for file in ["k", "cs", "rt", "ck"] {
        again.write(file, "x");
    }
    let told = again.errors();
    assert!(
        told.contains("accounts[0].proxy: is a redacted secret"),
        "{told}"
    );
    again.sources.redacted = Redacted::Accept;
    let loaded_again = again.load();
    let mut config = loaded_again.config;
    for (read, first) in config.accounts.iter_mut().zip(&loaded.config.accounts) {
        assert_eq!(read.record().oauth, first.record().oauth);
        read.api_key = first.api_key.clone();
        read.proxy = first.proxy.clone();
        read.headers = first.headers.clone();
        if let (Some(read), Some(first)) = (&mut read.oauth, &first.oauth) {
            read.client_secret = first.client_secret.clone();
            read.refresh_token = first.refresh_token.clone();
        }
        if let (Some(read), Some(first)) = (&mut read.web, &first.web) {
            read.cookie = first.cookie.clone();
        }
    }
    assert_eq!(config, loaded.config);
}

#[test]
fn certificates_are_read_with_the_file_and_their_change_is_a_change() {
    let bench = Bench::yaml("version: 1\naccounts: [{ name: a, api_key: x, ca_file: ca.pem }]\n");
    bench.write("ca.pem", AUTHORITY);
    let loaded = bench.load();
    assert_eq!(loaded.inputs.len(), 2);
    let pem = loaded.config.accounts[0].secrets().reach.ca_pem.clone();
    assert_eq!(pem, Some(AUTHORITY.as_bytes().to_vec()));
    assert_eq!(bench.load().config, loaded.config);
    bench.write("ca.pem", &format!("{AUTHORITY}{AUTHORITY}"));
    assert_ne!(bench.load().config, loaded.config);
    bench.write("ca.pem", &"x".repeat((1 << 20) + 1));
    assert!(bench.errors().ends_with("is larger than 1 MiB"));
}

const AUTHORITY: &str = include_str!("ca.pem");

#[test]
fn a_secret_file_that_has_no_end_is_refused() {
    let bench = Bench::yaml("version: 1\naccounts: [{ name: a, api_key_file: /dev/zero }]\n");
    assert!(bench.errors().contains("is larger than 64 KiB"));
}

#[test]
fn what_keys_may_use_and_what_models_cost_is_read() {
    let bench = Bench::yaml(
        r#"version: 1
routing: { strategy: priority }
models:
  prices:
    "*": { input: 1, output: 2.5 }
    claude-x-*: { input: 15, output: 75, cache_read: 1.5, cache_write_5m: 18.75, cache_write_1h: 30, as_of: 2026-08-01 }
keys:
  - { name: a, secret: aaaaaaaaaaaaaaaaaaaa, accounts: [main], account_groups: [team], account_tags: [eu], models: ["claude-*"] }
"#,
    );
    let config = bench.load().config;
    assert_eq!(config.routing.strategy, Strategy::Priority);
    let prices: Vec<_> = config
        .models
        .prices
        .values()
        .map(|price| price.prices().rates)
        .collect();
    assert_eq!(
        (prices[0].output, prices[0].cache_read),
        (2_500_000, 100_000)
    );
    assert_eq!(
        (prices[1].cache_write_5m, prices[1].cache_write_1h),
        (18_750_000, 30_000_000)
    );
    let key = &config.keys[0];
    assert_eq!(
        key.accounts.as_deref(),
        Some(["main".to_owned()].as_slice())
    );
    assert!(
        key.models
            .as_ref()
            .is_some_and(|m| m[0].matches("claude-9"))
    );
    let mut again = Bench::yaml(&show(&config));
    again.sources.redacted = Redacted::Accept;
    assert_eq!(again.load().config.models, config.models);
}

#[test]
fn every_word_of_the_schema_is_read() {
    let account = |field: &str, word: &str| {
        format!(
            "accounts: [{{ name: a, api_key: x, {field}: {word}, oauth: {{ token_url: https://h/t, grant: \
             refresh_token, refresh_token: r }}, web: {{ cookie: c }} }}]"
        )
    };
    let oauth = |grant: &str, format: &str| {
        let of_grant = match grant {
            "jwt_bearer" => "assertion_file: f",
            "refresh_token" | "authorization_code" => "refresh_token: r",
            _ => "client_id: c, client_secret: s",
        };
        format!(
            "accounts: [{{ name: a, kind: oauth, oauth: {{ token_url: https://h/t, grant: {grant}, \
             format: {format}, {of_grant} }} }}]"
        )
    };
    let mut texts = Vec::new();
    texts.extend(
        words::STRATEGIES
            .iter()
            .map(|w| format!("routing: {{ strategy: {w} }}")),
    );
    texts.extend(words::KINDS.iter().map(|w| account("kind", w)));
    texts.extend(
        words::PREFERRED
            .iter()
            .map(|w| account("preferred_auth", w)),
    );
    texts.extend(words::AUTHS.iter().map(|w| account("auth", w)));
    texts.extend(words::GRANTS.iter().map(|w| oauth(w, "json")));
    texts.extend(words::FORMATS.iter().map(|w| oauth("jwt_bearer", w)));
    for text in texts {
        let consent = "web_session: { enabled: true, acknowledge_terms: true }";
        Bench::yaml(&format!("version: 1\n{consent}\n{text}\n")).load();
    }
}

#[test]
fn what_may_harm_is_told() {
    assert!(warnings(&Config::default()).is_empty());
    let told = warnings(&everything().load().config).join("\n");
    assert!(
        told.contains("terms") && told.contains("your decision"),
        "{told}"
    );
    let bench = Bench::yaml(
        "version: 1\naccounts: [{ name: a, api_key: x, base_url: \"http://10.1.1.1\" }, { name: b, \
         api_key: x, base_url: \"http://127.0.0.1:1\" }]\n",
    );
    let told = warnings(&bench.load().config);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("`base_url` of account a is plain http"),
        "{told:?}"
    );
}
