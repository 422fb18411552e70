use std::sync::Arc;

use secrecy::ExposeSecret;
use troupe_actors::{Clock, Directory, DirectoryConfig, Tree};
use troupe_core::account::{AccountTell, Report, Verdict};

use super::super::accounts::*;
use super::super::keys::*;
use super::super::{Operation, Operations};
use super::{new_account, new_key, operations};

/// Runs `test` with a running directory, and ends its threads.
fn live<F: Future<Output = ()>>(test: impl FnOnce(Operations) -> F + 'static) {
    let system = actix_rt::System::new();
    system.block_on(async {
        let ops = operations().await;
        let tree = Tree::start(Clock::system(), tokio::runtime::Handle::current());
        let directory = Directory::start(
            tree,
            ops.stores.clone(),
            Arc::clone(&ops.prober),
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
        active.handle.tell(AccountTell::Reports(vec![Report {
            model: None,
            verdict,
        }]));
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
