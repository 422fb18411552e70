//! Accounts that live by access tokens: every grant, renewed early, once, and by themselves.

use serde_json::json;
use troupe_mock::{FamilyFacts, Scenario, fingerprint};

use crate::gateway::{Pool, api, keys, message, oauth, stream};

const TOKEN: &str = "/oauth/token";

fn on(path: &str, scenario: Scenario) -> Scenario {
    let path = Some(path.to_owned());
    Scenario { path, ..scenario }
}

/// Each grant's first token is got before anybody asks, with the fields that the configuration gives it.
#[tokio::test]
async fn every_grant_gets_its_token_by_itself() {
    let mut pool = Pool::new(&[
        "accounts:\n",
        &oauth("refreshing", "app", ""),
        r#"
  - name: working
    kind: oauth
    base_url: MOCK
    oauth:
      grant: jwt_bearer
      token_url: MOCK/oauth/token
      assertion_file: assertion.jwt
      extra: { federation_rule_id: fdrl_1, organization_id: org_1, service_account_id: svac_1, workspace_id: w_1 }
  - name: itself
    kind: oauth
    base_url: MOCK
    oauth: { grant: client_credentials, token_url: MOCK/oauth/token, client_id: app2, client_secret: hush-0123456789, scopes: [a, b], format: form }
"#,
        &keys(&[
            ("refreshing", ", accounts: [refreshing]"),
            ("working", ", accounts: [working]"),
            ("itself", ", accounts: [itself]"),
        ]),
    ].concat());
    pool.write("assertion.jwt", "eyJh.first.sig\n");
    pool.seed("refreshing", 3_600_000);
    pool.serve();
    let table = [
        ("refreshing", "refreshing"),
        ("working", "jwt:svac_1"),
        ("itself", "client:app2"),
    ];
    for (name, family) in table {
        pool.until_state(name, "active");
        for body in [message(), stream()] {
            let (answer, asked) = pool.tell(name, body).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert_eq!(asked, [format!("oauth:{family}")]);
        }
        let credential = &pool.account(name)["credentials"][0];
        assert_eq!(credential["auth"], "oauth", "{credential:#}");
        assert_eq!(credential["token"]["phase"], "idle", "{credential:#}");
    }
    let mut asked: Vec<_> = pool.to(TOKEN);
    asked.sort_by_key(|entry| entry.body.len());
    let bodies: Vec<String> = asked
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.body).into_owned())
        .collect();
    let has = |parts: &[&str]| {
        bodies
            .iter()
            .any(|body| parts.iter().all(|p| body.contains(p)))
    };
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    assert!(has(&[
        "grant_type=client_credentials",
        "client_id=app2",
        "scope=a+b"
    ]));
    assert!(has(&[
        r#""grant_type":"refresh_token""#,
        r#""client_id":"app""#
    ]));
    assert!(has(&[
        r#""grant_type":"urn:ietf:params:oauth:grant-type:jwt-bearer""#,
        r#""federation_rule_id":"fdrl_1""#,
        r#""service_account_id":"svac_1""#,
        r#""workspace_id":"w_1""#,
    ]));
    assert_eq!(
        pool.mock.oauth().assertions(),
        [fingerprint("eyJh.first.sig")]
    );

    // The file is read again at every exchange; the token that the upstream refuses now makes one.
    pool.write("assertion.jwt", "eyJh.second.sig");
    assert!(pool.mock.oauth().expire("jwt:svac_1"));
    assert_eq!(pool.ask("working", message()).await.status, 200);
    let both = [
        fingerprint("eyJh.first.sig"),
        fingerprint("eyJh.second.sig"),
    ];
    assert_eq!(pool.mock.oauth().assertions(), both);
}

/// Nobody asks, and yet there is always a token that lives.
#[tokio::test]
async fn tokens_are_renewed_early_by_themselves() {
    let mut pool = Pool::new(&["accounts:\n", &oauth("a", "app", "")].concat());
    pool.seed("a", 1_000);
    pool.serve();
    let often = |families: &[FamilyFacts]| families.iter().any(|family| family.generation >= 4);
    pool.mock.oauth().wait_for(often).await.unwrap();
    let family = pool.family("a");
    assert_eq!(family.spends, family.generation - 1);
    assert_eq!((family.repeats_while_live, family.reuse_attempts), (0, 0));
    assert_eq!(pool.ask("any", message()).await.status, 200);
    let is_told = |list: &serde_json::Value| list.as_array().is_some_and(|list| list.len() >= 3);
    pool.until("a", "told of three renewals", |account| {
        is_told(&account["stats"]["renewals"])
    });
}

/// Two hundred requests that need the same token make one exchange, whether the gateway or the upstream finds that it
/// has ended.
#[tokio::test]
async fn two_hundred_at_once_make_one_exchange() {
    let mut pool = Pool::new(&["accounts:\n", &oauth("a", "app~slow_700", "")].concat());
    pool.seed("a", 3_600_000);
    pool.serve();
    // There is no token yet: its first exchange runs.
    let answers = pool.burst(200, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((pool.to(TOKEN).len(), pool.entries().len()), (1, 200));

    // The upstream ends it before its time.
    assert!(pool.mock.oauth().expire("a"));
    let answers = pool.burst(200, "any", &stream()).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    assert!(
        refused.is_empty(),
        "{}: {}",
        refused.len(),
        refused[0].text()
    );
    let family = pool.family("a");
    assert_eq!(
        (family.spends, family.generation, family.reuse_attempts),
        (2, 3, 0)
    );
    assert_eq!(pool.to(TOKEN).len(), 2);
}

/// A 401 renews once and is tried once more; the second one means a login, and the next account serves.
#[tokio::test]
async fn a_401_is_renewed_once() {
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &oauth("a", "app", ", priority: 1"),
            &api("spare", ", priority: 2"),
            "routing: { strategy: priority }\n",
            &keys(&[("any", ""), ("only", ", accounts: [a]")]),
        ]
        .concat(),
    );
    pool.seed("a", 3_600_000);
    pool.serve();
    pool.until_state("a", "active");

    pool.script([Scenario::status(401)]);
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:old", "oauth:a"]);
    assert_eq!(pool.family("a").spends, 2);

    // The renewed token is refused as well, by whatever it is shown to.
    let refused = Scenario::status(401);
    let probed = Scenario {
        path: Some("/v1/models".into()),
        ..refused.clone()
    };
    pool.script([refused.clone(), refused, probed]);
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked, ["oauth:old", "oauth:a", "spare"]);
    let account = pool.until_state("a", "needs_login");
    assert!(
        account["reason"]
            .as_str()
            .is_some_and(|why| !why.is_empty()),
        "{account:#}"
    );
    assert_eq!(pool.family("a").spends, 3);

    // Nothing is sent there any more, and no token is asked for.
    for _ in 0..5 {
        let (answer, asked) = pool.tell("any", message()).await;
        assert_eq!((answer.status, asked), (200, vec!["spare".to_owned()]));
        let own = pool.ask("only", message()).await;
        assert_eq!((own.status, &*own.error_type()), (503, "api_error"));
        assert!(
            own.text().contains("1 in need of a login"),
            "{}",
            own.text()
        );
        assert_eq!(own.header("x-should-retry"), Some("false"));
    }
    assert_eq!(pool.family("a").spends, 3);

    // Until its operator says that all is well.
    pool.operate("account.enable", json!({"name": "a"}))
        .unwrap();
    let (answer, asked) = pool.tell("only", message()).await;
    assert_eq!((answer.status, asked), (200, vec!["oauth:a".to_owned()]));
    assert_eq!(pool.family("a").spends, 3, "the token that stands was good");
}

/// A refused grant is presented once, and never again by itself.
#[tokio::test]
async fn an_invalid_account_is_not_refreshed_for_ever() {
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &oauth("a", "app~invalid_grant", ""),
            &api("spare", ""),
            &keys(&[("any", ""), ("only", ", accounts: [a]")]),
        ]
        .concat(),
    );
    pool.seed("a", 3_600_000);
    pool.serve();
    let account = pool.until_state("a", "needs_login");
    let why = account["reason"].as_str().unwrap_or_default();
    assert!(why.contains("invalid_grant"), "{account:#}");
    for _ in 0..10 {
        assert_eq!(pool.ask("any", message()).await.status, 200);
        assert_eq!(pool.ask("only", message()).await.status, 503);
    }
    let refreshed = pool.operate("account.refresh", json!({"name": "a"}));
    assert!(refreshed.is_err_and(|why| why.contains("login")));
    assert_eq!((pool.family("a").spends, pool.to(TOKEN).len()), (1, 1));
}

/// A token that the authorization server revoked: the renewal is refused, and others serve.
#[tokio::test]
async fn a_revoked_family_needs_a_login() {
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &oauth("a", "app", ", priority: 1"),
            &api("spare", ", priority: 2"),
            "routing: { strategy: priority }\n",
        ]
        .concat(),
    );
    pool.seed("a", 3_600_000);
    pool.serve();
    pool.until_state("a", "active");
    assert!(pool.mock.oauth().revoke("a"));
    let answers = pool.burst(20, "any", &message()).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    pool.until_state("a", "needs_login");
    assert_eq!(pool.family("a").spends, 2);
}

/// A renewal that an operator wants joins the one that runs.
#[tokio::test]
async fn an_operators_refresh_is_one_of_the_same() {
    let mut pool = Pool::new(&["accounts:\n", &oauth("a", "app", "")].concat());
    pool.seed("a", 3_600_000);
    pool.serve();
    pool.until_state("a", "active");
    let refreshed = pool
        .operate("account.refresh", json!({"name": "a"}))
        .unwrap();
    assert_eq!(refreshed["credentials"][0]["token"]["generation"], 2);
    pool.script([on(TOKEN, Scenario::named("token_slow_300").unwrap())]);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                pool.operate("account.refresh", json!({"name": "a"}))
                    .unwrap()
            });
        }
    });
    assert_eq!(pool.family("a").spends, 3);
}
