//! Many accounts at once, on both stores.

use serde_json::{Value, json};

use super::super::Operation;
use super::super::accounts::*;
use super::{account, operations, operations_on};

fn batch(items: &[Value]) -> BatchAccounts {
    BatchAccounts {
        accounts: items.iter().cloned().map(account).collect(),
    }
}

async fn outcomes(ops: &super::Operations, items: &[Value]) -> Vec<BatchOutcome> {
    let results = batch(items).run(ops).await.unwrap().results;
    results.iter().map(|result| result.outcome).collect()
}

#[tokio::test]
async fn a_batch_may_be_sent_again() {
    use BatchOutcome::{Added, Refused, Unchanged};
    let folder = tempfile::tempdir().unwrap();
    let files = troupe_storage::open("sled:data", folder.path()).unwrap();
    for ops in [
        operations().await,
        operations_on(files.stores.clone()).await,
    ] {
        let items = [
            json!({"name": "a", "api_key": "hunter2-a", "weight": 2}),
            json!({"name": "b", "kind": "oauth", "oauth": {"token_url": "https://h/t"},
                "tokens": {"access_token": "hunter2-at", "refresh_token": "hunter2-rt"}}),
            json!({"name": "filed", "api_key": "hunter2-f"}),
            json!({"name": "c", "kind": "web_session", "web": {"cookie": "hunter2-c"}}),
            json!({"name": "d", "api_key": ""}),
        ];
        assert_eq!(
            outcomes(&ops, &items).await,
            [Added, Added, Refused, Refused, Refused]
        );
        assert_eq!(outcomes(&ops, &items[..2]).await, [Unchanged, Unchanged]);
        let changed = [
            json!({"name": "a", "api_key": "hunter2-other", "weight": 2}),
            json!({"name": "a", "api_key": "hunter2-a", "weight": 3}),
            json!({"name": "b", "kind": "oauth", "oauth": {"token_url": "https://h/t"},
                "tokens": {"access_token": "hunter2-at2", "refresh_token": "hunter2-rt2"}}),
        ];
        let results = batch(&changed).run(&ops).await.unwrap().results;
        for result in results {
            assert_eq!(result.outcome, Refused);
            let why = result.why.unwrap();
            assert!(
                why.contains("troupe account update") && !why.contains("hunter2"),
                "{why}"
            );
        }
        assert_eq!(ops.stores.accounts.list().await.unwrap().len(), 2);
    }
    files.close().await.unwrap();
}
