//! Operations on the memory store; with a running directory in [`live`].

mod accounts;
mod keys;
mod live;

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::SecretString;
use troupe_core::account::{AccountView, Probe};
use troupe_core::event::EventKind;
use troupe_core::port::Prober;
use troupe_storage::crypt::{Keyring, MasterKey};

use super::accounts::AddAccount;
use super::keys::CreateKey;
use super::*;
use crate::config::{Account, Config, Key, Secret};

/// Says of every credential whether it is `good`.
struct GoodOnly;

impl Prober for GoodOnly {
    fn probe(&self, account: Arc<AccountView>) -> Pin<Box<dyn Future<Output = Probe> + Send + '_>> {
        use secrecy::ExposeSecret;
        let good = account
            .credential
            .secret
            .expose_secret()
            .starts_with("good");
        Box::pin(ready(if good {
            Probe::Ok { latency_ms: 7 }
        } else {
            let message = "credential not accepted".into();
            Probe::Rejected {
                status: 401,
                message,
            }
        }))
    }
}

/// A store with one declared key (`filed`, secret `a-declared-secret-of-ci`) and one declared account (`filed`).
pub(crate) async fn operations() -> Operations {
    let backend = troupe_storage::open("memory:", Path::new("")).unwrap();
    let master = MasterKey::parse(&"7".repeat(64)).unwrap();
    let ring = Keyring::open(backend.stores.meta.as_ref(), &master)
        .await
        .unwrap();
    let config = Config {
        keys: vec![Key {
            name: "filed".into(),
            secret: Some(Secret::new("a-declared-secret-of-ci")),
            secret_file: None,
            owner: None,
            group: None,
            endpoints: Default::default(),
            resources: Default::default(),
            expires: None,
            limits: Default::default(),
        }],
        accounts: vec![Account::with_api_key("filed", Secret::new("good-filed"))],
        ..Config::default()
    };
    let declared = Declared::new(&config, Some(Path::new("/etc/troupe.yaml")), &ring.hasher);
    Operations::new(
        backend.stores,
        Arc::new(ring.vault),
        Arc::new(ring.hasher),
        Arc::new(ArcSwap::from_pointee(declared)),
        Arc::new(GoodOnly),
    )
}

pub(crate) fn new_key(name: &str) -> CreateKey {
    CreateKey {
        name: name.into(),
        ..CreateKey::default()
    }
}

fn new_account(name: &str, api_key: &str) -> AddAccount {
    AddAccount {
        name: name.into(),
        kind: "api_key".into(),
        base_url: Some("https://upstream.example/base/".into()),
        auth: Default::default(),
        api_key: SecretString::from(api_key),
        headers: [("anthropic-beta".to_owned(), "x".to_owned())].into(),
        models: Default::default(),
        concurrent: Some(4),
    }
}

async fn events(ops: &Operations) -> Vec<EventKind> {
    let events = ops.stores.events.after(0, 100).await.unwrap();
    events.into_iter().map(|(_, event)| event.kind).collect()
}
