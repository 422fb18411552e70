//! Logins and exchanges against the scripted authorization server.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use troupe_core::account::{Auth, PreferredAuth};
use troupe_core::event::EventKind;
use troupe_mock::{Mock, MockConfig, MockServer};
use url::Url;

use super::super::accounts::*;
use super::super::{ErrorCode, Operation, Operations};
use super::{account, events, operations, with_web};

async fn upstream() -> MockServer {
    Mock::start(MockConfig::default()).await.unwrap()
}

fn item(upstream: &MockServer, client_id: &str, redirect_uri: &str) -> Value {
    let url = upstream.url();
    json!({"name": "me", "kind": "oauth", "base_url": url, "oauth": {
        "token_url": format!("{url}/oauth/token"), "authorize_url": format!("{url}/oauth/authorize"),
        "client_id": client_id, "redirect_uri": redirect_uri, "scopes": ["one", "two"]}})
}

/// What the person's browser gets at `url`, who has agreed.
async fn browse(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    let at = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let target = &url[url::Position::BeforePath..];
    let request = format!("GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn shown_code(page: &str) -> String {
    page.rsplit("\r\n\r\n").next().unwrap().trim().to_owned()
}

fn location(page: &str) -> String {
    let mut lines = page.lines();
    let line = lines.find_map(|line| line.strip_prefix("location: "));
    line.unwrap_or_else(|| panic!("{page}")).to_owned()
}

async fn start(ops: &Operations) -> StartedLogin {
    let start = StartLogin { name: "me".into() };
    start.run(ops).await.unwrap()
}

async fn complete(ops: &Operations, id: &str, pasted: &str) -> Result<LoggedIn, super::OpError> {
    let complete = CompleteLogin {
        login_id: id.to_owned(),
        pasted: pasted.into(),
    };
    complete.run(ops).await
}

#[tokio::test]
async fn a_person_logs_in_by_a_pasted_code() {
    let (ops, upstream) = (operations().await, upstream().await);
    let redirect = "https://page.example/code/callback";
    account(item(&upstream, "app", redirect))
        .run(&ops)
        .await
        .unwrap();
    let started = start(&ops).await;
    assert_eq!(
        (started.how, started.redirect_uri.as_str()),
        (LoginHow::Paste, redirect)
    );
    assert!(started.url.contains("scope=one+two") && started.url.contains(&started.state));
    let code = shown_code(&browse(&started.url).await);
    let other = start(&ops).await;
    for (text, said) in [
        ("", "nothing was pasted"),
        ("two words", "not a code"),
        (
            "https://page.example/cb?error=access_denied",
            "refused the login",
        ),
    ] {
        let refusal = complete(&ops, &started.login_id, text).await.unwrap_err();
        assert!(refusal.message.contains(said), "{refusal}");
    }
    let refusal = complete(&ops, &other.login_id, &code).await.unwrap_err();
    assert!(refusal.message.contains("another login"), "{refusal}");
    let done = complete(&ops, &started.login_id, &code).await.unwrap();
    assert_eq!(
        (done.generation, done.account.state.as_str()),
        (1, "active")
    );
    assert!(matches!(
        events(&ops).await.last(),
        Some(EventKind::AccountLoggedIn { generation: 1, .. })
    ));
    let again = complete(&ops, &started.login_id, &code).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::NotFound, "each once");
    // Another login is the next generation, whatever stood before.
    let code = shown_code(&browse(&other.url).await);
    assert_eq!(
        complete(&ops, &other.login_id, &code)
            .await
            .unwrap()
            .generation,
        2
    );
    assert_eq!(upstream.oauth().families().len(), 2);
}

#[tokio::test]
async fn the_browser_is_sent_here_with_the_code() {
    let (ops, upstream) = (operations().await, upstream().await);
    account(item(&upstream, "app", "http://127.0.0.1:7/cb"))
        .run(&ops)
        .await
        .unwrap();
    let started = start(&ops).await;
    assert_eq!(started.how, LoginHow::Redirect);
    let address = location(&browse(&started.url).await);
    assert!(
        address.starts_with("http://127.0.0.1:7/cb?code="),
        "{address}"
    );
    complete(&ops, &started.login_id, &address).await.unwrap();
}

#[tokio::test]
async fn what_fails_says_what_to_do() {
    let (ops, upstream) = (operations().await, upstream().await);
    let redirect = "https://page.example/code/callback";
    for (client, said) in [
        ("app~invalid_grant", "start again with a new code"),
        ("app~500", "may be spent"),
        ("app~429", "when it answers"),
    ] {
        account(item(&upstream, client, redirect))
            .run(&ops)
            .await
            .unwrap();
        let started = start(&ops).await;
        let code = shown_code(&browse(&started.url).await);
        let failed = complete(&ops, &started.login_id, &code).await.unwrap_err();
        assert_eq!(failed.code, ErrorCode::Upstream);
        assert!(failed.message.contains(said), "{failed}");
        assert!(!failed.message.contains(&code), "{failed}");
        RemoveAccount { name: "me".into() }.run(&ops).await.unwrap();
    }
    let plain = StartLogin {
        name: "filed".into(),
    }
    .run(&ops)
    .await
    .unwrap_err();
    assert!(plain.message.contains("no oauth"), "{plain}");
}

#[tokio::test]
async fn a_session_is_exchanged_for_tokens() {
    let (ops, upstream) = (with_web(operations().await), upstream().await);
    let mut item = item(&upstream, "app", "https://page.example/cb");
    item["web"] = json!({"base_url": upstream.url(), "cookie": "sk-session-1"});
    account(item).run(&ops).await.unwrap();
    let exchange = ExchangeAccount { name: "me".into() };
    let done = exchange.run(&ops).await.unwrap();
    assert_eq!(
        (done.generation, done.account.preferred_auth),
        (1, PreferredAuth::Oauth)
    );
    assert_eq!(done.account.credentials[0].auth, Auth::Oauth);
    assert_eq!(done.account.credentials[0].state, "active");
    let change = json!({"name": "me", "web": {"cookie": "sk-challenged-1"}});
    let update: UpdateAccount = serde_json::from_value(change).unwrap();
    update.run(&ops).await.unwrap();
    let exchange = ExchangeAccount { name: "me".into() };
    let refused = exchange.run(&ops).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Upstream, "{refused}");
}
