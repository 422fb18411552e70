use secrecy::ExposeSecret;
use serde_json::json;
use troupe_core::account::{AccountState, Auth, CoolDown, Health, LaneState};
use troupe_core::event::EventKind;

use super::super::accounts::*;
use super::super::patch::Patch;
use super::super::{ErrorCode, Operation, credential};
use super::{account, events, new_account, operations};

#[tokio::test]
async fn an_added_account_is_sealed_in_its_row() {
    let ops = operations().await;
    let add = new_account("main", "good-secret");
    assert!(!format!("{add:?}").contains("good-secret"));
    let info = add.run(&ops).await.unwrap();
    assert_eq!(info.base_url, "https://upstream.example/base");
    assert_eq!((info.state.as_str(), info.slots), ("active", None));
    assert_eq!(info.headers, ["anthropic-beta"]);
    let mut record = ops.stores.accounts.list().await.unwrap().remove(0);
    assert!(!record.sealed.windows(11).any(|part| part == b"good-secret"));
    let seed = credential::seed(&ops.vault, record.clone(), None, None).unwrap();
    assert_eq!(seed.secrets.api_key.unwrap().expose_secret(), "good-secret");
    record.id = troupe_core::AccountId::declared("another");
    assert!(
        credential::seed(&ops.vault, record, None, None).is_err(),
        "moved to another row"
    );
}

#[tokio::test]
async fn what_cannot_be_an_account_is_refused_without_its_secret() {
    let ops = operations().await;
    new_account("taken", "good").run(&ops).await.unwrap();
    let mut cases = Vec::new();
    let mut case = |said: &'static str, change: fn(&mut AddAccount)| {
        let mut add = new_account("main", "hunter2-hunter2");
        change(&mut add);
        cases.push((said, add));
    };
    case("begins with a letter", |add| add.name = "-x".into());
    case("account update taken", |add| add.name = "taken".into());
    case("is declared in", |add| add.name = "filed".into());
    case("`api_key`, `oauth` or", |add| add.kind = "api-key".into());
    case("http:// or https://", |add| {
        add.settings.base_url = Patch::Set("upstream".into())
    });
    case("must not end in `/v1`", |add| {
        add.settings.base_url = Patch::Set("https://h/v1/".into())
    });
    case("link-local", |add| {
        add.settings.base_url = Patch::Set("http://169.254.169.254".into())
    });
    case("header cannot carry", |add| {
        add.settings.api_key = Patch::Set("hunter2 hunter2".into())
    });
    case("is empty", |add| {
        add.settings.api_key = Patch::Set("".into())
    });
    case("needs `api_key`", |add| add.settings.api_key = Patch::Keep);
    case("at least 1", |add| add.settings.concurrent = Patch::Set(0));
    case("gateway itself", |add| {
        add.settings.headers = Patch::Set([("Authorization".into(), Some("x".into()))].into())
    });
    case("header cannot carry", |add| {
        add.settings.headers = Patch::Set([("x".into(), Some("a\r\nb".into()))].into())
    });
    case("percent", |add| {
        add.settings.reserve = Patch::Set(Reserve::Text("hunter2".into()))
    });
    case("`schedule`", |add| {
        add.settings.schedule = Patch::Set("hunter2".into())
    });
    case("`proxy`", |add| {
        add.settings.proxy = Patch::Set("ftp://u:hunter2@h".into())
    });
    case("certificate authority", |add| {
        add.settings.ca_file = Patch::Set("/nowhere/ca.pem".into())
    });
    case("prefers what", |add| {
        add.settings.preferred_auth = Patch::Set(troupe_core::account::PreferredAuth::Oauth)
    });
    for (said, add) in cases {
        let refusal = add.run(&ops).await.unwrap_err();
        assert!(refusal.message.contains(said), "{said}: {refusal}");
        assert!(!refusal.message.contains("hunter2"));
    }
    assert_eq!(ops.stores.accounts.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stopped_gateways_accounts_are_probed_directly() {
    let ops = operations().await;
    new_account("main", "good").run(&ops).await.unwrap();
    new_account("bad", "other").run(&ops).await.unwrap();
    for (name, ok) in [("main", true), ("filed", true), ("bad", false)] {
        let tested = TestAccount { name: name.into() }.run(&ops).await.unwrap();
        assert_eq!(
            matches!(tested.result, TestResult::Ok { latency_ms: 7, .. }),
            ok,
            "{name}"
        );
    }
    let json =
        serde_json::to_value(TestAccount { name: "bad".into() }.run(&ops).await.unwrap()).unwrap();
    assert_eq!(json["result"], "rejected");
    assert_eq!(json["status"], 401);
}

#[tokio::test]
async fn enabling_revives() {
    let ops = operations().await;
    let info = new_account("main", "good").run(&ops).await.unwrap();
    let name = || "main".to_owned();
    assert_eq!(
        DisableAccount { name: name() }
            .run(&ops)
            .await
            .unwrap()
            .state,
        "disabled"
    );
    let mut state = AccountState::new(info.id, 1);
    let lane = LaneState {
        health: Health::OutOfService {
            since_ms: 1,
            reason: "no credit".into(),
        },
        cooldowns: vec![CoolDown {
            model: None,
            betas: None,
            until_ms: u64::MAX >> 12,
            throttled: true,
        }],
        windows: Vec::new(),
    };
    state.lanes.insert(Auth::ApiKey, lane);
    state.stats.succeeded = 7;
    let accounts = &ops.stores.accounts;
    accounts.save_state(state, Vec::new()).await.unwrap();
    let shown = ShowAccount { name: name() }.run(&ops).await.unwrap();
    let credential = &shown.credentials[0];
    assert_eq!(
        (shown.state.as_str(), credential.cooldowns.len()),
        ("disabled", 1)
    );
    assert_eq!(credential.reason.as_deref(), Some("no credit"));
    let enabled = EnableAccount { name: name() }.run(&ops).await.unwrap();
    assert_eq!(
        (
            enabled.state.as_str(),
            enabled.credentials[0].cooldowns.len(),
            enabled.stats.unwrap().succeeded
        ),
        ("active", 0, 7)
    );
    let told = events(&ops).await;
    assert!(
        matches!(told.last(), Some(EventKind::AccountStateChanged { from, .. }) if from == "out_of_service"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_declared_account_is_revived_but_not_changed() {
    let ops = operations().await;
    let name = || "filed".to_owned();
    for refusal in [
        DisableAccount { name: name() }.run(&ops).await.unwrap_err(),
        RemoveAccount { name: name() }.run(&ops).await.unwrap_err(),
    ] {
        assert_eq!(refusal.code, ErrorCode::Declared);
        assert_eq!(
            refusal.message,
            "account filed is declared in /etc/troupe.yaml; change it there"
        );
    }
    assert!(
        EnableAccount { name: name() }
            .run(&ops)
            .await
            .unwrap()
            .declared
    );
}

#[tokio::test]
async fn a_removed_account_is_gone() {
    let ops = operations().await;
    new_account("main", "good").run(&ops).await.unwrap();
    let name = || "main".to_owned();
    RemoveAccount { name: name() }.run(&ops).await.unwrap();
    let refusal = RemoveAccount { name: name() }.run(&ops).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::NotFound);
    let left = ListAccounts {}.run(&ops).await.unwrap().accounts;
    assert_eq!(left.len(), 1);
    assert!(left[0].declared);
    assert!(matches!(
        events(&ops).await[..],
        [_, EventKind::AccountRemoved { .. }]
    ));
}

#[tokio::test]
async fn limits_of_an_account_change_one_by_one() {
    let ops = operations().await;
    let add = account(json!({
        "name": "a", "api_key": "good", "limits": { "usd_per_day": 50, "requests_per_minute": { "limit": 5, "on_limit": "shadow" } }
    }));
    add.run(&ops).await.unwrap();
    let update = async |limits: serde_json::Value| {
        let update: UpdateAccount =
            serde_json::from_value(json!({ "name": "a", "limits": limits })).unwrap();
        let info = update.run(&ops).await.map_err(|error| error.message)?;
        Ok(serde_json::Value::from(info.limits))
    };
    let shadow = json!({ "limit": 5, "on_limit": "shadow" });
    for (change, then) in [
        (
            json!({ "usd_per_day": "default", "tokens_per_hour": 7 }),
            Ok(json!({ "requests_per_minute": shadow, "tokens_per_hour": 7 })),
        ),
        (
            json!({ "concurrent": 4 }),
            Err("`limits` has `concurrent`, which is a setting of the account itself; write it beside `limits`".to_owned()),
        ),
        (serde_json::Value::Null, Ok(json!({}))),
    ] {
        assert_eq!(update(change.clone()).await, then, "{change}");
    }
}
