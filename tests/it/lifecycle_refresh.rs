//! Tokens over restarts, and a gateway that is killed in the middle of a renewal: `TROUPE_SOAK_ROUNDS` rounds (3).

use std::time::Duration;

use troupe_mock::Scenario;

use crate::gateway::{Pool, api, keys, message, oauth};
use crate::process;

const TOKEN: &str = "/oauth/token";
const PATIENCE: Duration = Duration::from_secs(40);
const ACCOUNTS: usize = 6;

fn first_refresh_token(name: &str) -> String {
    format!("first-rt-of-{name}-0123456789abcdef")
}

fn rounds() -> u32 {
    let wanted = std::env::var("TROUPE_SOAK_ROUNDS").ok();
    wanted.and_then(|number| number.parse().ok()).unwrap_or(3)
}

/// What was renewed goes on after a restart; the refresh token of the configuration is spent and stays unused.
#[tokio::test]
async fn a_restart_keeps_the_tokens() {
    let config = ["accounts:\n", &oauth("a", "app", "")].concat();
    let mut pool = Pool::new(&config);
    pool.seed("a", 3_600_000);
    pool.serve();
    pool.until_state("a", "active");
    for round in 0..3 {
        let (answer, asked) = pool.tell("any", message()).await;
        assert_eq!(
            (answer.status, asked),
            (200, vec!["oauth:a".to_owned()]),
            "{round}"
        );
        match round {
            0 => pool.stop(),
            _ => pool.kill(),
        }
        pool.serve();
    }
    assert_eq!((pool.family("a").spends, pool.to(TOKEN).len()), (1, 1));
    // A newer one made by hand, then killed.
    pool.operate("account.refresh", serde_json::json!({"name": "a"}))
        .unwrap();
    pool.kill();
    pool.serve();
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!((answer.status, asked), (200, vec!["oauth:a".to_owned()]));
    assert_eq!(pool.family("a").spends, 2);
}

/// An account that needs a login needs it after a restart as well; nobody presents its grant once more.
#[tokio::test]
async fn a_restart_forgets_no_refusal() {
    let accounts = oauth("a", "app~invalid_grant", "");
    let config = ["accounts:\n", &accounts].concat();
    let mut pool = Pool::new(&config);
    pool.seed("a", 3_600_000);
    pool.serve();
    pool.until_state("a", "needs_login");
    pool.kill();
    pool.serve();
    assert_eq!(pool.ask("any", message()).await.status, 503);
    assert_eq!(pool.account("a")["state"], "needs_login");
    assert_eq!(pool.family("a").spends, 1);
}

/// A new refresh token of the file is taken where the old one was refused; what was taken once is not taken again.
#[tokio::test]
async fn a_new_first_token_ends_the_need_of_a_login() {
    let account = |token: &str| {
        let entry = oauth("a", "app", "");
        [
            "accounts:\n",
            &entry.replace(&first_refresh_token("a"), token),
        ]
        .concat()
    };
    let (first, second) = (first_refresh_token("a"), first_refresh_token("a-anew"));
    let mut pool = Pool::new(&account(&first));
    // Nobody knows the first token: it is refused.
    pool.serve();
    pool.until_state("a", "needs_login");
    let asked = pool.to(TOKEN).len();
    pool.stop();
    pool.seed("a-anew", 3_600_000);
    pool.configure(&account(&second));
    pool.serve();
    pool.until_state("a", "active");
    assert_eq!(pool.ask("any", message()).await.status, 200);
    assert_eq!(pool.to(TOKEN).len(), asked + 1);
}

/// The same by a reload.
#[tokio::test]
async fn a_reload_brings_a_new_first_token() {
    let account = |token: &str| {
        let entry = oauth("a", "app", "");
        [
            "accounts:\n",
            &entry.replace(&first_refresh_token("a"), token),
        ]
        .concat()
    };
    let (first, second) = (first_refresh_token("a"), first_refresh_token("a-anew"));
    let pool = Pool::serving(&account(&first));
    pool.until_state("a", "needs_login");
    pool.seed("a-anew", 3_600_000);
    pool.configure(&account(&second));
    pool.until_state("a", "active");
    assert_eq!(pool.ask("any", message()).await.status, 200);
}

/// An account that nobody has logged in to yet gets its first refresh token by a reload.
#[tokio::test]
async fn a_reload_brings_the_first_token_of_an_account_without_any() {
    let with = oauth("a", "app", "");
    let without = with.replace(
        &format!(", refresh_token: {}", first_refresh_token("a")),
        ", authorize_url: \"MOCK/oauth/authorize\", redirect_uri: \"http://localhost:9/cb\"",
    );
    let pool = Pool::serving(&["accounts:\n", &without].concat());
    pool.until_state("a", "needs_login");
    pool.seed("a", 3_600_000);
    pool.configure(&["accounts:\n", &with].concat());
    pool.until_state("a", "active");
}

/// A refusal is remembered while the account is away.
#[tokio::test]
async fn an_account_that_comes_back_still_needs_its_login() {
    let (a, b) = (oauth("a", "app~invalid_grant", ""), api("b", ""));
    let bound = keys(&[("only", ", accounts: [a]")]);
    let mut pool = Pool::new(&["accounts:\n", &a, &b, &bound].concat());
    pool.seed("a", 3_600_000);
    pool.serve();
    pool.until_state("a", "needs_login");
    let spends = pool.to(TOKEN).len();
    pool.configure(&["accounts:\n", &b, &keys(&[("any", "")])].concat());
    assert!(process::until(PATIENCE, || pool
        .operate("account.show", serde_json::json!({"name": "a"}))
        .is_err()));
    pool.configure(&["accounts:\n", &a, &b, &bound].concat());
    assert!(process::until(PATIENCE, || pool
        .operate("account.show", serde_json::json!({"name": "a"}))
        .is_ok()));
    // It would be renewed for a request, if for nothing else.
    pool.until_state("a", "needs_login");
    let bound = pool.ask("only", message()).await;
    assert_eq!(bound.status, 503, "{}", bound.text());
    assert_eq!(pool.to(TOKEN).len(), spends);
}

/// Pauses go on after a restart, to their end and not beyond.
#[tokio::test]
async fn a_restart_keeps_the_pauses() {
    let bound = keys(&[
        ("long", ", accounts: [long]"),
        ("short", ", accounts: [short]"),
    ]);
    let config = ["accounts:\n", &api("long", ""), &api("short", ""), &bound].concat();
    let mut pool = Pool::serving(&config);
    for (name, seconds) in [("long", "600"), ("short", "1")] {
        pool.script([Scenario {
            headers: vec![("retry-after".into(), seconds.into())],
            ..Scenario::status(429)
        }]);
        assert_eq!(pool.ask(name, message()).await.status, 429);
    }
    pool.until("long", "saved", |account| {
        account["state"] == "cooling_down"
    });
    for end in [Pool::stop, Pool::kill] {
        end(&mut pool);
        pool.serve();
        let (own, asked) = pool.tell("long", message()).await;
        assert_eq!((own.status, asked.len()), (429, 0), "{}", own.text());
        let seconds: u64 = own
            .header("retry-after")
            .expect("a time")
            .parse()
            .expect("seconds");
        assert!((500..=600).contains(&seconds), "{seconds}");
    }
    pool.until_state("short", "active");
    assert_eq!(pool.ask("short", message()).await.status, 200);
}

/// Never two spends while the old access token lives; afterwards every account is of use, or plainly needs a login.
#[tokio::test]
async fn kill_9_in_the_middle_of_a_renewal() {
    let (mut usable, mut lost) = (0, 0);
    for round in 0..rounds() {
        let (of_use, needing) = killed(round).await;
        usable += of_use;
        lost += needing;
    }
    println!("{usable} accounts of use, {lost} in need of a login");
    assert!(usable > 0);
}

async fn killed(round: u32) -> (usize, usize) {
    let names: Vec<_> = (0..ACCOUNTS)
        .map(|number| format!("r{round}-{number}"))
        .collect();
    let bindings: Vec<_> = names
        .iter()
        .map(|name| format!(", accounts: [{name}]"))
        .collect();
    let bound: Vec<_> = names
        .iter()
        .zip(&bindings)
        .map(|(n, b)| (&**n, &**b))
        .collect();
    // Some endpoints answer late, so that the kill comes before or after they have rotated.
    let accounts: String = names
        .iter()
        .enumerate()
        .map(|(at, name)| oauth(name, if at % 2 == 0 { "app~slow_80" } else { "app" }, ""))
        .collect();
    let mut pool = Pool::new(&["accounts:\n", &accounts, &keys(&bound)].concat());
    names.iter().for_each(|name| pool.seed(name, 2_000));
    pool.serve();
    for name in &names {
        pool.until_state(name, "active");
    }
    let first = pool.to(TOKEN).len();
    let running = || {
        pool.to(TOKEN)
            .iter()
            .skip(first)
            .any(|entry| !entry.is_over())
    };
    assert!(process::until(PATIENCE, running), "no renewal is met");
    pool.kill();
    pool.serve();

    let (mut usable, mut lost) = (0, 0);
    for name in &names {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let last = pool.ask(name, message()).await.status;
            let state = pool.account(name)["state"].clone();
            let family = pool.family(name);
            assert_eq!(family.repeats_while_live, 0, "{name}: {family:?}");
            match (last, state.as_str()) {
                (200, Some("active")) if !is_unknown(&pool, name) => {
                    assert!(!family.revoked, "{name}: {family:?}");
                    usable += 1;
                    break;
                }
                (503, Some("needs_login")) => {
                    lost += 1;
                    break;
                }
                (200 | 503, _) => {}
                (status, _) => panic!("{name}: {status}\n{}", pool.log()),
            }
            assert!(
                std::time::Instant::now() < end,
                "{name}: {:#}",
                pool.account(name)
            );
        }
    }
    (usable, lost)
}

/// The token serves, and nobody knows whether it has a successor.
fn is_unknown(pool: &Pool, name: &str) -> bool {
    let phase = &pool.account(name)["credentials"][0]["token"]["phase"];
    phase == "unknown" || phase == "renewing"
}
