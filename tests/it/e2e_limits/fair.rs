//! Who is next, where keys share a limit.

use serde_json::json;

use super::{MODEL, asking, queued, running, sent, slowly, streaming};
use crate::gateway::{Pool, api, keys};

fn pool() -> Pool {
    let team = |more: &str| format!(", group: team{more}");
    let list = [
        ("greedy", team("")),
        ("modest", team("")),
        ("urgent", team(", priority: high")),
        ("patient", team(", priority: low")),
    ];
    let list: Vec<_> = list.iter().map(|(name, more)| (*name, &**more)).collect();
    Pool::serving(&format!(
        "accounts:\n{}limits: {{ groups: {{ team: {{ limits: {{ concurrent: 1 }} }} }} }}\n{}",
        api("a", ""),
        keys(&list)
    ))
}

/// Keys in the order in which these came, when the only slot comes free.
async fn order(pool: &Pool, came: &[&str]) -> Vec<String> {
    pool.mock.journal().clear();
    let holding = running(
        pool,
        "greedy",
        &streaming(MODEL, 60, &json!({"endless": true})),
    )
    .await;
    let mut clients = Vec::new();
    for (place, key) in came.iter().enumerate() {
        let mut scenario = slowly(10);
        scenario["text"] = format!("for {key}.").into();
        clients.push(sent(pool, key, &asking(MODEL, 60, &scenario)).await);
        queued(pool, key, "concurrent", place + 1);
    }
    drop(holding);
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let of = |entry: &troupe_mock::Entry| {
        let text = String::from_utf8_lossy(&entry.body).into_owned();
        let key = text
            .split_once("for ")
            .and_then(|(_, rest)| rest.split_once('.'));
        key.map(|(key, _)| key.to_owned()).expect("a key")
    };
    pool.entries().iter().skip(1).map(of).collect()
}

#[tokio::test]
async fn keys_take_turns_and_classes_go_first() {
    let pool = pool();
    let turns = order(
        &pool,
        &["greedy", "greedy", "greedy", "greedy", "modest", "modest"],
    )
    .await;
    assert_eq!(
        turns,
        ["greedy", "modest", "greedy", "modest", "greedy", "greedy"]
    );
    let classes = order(
        &pool,
        &["patient", "greedy", "greedy", "urgent", "modest", "urgent"],
    )
    .await;
    assert_eq!(
        classes,
        ["urgent", "urgent", "greedy", "modest", "greedy", "patient"]
    );
}
