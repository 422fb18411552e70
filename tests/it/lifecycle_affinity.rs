//! Sessions and their accounts over a restart and a `kill -9`; how many are kept.

use std::collections::BTreeMap;

use serde_json::json;

use crate::gateway::{Pool, Sessions, api, credential, keys};
use crate::process::until;
use troupe_mock::Scenario;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// A session is at home by chance after a restart once in six times.
const SESSIONS: usize = 40;

fn config(more: &str) -> String {
    let accounts: String = NAMES.iter().map(|name| api(name, "")).collect();
    let keys = keys(&[("any", "")]);
    format!("storage: {{ url: \"sled:./data\" }}\n{more}accounts:\n{accounts}{keys}")
}

/// Where each session is served now.
async fn homes(pool: &Pool) -> BTreeMap<usize, String> {
    let mut homes = BTreeMap::new();
    for session in 0..SESSIONS {
        homes.insert(
            session,
            pool.served_by("any", &format!("session-{session}")).await,
        );
    }
    homes
}

#[tokio::test]
async fn a_session_is_at_home_after_a_kill_and_after_a_restart() {
    let mut pool = Pool::serving(&config(""));
    let before = homes(&pool).await;
    let used: std::collections::BTreeSet<_> = before.values().collect();
    assert!(used.len() > 1, "{before:?}");
    assert_eq!(homes(&pool).await, before);
    pool.until_stored(SESSIONS);
    pool.kill();
    pool.serve();
    assert_eq!(homes(&pool).await, before, "after a kill");
    pool.stop();
    pool.serve();
    assert_eq!(homes(&pool).await, before, "after a restart");
}

/// What a session has cached with its account is known after a kill: leaving it is counted with the tokens.
#[tokio::test]
async fn a_move_after_a_kill_is_counted_with_its_tokens() {
    let mut pool = Pool::serving(&config(""));
    let usage = r#"{"usage":{"cache_read_input_tokens":70000,"cache_creation_input_tokens":0}}"#;
    for name in NAMES {
        let scenario = Scenario::parse(usage).expect("a scenario");
        pool.mock.treat(&credential(name), Some(scenario));
    }
    let home = pool.served_by("any", "long").await;
    assert_eq!(pool.served_by("any", "long").await, home);
    // Where it is, and then what is cached there.
    pool.until_stored(2);
    pool.kill();
    pool.serve();
    pool.mock
        .treat(&credential(&home), Some(Scenario::status(529)));
    let moved_to = pool.served_by("any", "long").await;
    assert_ne!(moved_to, home);
    let counted = || {
        let (moves, tokens) = (
            pool.metric("troupe_session_moves_total"),
            pool.metric("troupe_session_moved_tokens_total"),
        );
        (moves, tokens) == (Some(1.0), Some(70_000.0))
    };
    assert!(
        until(std::time::Duration::from_secs(10), counted),
        "{}",
        pool.metrics()
    );
    let row = pool.until(&moved_to, "told of the move", |account| {
        account["stats"]["moved_tokens"] == 70_000
    });
    assert_eq!(row["stats"]["moved_here"], 1, "{row:#}");
}

#[tokio::test]
async fn sessions_are_bounded_and_those_beyond_are_served() {
    let bounds = "sessions: { max: 10 }\nrouting: { affinity: { max_entries: 10 } }\n";
    let pool = Pool::serving(&config(bounds));
    homes(&pool).await;
    assert_eq!(pool.metric("troupe_sessions_active"), Some(10.0));
    let listed = pool.operate("account.list", json!({})).expect("accounts");
    assert_eq!(
        listed["accounts"].as_array().map(Vec::len),
        Some(NAMES.len())
    );
}
