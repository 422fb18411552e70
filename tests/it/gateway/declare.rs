//! Accounts and keys whose secrets tell their names: in YAML, and in the store.

use std::time::SystemTime;

use serde_json::json;
use troupe_mock::FamilySeed;

use super::pool::Pool;

/// A declared account with an API key that tells its name. `more` are further members, each with a comma before it.
pub fn api(name: &str, more: &str) -> String {
    format!(
        "  - {{ name: {name}, kind: api_key, api_key: {}, base_url: \"MOCK\"{more} }}\n",
        credential(name)
    )
}

/// A declared account of the grant `refresh_token`, whose family is to be seeded by [`Pool::seed`].
pub fn oauth(name: &str, client_id: &str, more: &str) -> String {
    format!(
        "  - {{ name: {name}, kind: oauth, base_url: \"MOCK\", oauth: {}{more} }}\n",
        refreshed(name, client_id)
    )
}

/// The member `oauth` of [`oauth`].
pub fn refreshed(name: &str, client_id: &str) -> String {
    format!(
        "{{ grant: refresh_token, token_url: \"MOCK/oauth/token\", client_id: \"{client_id}\", refresh_token: {} }}",
        first_refresh_token(name)
    )
}

/// The API key of an account.
pub fn credential(name: &str) -> String {
    format!("key-of-{name}-0123456789abcdef")
}

pub fn first_refresh_token(name: &str) -> String {
    format!("first-rt-of-{name}-0123456789abcdef")
}

/// The secret of a client's key.
pub fn secret(name: &str) -> String {
    format!("secret-of-{name}-0123456789abcdef")
}

/// The section `keys`: names with further members in YAML, each with a comma before it.
pub fn keys(list: &[(&str, &str)]) -> String {
    let key = |(name, more): &(&str, &str)| {
        let secret = secret(name);
        format!("  - {{ name: {name}, secret: {secret}, endpoints: all{more} }}\n")
    };
    format!("keys:\n{}", list.iter().map(key).collect::<String>())
}

fn in_ms(ms: u64) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a date");
    u64::try_from(now.as_millis()).expect("a time") + ms
}

/// Stores an account of the grant `refresh_token` whose access token lives so long, and begins its family.
pub fn store(pool: &Pool, name: &str, client_id: &str, life_ms: u64) {
    let tokens = pool.mock.oauth().seed(FamilySeed {
        family: name.to_owned(),
        expires_in_ms: Some(life_ms),
        ..FamilySeed::default()
    });
    let url = pool.mock.url();
    let added = pool.operate(
        "account.add",
        json!({
            "name": name, "kind": "oauth", "base_url": url, "priority": 1,
            "oauth": {"grant": "refresh_token", "token_url": format!("{url}/oauth/token"), "client_id": client_id},
            "tokens": {
                "access_token": tokens.access_token, "refresh_token": tokens.refresh_token,
                "expires_at_ms": in_ms(life_ms),
            },
        }),
    );
    assert!(added.is_ok(), "{name}: {added:?}");
}

/// How often each name is there, in the order of names.
pub fn counted(names: &[String]) -> Vec<(&str, usize)> {
    let mut all: Vec<&str> = names.iter().map(|name| &**name).collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len()))
        .collect()
}
