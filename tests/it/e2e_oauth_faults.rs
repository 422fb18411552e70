//! Token endpoints that fail: the old token serves to its end, nothing is spent twice before, nothing is lost.

use std::time::Duration;

use serde_json::{Value, json};
use troupe_mock::{FamilySeed, Scenario};

use crate::{
    gateway::{Pool, api, keys, message, oauth, store},
    process,
};

const TOKEN: &str = "/oauth/token";
const PATIENCE: Duration = Duration::from_secs(40);

fn phase(account: &Value) -> &str {
    account["credentials"][0]["token"]["phase"]
        .as_str()
        .unwrap_or_default()
}

/// An account of the store that `only` may use alone, beside a spare one.
fn pool(names: &[String]) -> Pool {
    let bindings: Vec<_> = names
        .iter()
        .map(|name| format!(", accounts: [{name}]"))
        .collect();
    let mut list: Vec<(&str, &str)> = names
        .iter()
        .zip(&bindings)
        .map(|(n, b)| (&**n, &**b))
        .collect();
    list.push(("any", ""));
    let spare = api("spare", ", priority: 2");
    Pool::serving(
        &[
            "accounts:\n",
            &spare,
            "routing: { strategy: priority }\n",
            &keys(&list),
        ]
        .concat(),
    )
}

/// An early renewal whose outcome is unknown is not repeated while the old token lives; then once; then a login.
#[tokio::test]
async fn an_unknown_outcome_is_never_repeated_early() {
    let faults = [
        "500",
        "503",
        "html",
        "redirect",
        "close",
        "reset",
        "not_http",
        "cut",
        "huge",
        "no_access_token",
        "500_after",
        "close_after",
        "reset_after",
        "html_after",
    ];
    let names: Vec<_> = faults.iter().map(|fault| fault.replace('_', "-")).collect();
    let pool = pool(&names);
    for (name, fault) in names.iter().zip(faults) {
        store(&pool, name, &format!("app~{fault}"), 3_000);
    }
    for name in &names {
        let tried = process::until(PATIENCE, || pool.family(name).spends > 0);
        assert!(tried, "{name} is never renewed");
        let account = pool.account(name);
        if pool.family(name).live_access_tokens > 0 {
            assert_eq!(account["state"], "active", "{name}: {account:#}");
            let answer = pool.ask(name, message()).await;
            let late = pool.family(name).live_access_tokens == 0;
            assert!(answer.status == 200 || late, "{name}: {}", answer.text());
        }
    }
    for name in &names {
        let account = pool.until_state(name, "needs_login");
        let family = pool.family(name);
        assert_eq!(
            (family.spends, family.repeats_while_live),
            (2, 0),
            "{name}: {account:#}"
        );
        let own = pool.ask(name, message()).await;
        assert_eq!(own.status, 503, "{name}: {}", own.text());
        assert_eq!(pool.family(name).spends, 2, "{name}");
    }
    assert_eq!(pool.ask("any", message()).await.status, 200);
}

/// What is certainly not done is tried again, later, and nothing of the account is lost.
#[tokio::test]
async fn a_failure_never_loses_the_credential() {
    let names: Vec<String> = ["busy", "wishes", "refused"].map(str::to_owned).into();
    let pool = pool(&names);
    store(&pool, "busy", "app~429", 1_500);
    store(&pool, "wishes", "app~429_retry_1", 1_500);
    store(&pool, "refused", "app", 1_500);
    let nobody = format!("http://{}{TOKEN}", process::free_address());
    let moved = json!({"name": "refused", "oauth": {"token_url": nobody}});
    pool.operate("account.update", moved).unwrap();
    for name in &names {
        assert_eq!(pool.ask(name, message()).await.status, 200, "{name}");
        pool.until(name, "postponed", |account| phase(account) == "postponed");
    }
    // The old tokens have ended: others serve, and those that need these accounts are told to come again.
    for name in &names {
        pool.until_state(name, "renewing");
    }
    for name in &names {
        let own = pool.ask(name, message()).await;
        assert_eq!(own.status, 503, "{name}: {}", own.text());
        assert!(own.header("retry-after").is_some(), "{name}: {own:?}");
        assert!(own.text().contains("renewing its token"), "{}", own.text());
        let (answer, asked) = pool.tell("any", message()).await;
        assert_eq!((answer.status, asked), (200, vec!["spare".to_owned()]));
    }
    let url = format!("{}{TOKEN}", pool.mock.url());
    for name in &names {
        let family = pool.family(name);
        assert_eq!(family.reuse_attempts, 0, "{name}");
        let whole = json!({"name": name, "oauth": {"token_url": url, "client_id": "app"}});
        pool.operate("account.update", whole).unwrap();
        let (answer, asked) = pool.tell(name, message()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(asked, [format!("oauth:{name}")]);
        assert_eq!(pool.family(name).generation, 2, "{name}");
    }
}

/// The endpoint rotates and is then silent, while two hundred requests need the account: the old token serves them all.
#[tokio::test]
async fn two_hundred_at_once_while_the_endpoint_hangs_after_rotating() {
    let pool = pool(&["a".to_owned()]);
    pool.script([Scenario::named("token_hang_after").unwrap()]);
    store(&pool, "a", "app", 4_000);
    let spent =
        |families: &[troupe_mock::FamilyFacts]| families.iter().any(|family| family.spends == 1);
    pool.mock.oauth().wait_for(spent).await.unwrap();
    let answers = pool.burst(200, "any", &message()).await;
    let bad = answers.iter().find(|answer| answer.status != 200);
    assert!(bad.is_none(), "{bad:?}");
    let by_old = pool
        .asked()
        .iter()
        .filter(|name| *name == "oauth:old")
        .count();
    assert!(by_old > 0, "{:?}", pool.asked());
    assert_eq!((pool.family("a").spends, pool.to(TOKEN).len()), (1, 1));

    // After its end requests go elsewhere at once, or wait for the renewal that runs; then for the last one.
    let ended = process::until(PATIENCE, || pool.account("a")["state"] != "active");
    assert!(ended, "{:#}", pool.account("a"));
    assert_eq!(pool.ask("any", message()).await.status, 200);
    let account = pool.until_state("a", "needs_login");
    let family = pool.family("a");
    assert_eq!(
        (family.spends, family.repeats_while_live),
        (2, 0),
        "{account:#}"
    );
    assert_eq!((family.reuse_attempts, family.revoked), (1, true));
    assert_eq!(pool.ask("any", message()).await.status, 200);
    assert_eq!(pool.ask("a", message()).await.status, 503);
}

/// A slow endpoint is waited for; a request that finds another account does not wait.
#[tokio::test]
async fn a_slow_endpoint_delays_nobody_who_has_a_choice() {
    let mut pool = Pool::new(
        &[
            "accounts:\n",
            &oauth("a", "app~hang", ", priority: 1"),
            &api("spare", ", priority: 2"),
            "routing: { strategy: priority }\n",
        ]
        .concat(),
    );
    pool.seed("a", 3_600_000);
    pool.serve();
    let arrived =
        |entries: &[troupe_mock::Entry]| entries.iter().any(|entry| entry.path() == TOKEN);
    pool.mock.journal().wait_for(arrived).await.unwrap();
    for answer in pool.burst(20, "any", &message()).await {
        assert_eq!(answer.status, 200);
    }
    let over = pool.to(TOKEN)[0].is_over();
    assert!(!over, "the requests waited for the token endpoint");
    assert_eq!(pool.family("a").spends, 1);
}

/// A login while tokens live, and one that brings the account back.
#[tokio::test]
async fn new_tokens_stand_over_old_ones() {
    let pool = pool(&["a".to_owned()]);
    store(&pool, "a", "app~invalid_grant", 600);
    pool.until_state("a", "needs_login");
    // An account of that name is not added over it.
    let again = pool.operate(
        "account.add",
        json!({"name": "a", "kind": "api_key", "api_key": "other-0123456789"}),
    );
    assert!(again.is_err_and(|why| why.contains('a')));

    let url = format!("{}{TOKEN}", pool.mock.url());
    let seeded = pool.mock.oauth().seed(FamilySeed {
        family: "b".into(),
        ..FamilySeed::default()
    });
    let login = json!({
        "name": "a", "oauth": {"client_id": "app", "token_url": url},
        "tokens": {"access_token": seeded.access_token, "refresh_token": seeded.refresh_token, "expires_in_s": 3600},
    });
    pool.operate("account.update", login.clone()).unwrap();
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!(
        (answer.status, asked),
        (200, vec!["oauth:b".to_owned()]),
        "{}",
        answer.text()
    );

    // Renewed since: what was brought before does not come back with the same words, nor with other settings.
    pool.operate("account.refresh", json!({"name": "a"}))
        .unwrap();
    let generation = |account: &Value| account["credentials"][0]["token"]["generation"].as_u64();
    let newer = generation(&pool.account("a"));
    pool.operate("account.update", json!({"name": "a", "weight": 7}))
        .unwrap();
    assert_eq!(generation(&pool.account("a")), newer);
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!((answer.status, asked), (200, vec!["oauth:b".to_owned()]));
    assert_eq!(pool.family("b").reuse_attempts, 0);
    // Removed and added again with tokens of another login: those are its tokens.
    pool.operate("account.remove", json!({"name": "a"}))
        .unwrap();
    let seeded = pool.mock.oauth().seed(FamilySeed {
        family: "c".into(),
        ..FamilySeed::default()
    });
    let mut again = login;
    again["kind"] = json!("oauth");
    again["base_url"] = json!(pool.mock.url());
    again["oauth"]["grant"] = json!("refresh_token");
    again["tokens"]["access_token"] = json!(seeded.access_token);
    again["tokens"]["refresh_token"] = json!(seeded.refresh_token);
    pool.operate("account.add", again).unwrap();
    let (answer, asked) = pool.tell("a", message()).await;
    assert_eq!(
        (answer.status, asked),
        (200, vec!["oauth:c".to_owned()]),
        "{}",
        answer.text()
    );
}
