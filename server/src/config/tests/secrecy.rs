//! Secrets stay inside.

use super::*;

const MARK: &str = "S3CR3T";

#[test]
fn no_fault_and_no_form_of_a_configuration_holds_a_secret() {
    let bench = Bench::yaml(
        r#"version: 1
secrets: { key: "S3CR3T-master" }
storage: { url: "mysql://u:${PASSWORD}@h/" }
accounts:
  - { name: a, api_key: [S3CR3T] }
  - { name: b, api_key: "S3CR3T with spaces" }
  - { name: c, api_key: { S3CR3T: 1 }, base_url: "https://u:S3CR3T@h" }
  - { name: d, api_key: x, headers: { authorization: "S3CR3T\n" }, concurrent: "${PASSWORD}" }
  - { name: e, api_key: x, proxy: "S3CR3T", schedule: "${PASSWORD}", reserve: "${PASSWORD}", weight: "${PASSWORD}" }
  - { name: f, api_key: x, proxy: "ftp://u:S3CR3T@h", kind: "${PASSWORD}", preferred_auth: "${PASSWORD}" }
  - { name: g, kind: oauth, oauth: { preset: "${PASSWORD}", grant: "${PASSWORD}", client_secret: [S3CR3T] } }
  - name: h
    kind: oauth
    tags: ["${PASSWORD}", "${PASSWORD}"]
    group: " ${PASSWORD}"
    allow_models: ["${PASSWORD} x"]
    oauth:
      grant: client_credentials
      token_url: "http://u:${PASSWORD}@h"
      authorize_url: "https://h/#${PASSWORD}"
      redirect_uri: "${PASSWORD}"
      client_id: "${PASSWORD} x"
      client_secret: "S3CR3T\n"
      refresh_token: "S3CR3T x"
      scopes: ["${PASSWORD} x"]
      extra: { state: "${PASSWORD}" }
  - { name: i, kind: web_session, web: { cookie: "S3CR3T\n", base_url: "https://h/?${PASSWORD}", organization: "${PASSWORD}!" } }
keys:
  - { name: k, secret: "S3CR3T" }
  - { name: "${PASSWORD}", secret: "S3CR3T-aaaaaaaaaaaaaaaaaaaaaaa", resources: "${PASSWORD}" }
models: { prices: { "x": { input: "${PASSWORD}", output: "${PASSWORD}", as_of: "${PASSWORD}" } } }
web_session: { pause: "${PASSWORD}", authorize_url: "${PASSWORD}" }
passthrough: { base_url: "https://h/?${PASSWORD}" }
routing: { strategy: "${PASSWORD}" }
sessions: { max: "${PASSWORD}", idle_timeout: "${PASSWORD}" }
limits: { error_shape: "${PASSWORD}" }
cluster: { redis_url: "redis://:${PASSWORD}@h" }
"#,
    )
    .env("PASSWORD", MARK)
    .env("DATABASE_URL", "postgres://u:S3CR3T@h/db")
    .env("TROUPE_CACHE__RESPONSES__ENABLED", MARK);
    let errors = load(&bench.sources).expect_err("errors");
    assert!(!errors.to_string().contains(MARK), "{errors}");
    assert!(!format!("{errors:?}").contains(MARK));
    assert!(errors.iter().count() > 30, "{errors}");
}

#[test]
fn debug_and_show_redact() {
    let bench = Bench::yaml(
        r#"version: 1
secrets: { key: S3CR3T-master }
accounts: [{ name: a, api_key: S3CR3T-1, headers: { x-token: S3CR3T-2 } }]
keys: [{ name: k, secret: S3CR3T-aaaaaaaaaaaaaaaaaaaa }, { name: f, secret_file: f.key }]
"#,
    );
    bench.write("f.key", "S3CR3T-from-a-file-000000\r\n");
    let loaded = bench.load();
    assert!(!format!("{loaded:?}").contains(MARK));
    let shown = show(&loaded.config);
    assert!(!shown.contains(MARK), "{shown}");
    assert_eq!(shown.matches(REDACTED).count(), 4, "{shown}");
    assert!(shown.contains("secret_file: f.key"), "{shown}");
    let from_file = loaded.config.keys[1].secret.as_ref();
    assert_eq!(
        from_file.map(Secret::expose),
        Some("S3CR3T-from-a-file-000000")
    );
    assert_eq!(
        loaded.inputs,
        ["troupe.yaml", "f.key"].map(|f| bench.folder.path().join(f))
    );
}

#[test]
fn an_empty_secret_file_is_refused() {
    let bench = Bench::yaml("version: 1\naccounts: [{ name: a, api_key_file: f }]\n");
    bench.write("f", "\n");
    let told = bench.errors();
    assert!(
        told.starts_with("troupe.yaml:2:23: accounts[0].api_key_file: "),
        "{told}"
    );
    assert!(told.ends_with("is empty"), "{told}");
}
