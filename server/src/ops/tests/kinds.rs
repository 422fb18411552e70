//! Accounts of every kind, and their changes.

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use troupe_core::account::{Auth, Grant, SecretName};
use troupe_core::event::EventKind;
use troupe_core::port::Expect;

use super::super::accounts::*;
use super::super::{ErrorCode, Operation, Operations, credential};
use super::{account, events, operations, with_web};

fn oauth() -> Value {
    json!({
        "name": "me", "kind": "oauth", "group": "plans", "tags": ["eu"], "weight": 3, "priority": 2,
        "allow_models": ["claude-*"], "deny_models": ["*opus*"], "schedule": "mon-fri 08:00-18:00",
        "reserve": "90%", "proxy": "socks5://u:hunter2@127.0.0.1:1080",
        "oauth": {"preset": "claude_platform", "client_id": "app", "client_secret": "hunter2-client",
                  "redirect_uri": "http://localhost:7777/cb", "scopes": ["one"]},
        "tokens": {"access_token": "hunter2-access", "refresh_token": "hunter2-refresh", "expires_in_s": 600},
    })
}

async fn update(ops: &Operations, change: Value) -> Result<AccountInfo, super::OpError> {
    let update: UpdateAccount = serde_json::from_value(change).unwrap();
    update.run(ops).await
}

#[tokio::test]
async fn an_oauth_account_keeps_everything_and_shows_no_secret() {
    let ops = operations().await;
    let add = account(oauth());
    assert!(!format!("{add:?}").contains("hunter2"));
    let info = add.run(&ops).await.unwrap();
    let text = serde_json::to_string(&info).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let shown = info.oauth.as_ref().unwrap();
    assert_eq!(shown.grant, Grant::RefreshToken);
    assert_eq!(shown.token_url, "https://auth.claude.com/v1/oauth/token");
    assert_eq!((info.weight, info.priority, info.reserve), (3, 2, Some(90)));
    assert!(info.proxied);
    let token = info.credentials[0].token.as_ref().unwrap();
    assert_eq!((token.generation, token.phase.as_str()), (1, "idle"));
    assert_eq!((info.state.as_str(), info.credentials.len()), ("active", 1));
    let record = ops.stores.accounts.list().await.unwrap().remove(0);
    let sealed: Vec<u8> = record.secrets.values().flatten().copied().collect();
    assert_eq!(record.secrets.len(), 2);
    assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
    let row = ops.stores.accounts.token(record.id).await.unwrap().unwrap();
    let tokens = credential::open_tokens(&ops.vault, &row).unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "hunter2-access");
    assert_eq!(
        (row.expires_ms - row.obtained_ms, row.generation),
        (600_000, 1)
    );
    assert!(matches!(
        events(&ops).await[..],
        [
            EventKind::AccountCreated { .. },
            EventKind::AccountLoggedIn { generation: 1, .. }
        ]
    ));
}

#[tokio::test]
async fn without_a_token_it_needs_a_login_and_says_so() {
    let ops = operations().await;
    let mut item = oauth();
    item.as_object_mut().unwrap().remove("tokens");
    let info = account(item).run(&ops).await.unwrap();
    assert_eq!(info.state, "needs_login");
    assert_eq!(info.reason.as_deref(), Some("nobody has logged in yet"));
    let machine = json!({"name": "machine", "kind": "oauth",
        "oauth": {"token_url": "https://h/token", "grant": "client_credentials", "client_id": "a", "client_secret": "s"}});
    let info = account(machine).run(&ops).await.unwrap();
    assert_eq!(info.state, "renewing", "it gets its token by itself");
    let refused = RefreshAccount { name: "me".into() }
        .run(&ops)
        .await
        .unwrap_err();
    assert_eq!((refused.code, refused.exit()), (ErrorCode::NotRunning, 1));
    assert!(refused.message.contains("troupe serve"), "{refused}");
    let explained = ExplainRouting::default().run(&ops).await.unwrap_err();
    assert_eq!(explained.code, ErrorCode::NotRunning);
}

#[tokio::test]
async fn settings_are_replaced_removed_or_left() {
    let ops = operations().await;
    account(oauth()).run(&ops).await.unwrap();
    let change = json!({"name": "me", "weight": null, "schedule": null, "proxy": null, "tags": ["us"],
        "models": {"a": "b", "c": "d"}, "oauth": {"client_id": "other"}, "api_key": "hunter2-key"});
    let info = update(&ops, change).await.unwrap();
    assert_eq!((info.weight, info.schedule.as_deref()), (1, None));
    assert_eq!(
        (info.tags, info.group.as_deref()),
        (vec!["us".to_owned()], Some("plans"))
    );
    assert!(!info.proxied);
    let shown = info.oauth.unwrap();
    assert_eq!(shown.client_id.as_deref(), Some("other"));
    assert_eq!(shown.scopes, ["one"], "what is not given stays");
    let auths: Vec<_> = info.credentials.iter().map(|c| c.auth).collect();
    assert_eq!(auths, [Auth::ApiKey, Auth::Oauth]);
    let info = update(
        &ops,
        json!({"name": "me", "models": {"a": null}, "preferred_auth": "oauth"}),
    );
    let info = info.await.unwrap();
    assert_eq!(info.models, [("c".to_owned(), "d".to_owned())].into());
    assert_eq!(info.credentials[0].auth, Auth::Oauth);
    let record = ops.stores.accounts.list().await.unwrap().remove(0);
    assert!(record.secrets.contains_key(&SecretName::ClientSecret));
    assert!(!record.secrets.contains_key(&SecretName::Proxy));
    let tokens = json!({"name": "me", "tokens": {"refresh_token": "hunter2-new"}});
    let info = update(&ops, tokens).await.unwrap();
    assert_eq!(
        info.credentials[0].state, "renewing",
        "its access token is got at once"
    );
    for (change, said) in [
        (json!({"name": "me"}), "nothing to change"),
        (json!({"name": "me", "oauth": null}), "needs `oauth`"),
        (
            json!({"name": "me", "api_key": null, "preferred_auth": "api_key"}),
            "prefers what",
        ),
        (json!({"name": "me", "tokens": {}}), "access_token"),
        (
            json!({"name": "me", "tokens": {"access_token": "a", "expires_in_s": 1, "expires_at_ms": 1}}),
            "either",
        ),
        (
            json!({"name": "me", "oauth": {"preset": "nobody"}}),
            "claude_platform",
        ),
        (
            json!({"name": "me", "oauth": {"grant": "jwt_bearer"}}),
            "assertion_file",
        ),
        (json!({"name": "me", "weight": 9999}), "at most 1000"),
        (json!({"name": "nobody", "weight": 1}), "no account nobody"),
        (json!({"name": "filed", "weight": 1}), "is declared in"),
    ] {
        let refusal = update(&ops, change.clone()).await.unwrap_err();
        assert!(refusal.message.contains(said), "{change}: {refusal}");
    }
}

#[tokio::test]
async fn what_does_not_open_any_more_can_be_replaced() {
    let ops = operations().await;
    account(oauth()).run(&ops).await.unwrap();
    let key = json!({"name": "me", "api_key": "hunter2-key"});
    update(&ops, key.clone()).await.unwrap();
    let mut record = ops.stores.accounts.list().await.unwrap().remove(0);
    record.sealed = vec![1, 2, 3];
    record.ca_file = Some("/nowhere/ca.pem".into());
    let expect = Expect::Version(record.version);
    let event = ops.event(EventKind::AccountUpdated {
        id: record.id,
        name: "me".into(),
    });
    let put = ops.stores.accounts.put(record, expect, event).await;
    put.unwrap();
    let refusal = update(&ops, json!({"name": "me", "weight": 1})).await;
    assert!(refusal.unwrap_err().message.contains("account me"));
    let mut repair = key;
    repair["ca_file"] = Value::Null;
    update(&ops, repair).await.unwrap();
}

#[tokio::test]
async fn a_web_session_needs_its_terms_acknowledged() {
    let ops = operations().await;
    let item = json!({"name": "web", "kind": "web_session",
        "web": {"base_url": "http://127.0.0.1:9", "cookie": "sessionKey=hunter2", "preserve_chats": true}});
    let refusal = account(item.clone()).run(&ops).await.unwrap_err();
    assert_eq!((refusal.code, refusal.exit()), (ErrorCode::Terms, 1));
    assert!(refusal.message.contains(WEB_TERMS), "{refusal}");
    assert!(
        refusal.message.contains("web_session.acknowledge_terms"),
        "{refusal}"
    );
    assert!(!refusal.message.contains("hunter2"));
    let acknowledged = with_web(ops.clone());
    let info = account(item).run(&acknowledged).await.unwrap();
    assert!(info.web.as_ref().is_some_and(|web| web.preserve_chats));
    assert_eq!(
        (info.state.as_str(), info.credentials[0].auth),
        ("active", Auth::Web)
    );
    // Withdrawn: what is there stays as it is, and is not begun again.
    let name = || "web".to_owned();
    assert_eq!(
        update(&ops, json!({"name": "web", "weight": 2}))
            .await
            .unwrap()
            .weight,
        2
    );
    DisableAccount { name: name() }.run(&ops).await.unwrap();
    let refusal = EnableAccount { name: name() }.run(&ops).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Terms);
    let refusal = ExchangeAccount { name: name() }
        .run(&ops)
        .await
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Terms);
    let enabled = EnableAccount { name: name() }
        .run(&acknowledged)
        .await
        .unwrap();
    assert_eq!(enabled.state, "active");
    let away = json!({"name": "web", "kind": "api_key", "web": null, "api_key": "hunter2-key"});
    let other = account(json!({"name": "other", "api_key": "k"}));
    other.run(&ops).await.unwrap();
    let mut of_other = away.clone();
    of_other["name"] = "other".into();
    of_other["kind"] = "web_session".into();
    let refusal = update(&ops, of_other).await.unwrap_err();
    assert!(refusal.message.contains("needs `web`"), "{refusal}");
    let header = json!({"name": "web", "headers": {"User-Agent": "Mozilla"}});
    let refusal = update(&acknowledged, header).await.unwrap_err();
    assert!(refusal.message.contains("says what it is"), "{refusal}");
    let info = update(&ops, away).await.unwrap();
    assert_eq!((info.kind.as_str(), info.web), ("api_key", None));
    assert_eq!(info.credentials.len(), 1);
}

#[tokio::test]
async fn each_credential_is_tested() {
    let ops = operations().await;
    let mut item = oauth();
    item["api_key"] = "good-key".into();
    account(item).run(&ops).await.unwrap();
    let tested = TestAccount { name: "me".into() }.run(&ops).await.unwrap();
    let results: Vec<_> = tested
        .credentials
        .iter()
        .map(|c| (c.auth, &c.result))
        .collect();
    let [
        (Auth::ApiKey, TestResult::Ok { said, .. }),
        (Auth::Oauth, TestResult::Rejected { .. }),
    ] = results[..]
    else {
        panic!("{results:?}");
    };
    assert_eq!(said, "Message", "the smallest real request");
    assert_eq!(
        &tested.result, results[0].1,
        "of the one that is tried first"
    );
    let ended = json!({"name": "me", "tokens": {"access_token": "good", "refresh_token": "r", "expires_at_ms": 1}});
    update(&ops, ended).await.unwrap();
    let tested = TestAccount { name: "me".into() }.run(&ops).await.unwrap();
    let result = &tested.credentials[1].result;
    assert!(matches!(result, TestResult::Inconclusive { message } if message.contains("ended")));
}

#[tokio::test]
async fn a_single_use_refresh_token_is_one_accounts() {
    let ops = operations().await;
    account(oauth()).run(&ops).await.unwrap();
    let mut second = oauth();
    second["name"] = json!("you");
    let refusal = account(second.clone()).run(&ops).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Conflict);
    assert!(refusal.message.contains("those of account me"), "{refusal}");
    second["tokens"]["refresh_token"] = json!("another");
    account(second).run(&ops).await.unwrap();
    let back = json!({"name": "you", "tokens": {"access_token": "hunter2-access", "refresh_token": "hunter2-refresh", "expires_in_s": 600}});
    let refusal = update(&ops, back).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Conflict);
}
