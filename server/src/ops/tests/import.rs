//! Imports: what is taken, what is not, and that they may be repeated.

use std::collections::BTreeMap;

use troupe_core::account::{AccountRecord, Auth, PreferredAuth};
use troupe_core::event::EventKind;
use troupe_core::key::HashScheme;
use troupe_core::port::Expect;
use troupe_storage::crypt::plain_hash;

use super::super::accounts::*;
use super::super::import::*;
use super::super::{ErrorCode, Operation, Operations, credential};
use super::{new_account, new_key, operations, operations_on, with_web};
use crate::import::{ImportPlan, ImportedAccount, ImportedKey, ImportedOauth, KeySecret};

const SECRET: &str = "sk-hunter2-0123456789abcdef";

fn plan() -> ImportPlan {
    let oauth = ImportedOauth {
        access_token: "hunter2-at".into(),
        refresh_token: Some("hunter2-rt".into()),
        expires_at_ms: Some(u64::MAX >> 12),
        client_id: Some("theirs".into()),
        token_url: None,
    };
    let account = |name: &str| ImportedAccount {
        name: name.into(),
        source_id: format!("clove:{name}"),
        enabled: true,
        ..ImportedAccount::default()
    };
    let key = |name: &str, secret: KeySecret| ImportedKey {
        name: name.into(),
        source_id: format!("litellm:{name}"),
        secret,
        owner: Some("me".into()),
        group: None,
        expires_ms: Some(1),
        enabled: true,
        models: Some(vec!["claude-haiku-*".into()]),
        limits: BTreeMap::from([
            ("concurrent".into(), 3.into()),
            ("usd_per_month".into(), 9.into()),
        ]),
    };
    let hash = plain_hash(SECRET.as_bytes()).0;
    ImportPlan {
        accounts: vec![
            ImportedAccount {
                oauth: Some(oauth.clone()),
                web_cookie: Some("hunter2-cookie".into()),
                organization: Some("0b9c-1".into()),
                preferred_auth: PreferredAuth::Oauth,
                ..account("both")
            },
            ImportedAccount {
                web_cookie: Some("hunter2-web".into()),
                ..account("web")
            },
            ImportedAccount {
                api_key: Some("hunter2-key".into()),
                headers: [
                    ("x-api-token".into(), "hunter2-header".into()),
                    ("x-team".into(), "t".into()),
                ]
                .into(),
                ..account("taken")
            },
            ImportedAccount {
                oauth: Some(ImportedOauth {
                    refresh_token: None,
                    ..oauth
                }),
                ..account("access-only")
            },
        ],
        keys: vec![
            key("hashed", KeySecret::Sha256(hash)),
            key("filed", KeySecret::Plain("hunter2-plain-0123456789".into())),
            key("same", KeySecret::Plain(SECRET.into())),
            key("short", KeySecret::Plain("hunter2".into())),
        ],
        notes: Vec::new(),
    }
}

async fn apply(ops: &Operations, plan: &ImportPlan, dry_run: bool) -> Vec<ImportedItem> {
    let (accounts, keys) = items(plan, &OauthDefaults::default());
    let apply = ApplyImport {
        accounts,
        keys,
        dry_run,
    };
    assert!(!format!("{apply:?}").contains("hunter2"));
    // As it goes over the control socket.
    let apply: ApplyImport = serde_json::from_value(serde_json::to_value(apply).unwrap()).unwrap();
    let items = apply.run(ops).await.unwrap().items;
    assert!(!format!("{items:?}").contains("hunter2"), "{items:?}");
    items
}

fn outcomes(items: &[ImportedItem]) -> Vec<(&str, ImportOutcome)> {
    items
        .iter()
        .map(|item| (item.name.as_str(), item.outcome))
        .collect()
}

#[tokio::test]
async fn what_is_taken_is_taken_once() {
    use ImportOutcome::{Added, Refused, Unchanged, Updated};
    let folder = tempfile::tempdir().unwrap();
    let files = troupe_storage::open("sled:data", folder.path()).unwrap();
    for ops in [
        operations().await,
        operations_on(files.stores.clone()).await,
    ] {
        new_account("taken", "good").run(&ops).await.unwrap();
        let mut plan = plan();
        let added = [
            ("both", Added),
            ("web", Added),
            ("taken-2", Added),
            ("access-only", Refused),
            ("hashed", Added),
            ("filed-2", Added),
            ("same", Refused),
            ("short", Refused),
        ];
        let dry = apply(&ops, &plan, true).await;
        assert_eq!(outcomes(&dry), added, "a dry run says what would be");
        assert_eq!(ops.stores.accounts.list().await.unwrap().len(), 1);
        let first = apply(&ops, &plan, false).await;
        assert_eq!(outcomes(&first), added);
        let said = |name: &str| {
            let item = first.iter().find(|item| item.name == name).unwrap();
            item.notes.join("; ")
        };
        assert!(
            said("both").contains("its other credential serves"),
            "{}",
            said("both")
        );
        assert!(said("web").contains("disabled"));
        assert!(said("taken-2").contains("taken") && said("taken-2").contains("x-api-token"));
        assert_eq!(said("hashed"), "");
        let again = apply(&ops, &plan, false).await;
        assert_eq!(
            outcomes(&again[..3])
                .iter()
                .map(|i| i.1)
                .collect::<Vec<_>>(),
            [Unchanged; 3]
        );
        assert_eq!(
            outcomes(&again[4..6])
                .iter()
                .map(|i| i.1)
                .collect::<Vec<_>>(),
            [Unchanged; 2]
        );
        // A renewal here is not undone by the source's old tokens; new ones there are taken.
        let oauth = plan.accounts[0].oauth.as_mut().unwrap();
        oauth.refresh_token = Some("hunter2-rt2".into());
        let changed = apply(&ops, &plan, false).await;
        assert_eq!(outcomes(&changed)[0], ("both", Updated));
        let records = ops.stores.accounts.list().await.unwrap();
        let both = records.iter().find(|r| r.name == "both").unwrap();
        let row = ops.stores.accounts.token(both.id).await.unwrap().unwrap();
        assert_eq!(row.generation, 2);
        assert_eq!(apply(&ops, &plan, false).await[0].outcome, Unchanged);
        let web = records.iter().find(|r| r.name == "web").unwrap();
        assert!(both.enabled && !web.enabled);
        let secrets = credential::seed(&ops.vault, web.clone(), None, None)
            .unwrap()
            .secrets;
        assert!(secrets.web_cookie.is_some());
    }
    files.close().await.unwrap();
}

/// As `kill -9` leaves it between the record and its tokens.
#[tokio::test]
async fn an_import_that_was_cut_is_finished_by_the_next() {
    let ops = operations().await;
    apply(&ops, &plan(), false).await;
    let accounts = &ops.stores.accounts;
    let both = |all: Vec<AccountRecord>| all.into_iter().find(|r| r.name == "both").unwrap();
    let record = both(accounts.list().await.unwrap());
    let id = record.id;
    let event = |kind| ops.event(kind);
    let name = || "both".to_owned();
    let gone = event(EventKind::AccountRemoved { id, name: name() });
    accounts.remove(id, gone).await.unwrap();
    let made = event(EventKind::AccountCreated { id, name: name() });
    accounts.put(record, Expect::Absent, made).await.unwrap();
    let again = apply(&ops, &plan(), false).await;
    assert_eq!(outcomes(&again)[0], ("both", ImportOutcome::Updated));
    let row = accounts.token(id).await.unwrap().unwrap();
    let tokens = credential::open_tokens(&ops.vault, &row).unwrap();
    assert!(tokens.refresh_token.is_some());
    let third = apply(&ops, &plan(), false).await;
    assert_eq!(outcomes(&third)[0], ("both", ImportOutcome::Unchanged));
}

#[tokio::test]
async fn keys_come_with_what_is_known_of_them() {
    let ops = operations().await;
    apply(&ops, &plan(), false).await;
    let keys = ops.stores.keys.list().await.unwrap();
    let hashed = keys.iter().find(|key| key.name == "hashed").unwrap();
    assert_eq!(hashed.scheme, HashScheme::Sha256);
    assert_eq!(hashed.hash, plain_hash(SECRET.as_bytes()));
    assert_eq!((hashed.prefix.len(), hashed.expires_ms), (8, Some(1)));
    let limits = super::super::limits::info(&hashed.limits);
    assert_eq!(
        serde_json::Value::from(limits),
        serde_json::json!({ "concurrent": 3, "usd_per_month": 9 })
    );
    assert!(hashed.rules.permits("claude-haiku-4-5") && !hashed.rules.permits("claude-opus-5"));
    let upgraded = super::super::keys::upgrade(&ops, hashed.id, &SECRET.into()).await;
    assert_eq!(upgraded, Ok(true));
    let again = apply(&ops, &plan(), false).await;
    let item = again.iter().find(|item| item.name == "hashed").unwrap();
    assert_eq!(
        item.outcome,
        ImportOutcome::Unchanged,
        "known by where it came from"
    );
    let own = super::super::keys::CreateKey {
        secret: Some(SECRET.to_owned().into()),
        ..new_key("own")
    };
    assert!(own.run(&ops).await.is_err(), "its secret is taken");
}

#[tokio::test]
async fn acknowledged_web_sessions_serve() {
    let ops = with_web(operations().await);
    let items = apply(&ops, &plan(), false).await;
    assert_eq!(items[1].notes, Vec::<String>::new());
    let shown = ShowAccount { name: "web".into() }.run(&ops).await.unwrap();
    assert_eq!(
        (shown.state.as_str(), shown.credentials[0].auth),
        ("active", Auth::Web)
    );
    assert_eq!(shown.imported_from.as_deref(), Some("clove:web"));
}

#[tokio::test]
async fn an_import_whose_line_is_late_is_not_said_to_have_changed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ops = operations().await;
    let trail = folder.path().join("audit");
    let settings = crate::audit::Settings {
        dir: Some(trail.clone()),
        node: "local".into(),
        retention: std::time::Duration::from_secs(86_400),
    };
    let io = tokio::runtime::Handle::current();
    let audit = crate::audit::Audit::start(settings, ops.stores.clone(), &io).await;
    let ops = ops.audited_by(audit);
    // Between the question whether it can be told and the telling.
    std::fs::remove_dir_all(&trail).unwrap();
    let import = ApplyImport::default();
    let error = ops.carry_out(import).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unknown, "{error}");
    assert!(error.message.contains("it is done"), "{error}");
}
