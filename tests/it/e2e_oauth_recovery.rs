//! Accounts that cannot get a token now get one by themselves, later.

use serde_json::Value;
use troupe_mock::Scenario;

use crate::gateway::{Pool, api, keys, message, request, secret, store};

const TOKEN: &str = "/oauth/token";

/// An account of the grant `jwt_bearer`.
fn working(name: &str) -> String {
    format!(
        "  - {{ name: {name}, kind: oauth, base_url: MOCK, priority: 1, oauth: {{ grant: jwt_bearer, \
         token_url: MOCK/oauth/token, assertion_file: {name}.jwt }} }}\n"
    )
}

/// Others serve meanwhile, and who needs this account is told to come again.
async fn is_waited_for(pool: &Pool, name: &str) {
    let own = pool.ask(name, message()).await;
    assert_eq!(
        (own.status, &*own.error_type()),
        (503, "api_error"),
        "{name}"
    );
    assert!(own.header("retry-after").is_some(), "{name}: {own:?}");
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    assert_eq!(asked, ["spare"], "{name}");
}

#[tokio::test]
async fn what_fails_now_works_later() {
    let bound = keys(&[
        ("any", ""),
        ("reused", ", accounts: [reused]"),
        ("late", ", accounts: [late]"),
        ("ended", ", accounts: [ended, spare]"),
        ("only", ", accounts: [ended]"),
    ]);
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &working("reused"),
            &working("late"),
            &api("spare", ", priority: 2"),
            "routing: { strategy: priority }\n",
            &bound,
        ]
        .concat(),
    );
    // A grant that may be presented as often as one likes is, after a pause, whatever came of it.
    pool.write("reused.jwt", "eyJh.first.sig");
    pool.script([Scenario::named("token_invalid_grant").unwrap()]);
    pool.serve();
    let is_postponed = |account: &Value| account["credentials"][0]["token"]["phase"] == "postponed";
    for name in ["reused", "late"] {
        pool.until(name, "postponed", is_postponed);
        is_waited_for(&pool, name).await;
    }
    assert_eq!(pool.to(TOKEN).len(), 1, "there is nothing to present yet");

    // The platform writes the file when it likes.
    pool.write("late.jwt", "eyJh.late.sig");

    // The upstream refuses a token, and there is no newer one to be had: the request goes elsewhere.
    store(&pool, "ended", "app", 3_600_000);
    pool.mock.oauth().expire("ended");
    pool.script([Scenario::named("token_503").unwrap()]);
    let (answer, asked) = pool.tell("ended", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:ended", "spare"]);
    is_waited_for(&pool, "only").await;
    assert_eq!(pool.family("ended").spends, 1);

    for (account, key) in [("reused", "reused"), ("late", "late"), ("ended", "only")] {
        pool.until_state(account, "active");
        let answer = pool.ask(key, message()).await;
        assert_eq!(answer.status, 200, "{account}: {}", answer.text());
    }
    let family = pool.family("ended");
    assert_eq!((family.spends, family.reuse_attempts), (2, 0), "{family:?}");
    assert_eq!(pool.to(TOKEN).len(), 5);
}

/// A body that is passed through goes up once. Where the token that it shows is refused, the next request has a new one.
#[tokio::test]
async fn a_refused_upload_is_not_the_end_of_its_account() {
    let spare = api("spare", ", priority: 2");
    let bound = keys(&[("only", ", accounts: [a]")]);
    let pool = Pool::serving(&format!("accounts:\n{spare}{bound}"));
    store(&pool, "a", "app", 3_600_000);
    pool.script([Scenario {
        path: Some("/v1/files".into()),
        ..Scenario::status(401)
    }]);
    let secret = secret("only");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/octet-stream"),
    ];
    let answer = pool
        .raw(&request("POST", "/v1/files", &headers, b"data"))
        .await;
    assert_eq!(
        (answer.status, &*answer.error_type()),
        (503, "api_error"),
        "{}",
        answer.text()
    );
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(pool.to("/v1/files").len(), 1);
    assert_eq!(pool.family("a").spends, 1);
    assert_eq!(pool.account("a")["state"], "active");
    assert_eq!(pool.ask("only", message()).await.status, 200);
}
