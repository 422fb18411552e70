//! Several credentials in one account: which is first, and what leads to the next.

use serde_json::json;
use troupe_mock::Scenario;

use crate::gateway::{Pool, api, keys, message, refreshed, stream};

/// An account with an API key and a token, and one besides.
fn pool(preferred: &str) -> Pool {
    let both = format!(
        ", preferred_auth: {preferred}, priority: 1, oauth: {}",
        refreshed("a", "app")
    );
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &api("a", &both),
            &api("spare", ", priority: 2"),
            "routing: { strategy: priority, max_attempts: 4 }\n",
            &keys(&[("any", ""), ("only", ", accounts: [a]")]),
        ]
        .concat(),
    );
    pool.seed("a", 3_600_000);
    pool.serve();
    let has_token = |account: &serde_json::Value| {
        let credentials = account["credentials"].as_array().expect("credentials");
        credentials.iter().any(|c| c["token"]["generation"] == 1)
    };
    pool.until("a", "with a token", has_token);
    pool
}

fn saying(status: u16, message: &str) -> Scenario {
    Scenario {
        message: Some(message.to_owned()),
        ..Scenario::status(status)
    }
}

fn throttled() -> Scenario {
    Scenario {
        headers: vec![("retry-after".into(), "60".into())],
        ..Scenario::status(429)
    }
}

#[tokio::test]
async fn the_order_is_the_preferred_one_first() {
    for (preferred, order) in [
        ("auto", ["a", "oauth:a"]),
        ("api_key", ["a", "oauth:a"]),
        ("oauth", ["oauth:a", "a"]),
    ] {
        let pool = pool(preferred);
        let names: Vec<_> = pool.account("a")["credentials"]
            .as_array()
            .expect("credentials")
            .iter()
            .map(|credential| credential["auth"].as_str().unwrap_or_default().to_owned())
            .collect();
        let first_is_token = order[0].starts_with("oauth");
        assert_eq!(names[0] == "oauth", first_is_token, "{names:?}");

        // Faults of the credential: the next one of the same account, once.
        for fault in [
            throttled(),
            Scenario::status(402),
            Scenario::status(403),
            saying(400, "Your credit balance is too low to access the API."),
            saying(400, "This organization has been disabled."),
        ] {
            let shown = format!("{preferred}: {fault:?}");
            pool.operate("account.enable", json!({"name": "a"}))
                .unwrap();
            pool.script([fault.clone()]);
            let (answer, asked) = pool.tell("any", message()).await;
            assert_eq!(answer.status, 200, "{shown}: {}", answer.text());
            assert_eq!(asked, order, "{shown}");
            // It is remembered: the other one serves at once.
            let (answer, asked) = pool.tell("any", stream()).await;
            assert_eq!(
                (answer.status, &*asked),
                (200, &[order[1].to_owned()][..]),
                "{shown}"
            );
            // And when that one fails as well, another account does.
            pool.script([fault]);
            let (answer, asked) = pool.tell("any", message()).await;
            assert_eq!(answer.status, 200, "{shown}: {}", answer.text());
            assert_eq!(
                (&*asked[0], &*asked[asked.len() - 1]),
                (order[1], "spare"),
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn no_other_fault_leads_to_the_next_credential() {
    for preferred in ["auto", "oauth"] {
        let pool = pool(preferred);
        let first = if preferred == "oauth" { "oauth:a" } else { "a" };
        // The client's own: sent once.
        for status in [400, 413, 422] {
            pool.script([Scenario::status(status)]);
            let (answer, asked) = pool.tell("any", message()).await;
            assert_eq!(
                (answer.status, &*asked),
                (status, &[first.to_owned()][..]),
                "{preferred}"
            );
        }
        // The platform's: elsewhere.
        for status in [500, 502, 503, 504, 529] {
            pool.operate("account.enable", json!({"name": "a"}))
                .unwrap();
            pool.script([Scenario::status(status)]);
            let (answer, asked) = pool.tell("any", message()).await;
            assert_eq!(answer.status, 200, "{status}");
            assert_eq!(asked, [first, "spare"], "{preferred}: {status}");
        }
        for status in [500, 502, 503, 504] {
            pool.operate("account.enable", json!({"name": "a"}))
                .unwrap();
            pool.script([Scenario::status(status), Scenario::status(status)]);
            let (answer, asked) = pool.tell("only", message()).await;
            pool.mock.clear_script();
            assert_eq!(
                (answer.status, &*asked),
                (status, &[first.to_owned()][..]),
                "{preferred}"
            );
        }
    }
}

/// A 401 of a token is renewed first; only then is the key's turn.
#[tokio::test]
async fn a_refused_token_is_renewed_before_the_key_serves() {
    let pool = pool("oauth");
    let refused = Scenario::status(401);
    let probed = Scenario {
        path: Some("/v1/models".into()),
        ..refused.clone()
    };
    pool.script([refused.clone()]);
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(
        (answer.status, &*asked),
        (200, &["oauth:old", "oauth:a"].map(str::to_owned)[..])
    );
    pool.script([refused.clone(), refused.clone(), probed]);
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:old", "oauth:a", "a"]);
    // The account serves, by its key: that it needs a login is its token's state.
    let account = pool.account("a");
    assert_eq!(account["state"], "active", "{account:#}");
    let token = account["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["auth"] == "oauth");
    assert_eq!(token.unwrap()["state"], "needs_login", "{account:#}");
    for _ in 0..3 {
        let (answer, asked) = pool.tell("any", message()).await;
        assert_eq!((answer.status, &*asked), (200, &["a".to_owned()][..]));
    }
    assert_eq!(pool.family("a").spends, 3);
}

/// A token that cannot be had leaves the account its key.
#[tokio::test]
async fn a_failing_token_endpoint_leaves_the_key() {
    for fault in ["close", "429", "invalid_grant"] {
        let both = format!(
            ", preferred_auth: oauth, oauth: {}",
            refreshed("a", &format!("app~{fault}"))
        );
        let mut pool = Pool::new(&["accounts:\n", &api("a", &both)].concat());
        pool.seed("a", 3_600_000);
        pool.serve();
        for _ in 0..3 {
            let (answer, asked) = pool.tell("any", message()).await;
            assert_eq!(
                (answer.status, &*asked),
                (200, &["a".to_owned()][..]),
                "{fault}: {}",
                answer.text()
            );
        }
        assert_eq!(pool.family("a").spends, 1, "{fault}");
    }
}

/// The web session is the last resort, unless it is preferred; what it cannot serve goes to the key.
#[tokio::test]
async fn a_web_session_is_the_last_resort() {
    for (preferred, first_is_web) in [("auto", false), ("api_key", false), ("web", true)] {
        let both = format!(
            ", preferred_auth: {preferred}, web: {{ base_url: \"MOCK\", cookie: sessionKey=sk-mock-0123456789 }}"
        );
        let consent = "web_session: { enabled: true, acknowledge_terms: true }\n";
        let pool = Pool::serving(&["accounts:\n", &api("a", &both), consent].concat());
        let by_web = || {
            let entries = pool.mock.journal().entries();
            entries
                .iter()
                .filter(|entry| entry.header("cookie").is_some())
                .count()
        };
        let before = by_web();
        let (answer, asked) = pool.tell("any", message().replace("100000000", "64")).await;
        assert_eq!(answer.status, 200, "{preferred}: {}", answer.text());
        assert_eq!(by_web() > before, first_is_web, "{preferred}");
        assert_eq!(asked.is_empty(), first_is_web, "{preferred}: {asked:?}");
        let before = by_web();
        pool.script([throttled()]);
        let (answer, _) = pool.tell("any", message().replace("100000000", "64")).await;
        assert_eq!(answer.status, 200, "{preferred}: {}", answer.text());
        assert!(by_web() > before, "{preferred}: the key is throttled");
    }
}
