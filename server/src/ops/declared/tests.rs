//! Declared accounts and keys, as the directory gets them.

use std::path::PathBuf;

use troupe_storage::crypt::{Keyring, MasterKey};

use super::*;
use crate::config::{Sources, load};

/// A folder with a `troupe.yaml` in it.
struct Bench {
    folder: tempfile::TempDir,
    hasher: KeyHasher,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = troupe_storage::open("memory:", folder.path()).unwrap();
        let master = MasterKey::parse(&"7".repeat(64)).unwrap();
        let ring = Keyring::open(backend.stores.meta.as_ref(), &master).await;
        Self {
            folder,
            hasher: ring.unwrap().hasher,
        }
    }

    fn declared(&self, text: &str) -> Declared {
        let file: PathBuf = self.folder.path().join("troupe.yaml");
        std::fs::write(&file, format!("version: 1\n{text}")).unwrap();
        let sources = Sources {
            cwd: self.folder.path().to_owned(),
            ..Sources::default()
        };
        let loaded = load(&sources).unwrap_or_else(|errors| panic!("{errors}"));
        Declared::new(&loaded.config, Some(&file), &self.hasher)
    }
}

const PROXIED: &str = r#"accounts:
  - name: a
    api_key: k
    proxy: "http://u:p@127.0.0.1:1"
    oauth: { preset: claude_platform, grant: refresh_token, refresh_token: first }
"#;

#[tokio::test]
async fn an_account_that_did_not_change_is_the_same_after_a_reload() {
    let bench = Bench::new().await;
    let first = bench.declared(PROXIED);
    let again = bench.declared(PROXIED).keeping(&first);
    let (old, new) = (&first.accounts[0], &again.accounts[0]);
    assert_eq!(new.record, old.record);
    assert!(Arc::ptr_eq(&new.secrets.reach, &old.secrets.reach));
    assert!(new.seed(None, None).token.is_none());
    for changed in [
        PROXIED.replace(":p@", ":q@"),
        PROXIED.replace("    proxy:", "    group: g # proxy:"),
    ] {
        let changed = bench.declared(&changed).keeping(&first);
        let reach = &changed.accounts[0].secrets.reach;
        assert!(!Arc::ptr_eq(reach, &old.secrets.reach));
    }
    let other = bench
        .declared(&PROXIED.replace("name: a", "name: b"))
        .keeping(&first);
    assert!(!Arc::ptr_eq(
        &other.accounts[0].secrets.reach,
        &old.secrets.reach
    ));
}

#[tokio::test]
async fn a_refresh_token_is_carried_and_not_shown() {
    let declared = Bench::new().await.declared(PROXIED);
    let token = declared.accounts[0].refresh_token.as_ref();
    assert_eq!(token.map(ExposeSecret::expose_secret), Some("first"));
    assert!(!format!("{:?}", declared.accounts[0].refresh_token).contains("first"));
}

#[tokio::test]
async fn a_keys_binding_and_models_reach_its_record() {
    let declared = Bench::new().await.declared(
        "keys:\n  - { name: k, secret: aaaaaaaaaaaaaaaaaaaa, accounts: [a], account_groups: [g], account_tags: [t], models: [\"claude-*\"] }\n  - { name: free, secret: bbbbbbbbbbbbbbbbbbbb }\n",
    );
    let [bound, free] = &declared.keys[..] else {
        panic!("two keys");
    };
    let binding = &bound.binding;
    assert_eq!(binding.accounts, ["a"]);
    assert_eq!(
        (&binding.groups[0], &binding.tags[0]),
        (&"g".to_owned(), &"t".to_owned())
    );
    assert!(bound.rules.permits("claude-x") && !bound.rules.permits("gpt"));
    assert!(free.rules.is_empty() && free.binding.is_empty());
}

#[tokio::test]
async fn limits_of_the_file_are_those_of_the_records() {
    let bench = Bench::new().await;
    let text = r#"keys:
  - name: ci
    secret: aaaaaaaaaaaaaaaaaaaa
    limits: { usd_per_month: 12.50, concurrent: null, models: { "claude-opus-*": { requests_per_day: 5 } } }
accounts:
  - { name: a, api_key: k, limits: { usd_per_day: 50 } }
"#;
    let declared = bench.declared(text);
    let told = |limits| serde_json::Value::from(crate::ops::limits::info(limits));
    assert_eq!(
        told(&declared.keys[0].limits),
        serde_json::json!({
            "usd_per_month": 12.5, "concurrent": null, "models": { "claude-opus-*": { "requests_per_day": 5 } }
        })
    );
    assert_eq!(
        told(&declared.accounts[0].record.limits),
        serde_json::json!({ "usd_per_day": 50 })
    );
}
