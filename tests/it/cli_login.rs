//! Accounts that a person logs in to, by hand and by a redirect, on a running gateway and on a stopped one.

use std::time::Duration;

use serde_json::Value;
use troupe_mock::FamilySeed;

use crate::process::{Process, free_address, until};
use crate::serve::{ACCOUNT, Ask, ENDS_WITHIN, KEY, Place};

const PASTE: &str = "https://page.example/code/callback";
const WEB: &str = "web_session: { enabled: true, acknowledge_terms: true, authorize_url: \"{base}/v1/oauth/{organization_uuid}/authorize\" }\n";

fn place(more: &str) -> Place {
    let place = Place::bare();
    place.configure(&format!(
        "keys: [{{ name: declared, secret: {KEY} }}]\n{more}"
    ));
    place
}

fn add(place: &Place, redirect_uri: &str) -> String {
    let url = place.upstream.url();
    let line = format!(
        "account add me --kind oauth --base-url {url} --oauth-token-url {url}/oauth/token --oauth-authorize-url {url}/oauth/authorize --oauth-client-id app --oauth-redirect-uri {redirect_uri} --oauth-scope one"
    );
    place.run(&line).ok()
}

/// The path and query of an address.
fn target(url: &str) -> &str {
    let after = url.find("://").expect("a URL") + 3;
    let path = url[after..].find('/').expect("a path") + after;
    &url[path..]
}

fn token(account: &Value) -> &Value {
    &account["credentials"][0]["token"]
}

fn logs_in_by_hand(place: &Place, gateway: Option<&Process>) {
    let told = add(place, PASTE);
    assert!(told.contains("troupe account login me"), "{told}");
    let shown = place.run("account show me --json").json();
    assert_eq!(shown["state"], "needs_login", "{shown}");
    if gateway.is_some() {
        assert_eq!(place.message(KEY, "default").status, 503);
    }
    for (pasted, told) in [
        ("", "empty"),
        ("two words", "not a code"),
        ("x#other", "another login"),
    ] {
        let done = place.run_with("account login me --paste", pasted);
        assert!(done.code == 1 || done.code == 2, "{done:?}");
        assert!(done.stderr.contains(told), "{done:?}");
    }
    let refused = place.run("account login nobody").error(1);
    assert!(refused.contains("account list"), "{refused}");
}

#[test]
fn a_login_needs_the_code_of_its_own_page() {
    logs_in_by_hand(&place(""), None);
    let place = place("");
    let gateway = place.serve();
    logs_in_by_hand(&place, Some(&gateway));
}

/// Runs the login in the background, opens the page that it prints, and follows the redirect to the port it listens on.
fn logs_in_by_redirect(place: &Place, name: &str) -> String {
    let mut login = Process::start(name, place.command("account login me"), place.path());
    let page = || {
        let told = login.stdout();
        told.lines()
            .find(|line| line.starts_with("http"))
            .map(str::to_owned)
    };
    assert!(
        until(Duration::from_secs(20), || page().is_some()),
        "{}",
        login.log()
    );
    let page = page().expect("the page");
    let agreed = Ask::get(target(&page)).send(place.upstream.address());
    let sent_to = agreed.header("location").expect("a redirect").to_owned();
    let address = sent_to["http://".len()..]
        .split('/')
        .next()
        .expect("an address");
    let stray = Ask::get("/favicon.ico").send(address.parse().expect("an address"));
    assert_eq!(stray.status, 404);
    let arrived = Ask::get(target(&sent_to)).send(address.parse().expect("an address"));
    assert_eq!(arrived.status, 200);
    assert!(arrived.body().contains("back to the terminal"));
    assert_eq!(login.ended(ENDS_WITHIN), 0, "{}", login.log());
    login.stdout()
}

#[test]
fn the_browser_brings_the_code() {
    let place = place("");
    add(&place, &format!("http://{}/cb", free_address()));
    let told = logs_in_by_redirect(&place, "stopped");
    assert!(told.contains("is logged in"), "{told}");
    let shown = place.run("account show me --json").json();
    assert_eq!(
        (&shown["state"], &token(&shown)["generation"]),
        (&"active".into(), &1.into())
    );
    let tested = place.run("account test me --json").json();
    assert_eq!(tested["credentials"][0]["auth"], "oauth");

    let _gateway = place.serve();
    assert_eq!(place.message(KEY, "default").status, 200);
    logs_in_by_redirect(&place, "running");
    let shown = place.run("account show me --json").json();
    assert_eq!(token(&shown)["generation"], 2, "{shown}");
    let renewals = shown["stats"]["renewals"].as_array().expect("a list");
    assert_eq!(renewals.last().expect("one")["outcome"], "login");
    assert_eq!(place.message(KEY, "default").status, 200);
}

#[test]
fn a_declared_account_is_logged_in_too() {
    let place = Place::bare();
    let url = place.upstream.url();
    let redirect = free_address();
    place.configure(&format!(
        "keys: [{{ name: declared, secret: {KEY} }}]
accounts:
  - name: me
    kind: oauth
    base_url: \"{url}\"
    oauth: {{ grant: refresh_token, token_url: \"{url}/oauth/token\", authorize_url: \"{url}/oauth/authorize\", client_id: app, redirect_uri: \"http://{redirect}/cb\" }}
"
    ));
    let mut gateway = place.serve();
    assert_eq!(place.message(KEY, "default").status, 503);
    logs_in_by_redirect(&place, "login");
    assert_eq!(place.message(KEY, "default").status, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
    let _again = place.start("again", place.command("serve"));
    assert_eq!(place.message(KEY, "default").status, 200);
}

#[test]
fn tokens_are_brought_and_renewed() {
    let place = place("");
    let seeded = place.upstream.oauth().seed(FamilySeed {
        family: "f".into(),
        ..FamilySeed::default()
    });
    add(&place, PASTE);
    let tokens = serde_json::json!({"access_token": seeded.access_token,
        "refresh_token": seeded.refresh_token, "expires_in_s": 3600});
    let told = place
        .run_with("account update me --tokens-stdin", &tokens.to_string())
        .ok();
    assert!(told.contains("generation 1"), "{told}");
    let error = place.run("account refresh me").error(1);
    assert!(error.contains("troupe serve"), "{error}");
    let gateway = place.serve();
    assert_eq!(place.message(KEY, "default").status, 200);
    let told = place.run("account refresh me").ok();
    assert!(told.contains("Renewed"), "{told}");
    let shown = place.run("account show me --json").json();
    assert_eq!(token(&shown)["generation"], 2, "{shown}");
    assert_eq!(
        place.upstream.oauth().family("f").expect("a family").spends,
        1
    );
    place.upstream.oauth().revoke("f");
    let error = place.run("account refresh me").error(1);
    assert!(error.contains("account login me"), "{error}");
    for secret in [&seeded.access_token, &seeded.refresh_token] {
        assert!(!gateway.log().contains(secret) && !shown.to_string().contains(secret));
    }
}

/// A refresh token alone is as good as a login, be the gateway there or not.
#[test]
fn a_grant_alone_ends_the_need_of_a_login() {
    for running in [false, true] {
        let place = place("");
        add(&place, PASTE);
        let seeded = |family: &str| {
            let family = FamilySeed {
                family: family.into(),
                ..FamilySeed::default()
            };
            place.upstream.oauth().seed(family).refresh_token
        };
        let bring = |token: &str| {
            let tokens = serde_json::json!({"refresh_token": token}).to_string();
            place
                .run_with("account update me --tokens-stdin", &tokens)
                .ok()
        };
        let until = |state: &str| {
            let shown = || place.run("account show me --json").json();
            let found = until(Duration::from_secs(20), || shown()["state"] == state);
            assert!(found, "{running}: {}", shown());
        };
        let first = seeded("first");
        place.upstream.oauth().revoke("first");
        bring(&first);
        let mut gateway = place.serve();
        until("needs_login");
        let second = seeded("second");
        if running {
            bring(&second);
        } else {
            gateway.signal("TERM");
            assert_eq!(gateway.ended(ENDS_WITHIN), 0, "{}", gateway.log());
            bring(&second);
            gateway = place.start("again", place.command("serve"));
        }
        until("active");
        assert_eq!(
            place.message(KEY, "default").status,
            200,
            "{}",
            gateway.log()
        );
    }
}

#[test]
fn a_web_session_is_used_after_its_terms() {
    let place = place("");
    let url = place.upstream.url();
    let add = format!(
        "account add web --kind web_session --web-base-url {url} --cookie-stdin --oauth-token-url {url}/oauth/token --oauth-authorize-url {url}/oauth/authorize --oauth-client-id app --oauth-redirect-uri {PASTE} --oauth-scope one"
    );
    let error = place.run_with(&add, "sk-session-hunter2").error(1);
    assert!(
        error.contains("acknowledge_terms") && error.contains("terms"),
        "{error}"
    );
    assert!(!error.contains("hunter2"));
    place.configure(&format!(
        "keys: [{{ name: declared, secret: {KEY} }}]\n{WEB}"
    ));
    let done = place.run_with(&add, "sk-session-hunter2");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stderr.starts_with("warning: a web session"),
        "{done:?}"
    );
    let done = place.run("account exchange web");
    assert_eq!(done.code, 0, "{done:?}");
    let shown = place.run("account show web --json").json();
    assert_eq!(shown["preferred_auth"], "oauth", "{shown}");
    assert_eq!(shown["credentials"][0]["auth"], "oauth");
    assert!(!shown.to_string().contains("hunter2"));
    place.run("account disable web").ok();
    let done = place.run("account enable web");
    assert!(
        done.code == 0 && done.stderr.starts_with("warning: "),
        "{done:?}"
    );
}

#[test]
fn the_choice_of_an_account_is_explained() {
    let place = place("");
    let error = place.run("account explain").error(1);
    assert!(error.contains("troupe serve"), "{error}");
    let _gateway = place.serve();
    let url = place.upstream.url();
    for (name, more) in [("one", "--tag eu"), ("two", "--deny-model *opus*")] {
        let line = format!("account add {name} --base-url {url} --api-key-stdin {more}");
        place.run_with(&line, ACCOUNT).ok();
    }
    place.run("key create eu --account-tag eu").ok();
    let told = place
        .run("account explain --model claude-opus-5 --json")
        .json();
    let accounts = told["accounts"].as_array().expect("a list");
    assert_eq!(
        (&accounts[0]["name"], &accounts[0]["place"]),
        (&"one".into(), &0.into())
    );
    assert_eq!(accounts[1]["why_not"], "not for this model");
    let ask = Ask::message("default", false)
        .key(KEY)
        .with("x-claude-code-session-id", "s1");
    assert_eq!(ask.send(place.address).status, 200);
    let line = "account explain --key declared --session s1 --json";
    let remembered = until(Duration::from_secs(5), || {
        let told = place.run(line).json();
        let home = &told["session_account"];
        !home.is_null() && told["accounts"][0]["name"] == *home
    });
    assert!(remembered, "{}", place.run(line).json());
    let table = place.run("account explain --key eu").ok();
    assert!(table.contains("not for this key"), "{table}");
}
