//! Operations on the memory store and on a store of files; with a running directory in [`live`].

mod accounts;
mod batch;
mod import;
mod key_life;
mod keys;
mod kinds;
mod live;
mod login;

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use troupe_core::account::{AccountView, Auth, Probe, ProbeKind};
use troupe_core::event::EventKind;
use troupe_core::port::{Prober, Stores};
use troupe_storage::crypt::{Keyring, MasterKey};

use super::accounts::{AccountSettings, AddAccount};
use super::keys::CreateKey;
use super::patch::Patch;
use super::*;
use crate::config::{Account, Config, Key, Secret};

/// Says of every credential whether it is `good`.
pub(super) struct GoodOnly;

impl Prober for GoodOnly {
    fn probe(
        &self,
        account: Arc<AccountView>,
        auth: Auth,
        kind: ProbeKind,
    ) -> Pin<Box<dyn Future<Output = Probe> + Send + '_>> {
        use secrecy::ExposeSecret;
        let secret = account.secret_of(auth);
        let good = secret.is_some_and(|secret| secret.expose_secret().starts_with("good"));
        Box::pin(ready(if good {
            Probe::Ok {
                latency_ms: 7,
                said: format!("{kind:?}"),
            }
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
    operations_on(backend.stores).await
}

/// The same on other stores.
async fn operations_on(stores: Stores) -> Operations {
    let master = MasterKey::parse(&"7".repeat(64)).unwrap();
    let ring = Keyring::open(stores.meta.as_ref(), &master).await.unwrap();
    let config = Config {
        keys: vec![Key {
            name: "filed".into(),
            secret: Some(Secret::new("a-declared-secret-of-ci")),
            secret_file: None,
            owner: None,
            group: None,
            tags: Vec::new(),
            note: None,
            endpoints: Default::default(),
            resources: Default::default(),
            accounts: None,
            account_groups: None,
            account_tags: None,
            models: None,
            deny_models: Vec::new(),
            addresses: Vec::new(),
            priority: Default::default(),
            expires: None,
            limits: Default::default(),
        }],
        accounts: vec![Account::with_api_key("filed", Secret::new("good-filed"))],
        ..Config::default()
    };
    let declared = Declared::new(&config, Some(Path::new("/etc/troupe.yaml")), &ring.hasher);
    Operations::new(
        stores,
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
        settings: AccountSettings {
            base_url: Patch::Set("https://upstream.example/base/".into()),
            api_key: Patch::Set(api_key.into()),
            headers: Patch::Set([("anthropic-beta".to_owned(), Some("x".to_owned()))].into()),
            concurrent: Patch::Set(4),
            ..AccountSettings::default()
        },
    }
}

/// An account from JSON, as programs send it.
fn account(json: serde_json::Value) -> AddAccount {
    serde_json::from_value(json).unwrap()
}

/// The same operations with web sessions acknowledged.
fn with_web(ops: Operations) -> Operations {
    let mut config = Config::default();
    config.web_session.enabled = true;
    config.web_session.acknowledge_terms = true;
    let url = "{base}/v1/oauth/{organization_uuid}/authorize";
    config.web_session.authorize_url = Some(url.into());
    let plan = Arc::new(Plan::compile(&config));
    ops.planned_by(move || Arc::clone(&plan))
}

async fn events(ops: &Operations) -> Vec<EventKind> {
    let events = ops.stores.events.after(0, 100).await.unwrap();
    events.into_iter().map(|(_, event)| event.kind).collect()
}
