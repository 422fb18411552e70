use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use troupe_core::account::{AccountRecord, AccountState, Intent};
use troupe_core::port::{AccountStore, Member, PortFuture};
use troupe_storage::crypt::{MasterKey, Vault};

use super::*;

/// A store that takes no tokens while it is `full`.
struct Full {
    inner: Arc<dyn AccountStore>,
    full: AtomicBool,
}

impl AccountStore for Full {
    fn list(&self) -> PortFuture<'_, Vec<AccountRecord>> {
        self.inner.list()
    }
    fn put(
        &self,
        record: AccountRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, AccountRecord> {
        self.inner.put(record, expect, event)
    }
    fn remove(&self, id: AccountId, event: DomainEvent) -> PortFuture<'_, ()> {
        self.inner.remove(id, event)
    }
    fn states(&self) -> PortFuture<'_, Vec<AccountState>> {
        self.inner.states()
    }
    fn save_state(&self, state: AccountState, events: Vec<DomainEvent>) -> PortFuture<'_, ()> {
        self.inner.save_state(state, events)
    }
    fn tokens(&self) -> PortFuture<'_, Vec<TokenRow>> {
        self.inner.tokens()
    }
    fn token(&self, id: AccountId) -> PortFuture<'_, Option<TokenRow>> {
        self.inner.token(id)
    }
    fn put_token(
        &self,
        row: TokenRow,
        expect: Expect,
        event: Option<DomainEvent>,
    ) -> PortFuture<'_, TokenRow> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unavailable("full".into())) });
        }
        self.inner.put_token(row, expect, event)
    }
}

fn row(generation: u64, sealed: u8) -> TokenRow {
    TokenRow {
        account: AccountId::declared("a"),
        generation,
        obtained_ms: 1,
        expires_ms: 2,
        sealed: vec![sealed],
        intent: None,
        needs_login: None,
        version: 0,
    }
}

async fn keeper() -> (Keeper, Arc<Full>) {
    let backend = troupe_storage::open("memory:", Path::new("")).unwrap();
    let store = Arc::new(Full {
        inner: backend.stores.accounts,
        full: AtomicBool::new(false),
    });
    store
        .put_token(row(1, 1), Expect::Absent, None)
        .await
        .unwrap();
    let vault = Vault::new(&MasterKey::parse(&"a".repeat(64)).unwrap());
    let member = Member {
        node: "local".into(),
        boot_epoch: 1,
    };
    let keeper = Keeper::new(store.clone(), Arc::new(vault), Arc::default(), member);
    (keeper, store)
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_was_not_stored_is_stored_before_the_next() {
    let (keeper, store) = keeper().await;
    let id = AccountId::declared("a");
    store.full.store(true, Ordering::SeqCst);
    keeper.unsaved.insert(id, row(2, 2));
    let refusal = keeper.save_late(id).await.unwrap_err();
    assert!(matches!(refusal, Renewed::Postponed { .. }), "{refusal:?}");
    assert!(keeper.unsaved.contains_key(&id), "it is not forgotten");
    store.full.store(false, Ordering::SeqCst);
    keeper.save_late(id).await.unwrap();
    let stands = store.token(id).await.unwrap().unwrap();
    assert_eq!((stands.generation, stands.sealed), (2, vec![2]));
    assert!(keeper.unsaved.is_empty());
}

#[tokio::test]
async fn an_intent_ends_although_its_row_was_sealed_anew() {
    let (keeper, store) = keeper().await;
    let id = AccountId::declared("a");
    let intent = Intent {
        generation: 1,
        node: "local".into(),
        boot_epoch: 1,
        at_ms: 1,
        last: false,
    };
    let open = TokenRow {
        intent: Some(intent),
        ..store.token(id).await.unwrap().unwrap()
    };
    let open = store
        .put_token(open, Expect::Version(1), None)
        .await
        .unwrap();
    let anew = TokenRow {
        sealed: vec![9],
        ..open.clone()
    };
    store
        .put_token(anew, Expect::Version(open.version), None)
        .await
        .unwrap();
    let ended = TokenRow {
        intent: None,
        needs_login: Some("refused".into()),
        ..open
    };
    keeper.conclude(ended).await.unwrap();
    let stands = store.token(id).await.unwrap().unwrap();
    assert_eq!((stands.intent, stands.sealed), (None, vec![9]));
    assert_eq!(stands.needs_login.as_deref(), Some("refused"));
}
