use std::collections::HashMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use troupe_core::account::{
    AccountKind, AccountRecord, AccountView, Auth, Probe, ProbeKind, Renewal, Renewed, Report,
    Scope, Secrets, TokenRow, Verdict,
};
use troupe_core::event::DomainEvent;
use troupe_core::key::{HashScheme, KeyRecord, KeyTotals, Priority, StoredSecret};
use troupe_core::limit::{Amounts, Demand, Hold};
use troupe_core::port::*;
use troupe_core::quota::{QuotaAsk, QuotaReply, QuotaTell, Settlement, Wanted};
use troupe_core::{AccountId, KeyHash, KeyId, LimitId, SessionKey};

use crate::directory::AccountSeed;
use crate::shell::Clock;
use crate::tree::Tree;
use crate::{Directory, DirectoryConfig, directory::Outside};

/// The smallest store that a directory can run on: it only remembers totals.
#[derive(Default)]
struct Totals(Mutex<HashMap<KeyId, KeyTotals>>);

fn done<T: Send + 'static>(value: T) -> PortFuture<'static, T> {
    Box::pin(ready(Ok(value)))
}

impl KeyStore for Totals {
    fn list(&self) -> PortFuture<'_, Vec<KeyRecord>> {
        done(Vec::new())
    }
    fn put(&self, record: KeyRecord, _: Expect, _: DomainEvent) -> PortFuture<'_, KeyRecord> {
        done(record)
    }
    fn totals(&self, id: KeyId) -> PortFuture<'_, KeyTotals> {
        done(self.0.lock().unwrap().get(&id).copied().unwrap_or_default())
    }
    fn save_totals(&self, id: KeyId, totals: KeyTotals) -> PortFuture<'_, ()> {
        self.0.lock().unwrap().insert(id, totals);
        done(())
    }
}

impl AccountStore for Totals {
    fn list(&self) -> PortFuture<'_, Vec<troupe_core::account::AccountRecord>> {
        done(Vec::new())
    }
    fn put(
        &self,
        record: troupe_core::account::AccountRecord,
        _: Expect,
        _: DomainEvent,
    ) -> PortFuture<'_, troupe_core::account::AccountRecord> {
        done(record)
    }
    fn remove(&self, _: AccountId, _: DomainEvent) -> PortFuture<'_, ()> {
        done(())
    }
    fn states(&self) -> PortFuture<'_, Vec<troupe_core::account::AccountState>> {
        done(Vec::new())
    }
    fn save_state(
        &self,
        _: troupe_core::account::AccountState,
        _: Vec<DomainEvent>,
    ) -> PortFuture<'_, ()> {
        done(())
    }
    fn tokens(&self) -> PortFuture<'_, Vec<TokenRow>> {
        done(Vec::new())
    }
    fn token(&self, _: AccountId) -> PortFuture<'_, Option<TokenRow>> {
        done(None)
    }
    fn put_token(
        &self,
        row: TokenRow,
        _: Expect,
        _: Option<DomainEvent>,
    ) -> PortFuture<'_, TokenRow> {
        done(row)
    }
}

impl SessionStore for Totals {
    fn save(&self, _: Vec<SessionRow>) -> PortFuture<'_, ()> {
        done(())
    }
    fn load(&self, _: u64, _: usize) -> PortFuture<'_, Vec<SessionRow>> {
        done(Vec::new())
    }
    fn prune(&self, _: u64) -> PortFuture<'_, usize> {
        done(0)
    }
}

impl QuotaStore for Totals {
    fn load(&self, _: Vec<LimitId>, _: u64) -> PortFuture<'_, Vec<QuotaRow>> {
        done(Vec::new())
    }
    fn save(&self, _: Vec<QuotaRow>) -> PortFuture<'_, ()> {
        done(())
    }
    fn prune(&self, _: u64) -> PortFuture<'_, usize> {
        done(0)
    }
}

impl CellRows for Totals {
    fn open(&self, _: LimitId, _: u64, _: u64, charged: u64) -> Arc<dyn Counter> {
        Arc::new(Plain(AtomicU64::new(charged)))
    }
    fn in_use(&self) -> usize {
        0
    }
    fn is_durable(&self) -> bool {
        false
    }
}

struct Plain(AtomicU64);

impl Counter for Plain {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

impl ResourceStore for Totals {
    fn own(&self, owner: ResourceOwner) -> PortFuture<'_, ResourceOwner> {
        done(owner)
    }
    fn owner(&self, _: String) -> PortFuture<'_, Option<ResourceOwner>> {
        done(None)
    }
}

impl UsageStore for Totals {
    fn add(&self, _: troupe_core::usage::UsageBatch) -> PortFuture<'_, ()> {
        done(())
    }
    fn query(
        &self,
        _: troupe_core::usage::UsageQuery,
    ) -> PortFuture<'_, Vec<troupe_core::usage::UsageRow>> {
        done(Vec::new())
    }
    fn prune(&self, _: u32) -> PortFuture<'_, usize> {
        done(0)
    }
    fn series(
        &self,
        _: troupe_core::usage::SeriesQuery,
    ) -> PortFuture<'_, Vec<troupe_core::usage::SeriesRow>> {
        done(Vec::new())
    }
    fn prune_series(&self, _: troupe_core::usage::Grain, _: u32) -> PortFuture<'_, usize> {
        done(0)
    }
}

impl MetaStore for Totals {
    fn get(&self, _: &'static str) -> PortFuture<'_, Option<Vec<u8>>> {
        done(None)
    }
    fn put_if_absent(&self, _: &'static str, value: Vec<u8>) -> PortFuture<'_, Vec<u8>> {
        done(value)
    }
    fn replace(&self, _: &'static str, _: Vec<u8>, _: Vec<u8>) -> PortFuture<'_, ()> {
        done(())
    }
}

impl EventStore for Totals {
    fn after(&self, _: u64, _: usize) -> PortFuture<'_, Vec<(u64, DomainEvent)>> {
        done(Vec::new())
    }
}

impl LogStore for Totals {
    fn append(&self, _: Vec<troupe_core::record::RequestRecord>) -> PortFuture<'_, ()> {
        done(())
    }
    fn retain(&self, _: u64) -> PortFuture<'_, usize> {
        done(0)
    }
    fn find(
        &self,
        _: troupe_core::RequestId,
    ) -> PortFuture<'_, Option<troupe_core::record::RequestRecord>> {
        done(None)
    }
    fn tail(&self, _: troupe_core::log::LogQuery) -> PortFuture<'_, troupe_core::log::LogPage> {
        done(troupe_core::log::LogPage::default())
    }
    fn search(&self, _: troupe_core::log::LogSearch) -> PortFuture<'_, troupe_core::log::LogFound> {
        done(troupe_core::log::LogFound::default())
    }
}

impl BodyStore for Totals {
    fn append(&self, _: Vec<troupe_core::bodies::StoredBodies>) -> PortFuture<'_, ()> {
        done(())
    }
    fn find(
        &self,
        _: troupe_core::RequestId,
    ) -> PortFuture<'_, Option<troupe_core::bodies::StoredBodies>> {
        done(None)
    }
    fn of_day(&self, _: u64) -> PortFuture<'_, u64> {
        done(0)
    }
    fn retain(&self, _: u64) -> PortFuture<'_, usize> {
        done(0)
    }
}

impl AuditStore for Totals {
    fn append(&self, _: Vec<troupe_core::audit::AuditRow>) -> PortFuture<'_, ()> {
        done(())
    }
    fn anchor(&self, _: Arc<str>) -> PortFuture<'_, Option<troupe_core::audit::AuditAnchor>> {
        done(None)
    }
    fn search(
        &self,
        _: troupe_core::audit::AuditSearch,
    ) -> PortFuture<'_, Vec<troupe_core::audit::AuditRow>> {
        done(Vec::new())
    }
    fn retain(&self, _: u64) -> PortFuture<'_, usize> {
        done(0)
    }
}

impl Prober for Totals {
    fn probe(
        &self,
        _: Arc<AccountView>,
        _: Auth,
        _: ProbeKind,
    ) -> Pin<Box<dyn Future<Output = Probe> + Send + '_>> {
        Box::pin(ready(Probe::Ok {
            latency_ms: 1,
            said: String::new(),
        }))
    }
}

impl TokenKeeper for Totals {
    fn renew(
        &self,
        _: Arc<AccountView>,
        _: Option<secrecy::SecretString>,
        _: Renewal,
    ) -> Pin<Box<dyn Future<Output = Renewed> + Send + '_>> {
        Box::pin(ready(Renewed::Refused {
            reason: "nobody".into(),
        }))
    }
}

fn record(name: &str, concurrent: Option<u32>) -> KeyRecord {
    KeyRecord {
        hash: KeyHash([name.len() as u8; 32]),
        prefix: "troupe-abcdefgh".into(),
        limits: troupe_core::limit::LimitSet::of_concurrent(concurrent),
        version: 1,
        ..KeyRecord::new(KeyId::declared(name), name.into(), 0)
    }
}

fn with_directory<F: Future<Output = ()>>(
    config: DirectoryConfig,
    test: impl FnOnce(Arc<Directory>, Arc<Totals>) -> F,
) {
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    actix_rt::System::with_tokio_rt(paused).block_on(async {
        let store = Arc::new(Totals::default());
        let stores = Stores {
            accounts: store.clone(),
            keys: store.clone(),
            resources: store.clone(),
            sessions: store.clone(),
            quotas: store.clone(),
            cells: store.clone(),
            meta: store.clone(),
            events: store.clone(),
            log: store.clone(),
            bodies: store.clone(),
            usage: store.clone(),
            audit: store.clone(),
        };
        let directory = Directory::start(
            Tree::on_this_thread(Clock::virtual_time()),
            stores,
            Outside {
                prober: store.clone(),
                keeper: store.clone(),
            },
            config,
        );
        test(Arc::clone(&directory), store).await;
        directory.drain().await;
        // A removed key leaves by itself, when nobody is inside and its totals are saved.
        for _ in 0..1_000 {
            if directory.tree().alive() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert_eq!(
            (directory.tree().alive(), directory.tree().panics()),
            (0, 0)
        );
    });
}

#[test]
fn an_old_secret_is_known_until_its_end() {
    with_directory(DirectoryConfig::default(), |directory, _| async move {
        let mut key = record("ci", None);
        let until_ms = directory.clock().now().unix_ms + 60_000;
        let new = StoredSecret {
            hash: KeyHash([9; 32]),
            scheme: HashScheme::Sha256,
            prefix: "troupe-newnewne".into(),
        };
        key.rotate(new, Some(until_ms));
        directory.put_keys(vec![key.clone()], &[]);
        let (old, new) = (KeyHash([2; 32]), KeyHash([9; 32]));
        let known = || {
            (
                directory.key(&old).is_some(),
                directory.foreign_key(&new).is_some(),
            )
        };
        assert!(directory.has_foreign_keys());
        assert!(directory.key(&new).is_none(), "each by its own scheme");
        assert_eq!(known(), (true, true));
        tokio::time::sleep(Duration::from_millis(59_999)).await;
        assert_eq!(known(), (true, true));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(known(), (false, true));
        directory.put_keys(vec![], &[key.id]);
        assert_eq!(known(), (false, false));
    });
}

#[test]
fn a_key_is_activated_used_saved_and_passivated() {
    with_directory(DirectoryConfig::default(), |directory, store| async move {
        directory.put_keys(vec![record("ci", None)], &[]);
        let entry = directory.key(&KeyHash([2; 32])).unwrap();
        assert!(entry.active().is_none());
        let active = directory.activate_key(&entry).unwrap();
        let hold = active.entry.enter(directory.clock().now().mono_ms);
        let used = KeyTotals {
            requests: 1,
            ..KeyTotals::default()
        };
        active
            .handle
            .tell(QuotaTell::Settle(vec![Settlement { hold, used }]));
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!(entry.active().is_none(), "idle for an hour");
        assert!(active.entry.is_closed());
        assert_eq!(store.0.lock().unwrap()[&KeyId::declared("ci")].requests, 1);
        let again = directory.activate_key(&entry).unwrap();
        assert!(again.entry.enter(0).is_some());
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(
            again.ledger.totals().map(|totals| totals.requests),
            Some(1),
            "what was saved is read again"
        );
    });
}

#[test]
fn revoking_reaches_those_who_wait_and_the_look_up() {
    with_directory(DirectoryConfig::default(), |directory, _| async move {
        directory.put_keys(vec![record("ci", Some(1))], &[]);
        let entry = directory.key(&KeyHash([2; 32])).unwrap();
        let active = directory.activate_key(&entry).unwrap();
        let one = Amounts {
            requests: 1,
            ..Amounts::default()
        };
        let demand = Demand {
            bound: one,
            at_once: one,
        };
        let now_ms = directory.clock().now().unix_ms;
        let _slot = Hold::take(&active.gate, &demand, "m", now_ms, false).unwrap();
        let waiting = active.handle.ask(QuotaAsk::Reserve(Box::new(Wanted {
            demand,
            model: "m".into(),
            key: KeyId::declared("ci"),
            priority: Priority::Normal,
            deadline_ms: u64::MAX,
        })));
        let revoke = async { directory.put_keys(vec![], &[KeyId::declared("ci")]) };
        let (answer, ()) = tokio::join!(waiting, revoke);
        assert!(matches!(answer, Ok(QuotaReply::Unusable("disabled"))));
        assert!(directory.key(&KeyHash([2; 32])).is_none());
    });
}

#[test]
fn sessions_are_bounded_and_scoped_by_key() {
    let config = DirectoryConfig {
        max_sessions: 2,
        ..DirectoryConfig::default()
    };
    with_directory(config, |directory, _| async move {
        let (a, b) = (KeyId::declared("a"), KeyId::declared("b"));
        let first = directory
            .session(SessionKey { key: a, session: 1 })
            .unwrap();
        let other = directory
            .session(SessionKey { key: b, session: 1 })
            .unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        assert!(
            directory
                .session(SessionKey { key: a, session: 2 })
                .is_none()
        );
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(directory.session_count(), 0, "idle sessions leave");
        assert!(
            directory
                .session(SessionKey { key: a, session: 2 })
                .is_some()
        );
    });
}

#[test]
fn what_is_told_of_an_attempt_is_not_taken_back() {
    with_directory(DirectoryConfig::default(), |directory, _| async move {
        let (id, url) = (AccountId::declared("a"), "http://h".to_owned());
        let record = AccountRecord::new(id, "a".into(), AccountKind::ApiKey, url);
        let secrets = Secrets {
            api_key: Some("k-0123456789".to_owned().into()),
            ..Secrets::default()
        };
        let seed = AccountSeed {
            record,
            secrets,
            token: None,
            state: None,
        };
        directory.put_accounts(vec![seed], &[]);
        let account = directory.account(id).unwrap();
        let throttled = Verdict::Throttled {
            for_ms: Some(60_000),
            scope: Scope::Account,
        };
        let mut noting = Box::pin(account.note(Report::new(Auth::ApiKey, 0, None, throttled)));
        // The client leaves before the account has heard.
        assert!(noting.as_mut().now_or_never().is_none());
        drop(noting);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(account.view.load().lanes[0].cooldowns.len(), 1);
    });
}
