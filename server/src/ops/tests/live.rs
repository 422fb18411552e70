use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::json;
use troupe_actors::directory::Outside;
use troupe_actors::{Clock, Directory, DirectoryConfig, Tree};
use troupe_core::account::{AccountTell, Auth, Report, TokenSeed, Verdict};
use troupe_core::port::Member;
use troupe_mock::{FamilySeed, Mock, MockConfig};

use super::super::accounts::*;
use super::super::keys::*;
use super::super::{Operation, Operations, credential};
use super::{account, new_account, new_key, operations};
use crate::keeper::Keeper;

/// Runs `test` with a running directory, and ends its threads.
fn live<F: Future<Output = ()>>(test: impl FnOnce(Operations) -> F + 'static) {
    let system = actix_rt::System::new();
    system.block_on(async {
        let ops = operations().await;
        let tree = Tree::start(Clock::system(), tokio::runtime::Handle::current());
        let keeper = Arc::new(Keeper::new(
            Arc::clone(&ops.stores.accounts),
            Arc::clone(&ops.vault),
            Arc::default(),
            Member {
                node: "local".into(),
                boot_epoch: 1,
            },
        ));
        let directory = Directory::start(
            tree,
            ops.stores.clone(),
            Outside {
                prober: Arc::clone(&ops.prober),
                keeper,
            },
            DirectoryConfig::default(),
        );
        test(ops.live(Arc::clone(&directory))).await;
        directory.drain().await;
        // An actor counts as alive until its arbiter has dropped it, a moment after it has stopped.
        let gone = async {
            while directory.tree().alive() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let within = std::time::Duration::from_secs(10);
        assert!(tokio::time::timeout(within, gone).await.is_ok());
        assert!(directory.finish(), "nobody holds the directory");
    });
}

#[test]
fn a_change_of_a_key_is_published_at_once() {
    live(|ops| async move {
        let directory = ops.directory.clone().unwrap();
        let made = new_key("ci").run(&ops).await.unwrap();
        let hash = ops.hasher.hash(made.secret.expose_secret().as_bytes());
        assert_eq!(directory.key(&hash).unwrap().record().name, "ci");
        DisableKey { name: "ci".into() }.run(&ops).await.unwrap();
        assert!(!directory.key(&hash).unwrap().record().enabled);
        let rotate = RotateKey {
            name: "ci".into(),
            secret: None,
            grace: None,
        };
        let rotated = rotate.run(&ops).await.unwrap();
        assert!(directory.key(&hash).is_none(), "the old secret is unknown");
        let hash = ops.hasher.hash(rotated.secret.expose_secret().as_bytes());
        assert!(directory.key(&hash).is_some());
        let shown = ShowKey { name: "ci".into() }.run(&ops).await.unwrap();
        assert_eq!(shown.in_flight, Some(0));
        RevokeKey { name: "ci".into() }.run(&ops).await.unwrap();
        assert!(directory.key(&hash).is_none());
    });
}

#[test]
fn a_change_of_an_account_reaches_its_actor() {
    live(|ops| async move {
        let directory = ops.directory.clone().unwrap();
        let name = || "main".to_owned();
        let info = new_account("main", "good").run(&ops).await.unwrap();
        assert_eq!(
            info.slots,
            Some(SlotsInfo {
                in_use: 0,
                limit: Some(4)
            })
        );
        let active = directory.account(info.id).unwrap();
        let verdict = Verdict::OutOfService {
            reason: "no credit".into(),
        };
        let report = Report::new(Auth::ApiKey, 0, None, verdict);
        active.handle.tell(AccountTell::Reports(vec![report]));
        let tested = TestAccount { name: name() }.run(&ops).await.unwrap();
        assert!(matches!(tested.result, TestResult::Ok { .. }));
        let shown = ShowAccount { name: name() }.run(&ops).await.unwrap();
        assert_eq!(shown.state, "out_of_service");
        assert_eq!(
            EnableAccount { name: name() }
                .run(&ops)
                .await
                .unwrap()
                .state,
            "active"
        );
        assert_eq!(
            DisableAccount { name: name() }
                .run(&ops)
                .await
                .unwrap()
                .state,
            "disabled"
        );
        RemoveAccount { name: name() }.run(&ops).await.unwrap();
        assert!(directory.account(info.id).is_none());
    });
}

#[test]
fn tokens_are_renewed_by_the_actor() {
    live(|ops| async move {
        let upstream = Mock::start(MockConfig::default()).await.unwrap();
        let seeded = upstream.oauth().seed(FamilySeed {
            family: "f".into(),
            ..FamilySeed::default()
        });
        let item = json!({"name": "me", "kind": "oauth", "base_url": upstream.url(),
            "oauth": {"token_url": format!("{}/oauth/token", upstream.url()), "client_id": "app"},
            "tokens": {"access_token": seeded.access_token, "refresh_token": seeded.refresh_token,
                "expires_in_s": 3600}});
        let info = account(item).run(&ops).await.unwrap();
        assert_eq!(info.credentials[0].token.as_ref().unwrap().generation, 1);
        let refresh = RefreshAccount { name: "me".into() };
        let info = refresh.run(&ops).await.unwrap();
        assert_eq!(info.credentials[0].token.as_ref().unwrap().generation, 2);
        let renewals = info.stats.unwrap().renewals;
        assert_eq!(renewals.last().unwrap().outcome, "renewed");
        upstream.oauth().revoke("f");
        let refresh = RefreshAccount { name: "me".into() };
        let refused = refresh.run(&ops).await.unwrap_err();
        assert!(refused.message.contains("account login me"), "{refused}");
        let plain = new_account("main", "good").run(&ops).await.unwrap();
        let refused = RefreshAccount { name: plain.name }
            .run(&ops)
            .await
            .unwrap_err();
        assert!(refused.message.contains("no oauth"), "{refused}");
    });
}

/// The store could not take a renewal, so that the actor is ahead of it; a login is newer than both.
#[test]
fn a_login_replaces_tokens_that_were_never_stored() {
    live(|ops| async move {
        let upstream = Mock::start(MockConfig::default()).await.unwrap();
        let item = json!({"name": "me", "kind": "oauth", "base_url": upstream.url(),
            "oauth": {"token_url": format!("{}/oauth/token", upstream.url()), "client_id": "app"},
            "tokens": {"access_token": "first", "expires_in_s": 3600, "refresh_token": "spent"}});
        let info = account(item).run(&ops).await.unwrap();
        let directory = ops.directory.clone().unwrap();
        let records = ops.stores.accounts.list().await.unwrap();
        let mut seed = credential::seed(&ops.vault, records[0].clone(), None, None).unwrap();
        let mut row = ops.stores.accounts.token(info.id).await.unwrap().unwrap();
        row.generation = 9;
        seed.token = Some(TokenSeed {
            token: credential::token_of(&row, "renewed".into()),
            ..TokenSeed::default()
        });
        directory.put_accounts(vec![seed], &[]);
        let active = directory.account(info.id).unwrap();
        let serves = async |token: &str| {
            let serves = || {
                let view = active.view.load();
                view.secret_of(Auth::Oauth).unwrap().expose_secret() == token
            };
            let served = async {
                while !serves() {
                    tokio::task::yield_now().await;
                }
            };
            let within = std::time::Duration::from_secs(10);
            tokio::time::timeout(within, served).await.expect(token);
        };
        serves("renewed").await;
        let brought = json!({"name": "me",
            "tokens": {"access_token": "login", "refresh_token": "new", "expires_in_s": 3600}});
        let update: UpdateAccount = serde_json::from_value(brought).unwrap();
        update.run(&ops).await.unwrap();
        serves("login").await;
    });
}

#[test]
fn the_ranking_is_explained() {
    live(|ops| async move {
        for (name, extra) in [
            ("a", json!({"tags": ["eu"], "weight": 2})),
            ("b", json!({"deny_models": ["*opus*"], "tags": ["eu"]})),
            ("c", json!({})),
        ] {
            let mut item = json!({"name": name, "api_key": "good", "concurrent": 2});
            item.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            account(item).run(&ops).await.unwrap();
        }
        DisableAccount { name: "c".into() }.run(&ops).await.unwrap();
        let mut key = new_key("ci");
        key.rights.account_tags = Some(vec!["eu".into()]);
        key.rights.models = Some(vec!["claude-*".into()]);
        key.run(&ops).await.unwrap();
        let explain = |model: &str, key: Option<&str>| ExplainRouting {
            model: Some(model.into()),
            key: key.map(Into::into),
            session: None,
        };
        let told = explain("claude-opus-5", None).run(&ops).await.unwrap();
        let rows: Vec<_> = told
            .accounts
            .iter()
            .map(|a| (a.name.as_str(), a.place, a.why_not.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [
                ("a", Some(0), None),
                ("b", None, Some("not for this model")),
                ("c", None, Some("disabled")),
            ]
        );
        let terms = told.accounts[0].terms.as_ref().unwrap();
        assert_eq!((terms.weight, terms.limit, terms.in_use), (2, Some(2), 0));
        let told = explain("gpt-9", Some("ci")).run(&ops).await.unwrap();
        assert_eq!(
            told.refused.as_deref(),
            Some("the key may not ask for this model")
        );
        let with_session = ExplainRouting {
            session: Some("s".into()),
            ..explain("claude-haiku-4-5", None)
        };
        assert!(
            with_session
                .run(&ops)
                .await
                .unwrap_err()
                .message
                .contains("name the key")
        );
        assert!(explain("m", Some("nobody")).run(&ops).await.is_err());
        let told = explain("claude-haiku-4-5", Some("ci"))
            .run(&ops)
            .await
            .unwrap();
        let last = told.accounts.last().unwrap();
        assert_eq!(last.why_not.as_deref(), Some("not for this key"));
        assert_eq!(told.accounts.iter().filter(|a| a.candidate).count(), 3 - 1);
    });
}
