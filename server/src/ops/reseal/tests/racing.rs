//! Another writer who is always a moment faster, once for each row.

use std::collections::HashSet;
use std::sync::Mutex;

use troupe_core::account::AccountState;
use troupe_core::event::DomainEvent;
use troupe_core::port::{AccountStore, PortFuture};

use super::*;

/// A store in which each row is written by somebody else, under the first key, just before its first write here.
struct Racing {
    inner: Arc<dyn AccountStore>,
    vault: Vault,
    met: Mutex<HashSet<(&'static str, AccountId)>>,
}

impl Racing {
    fn is_first(&self, what: &'static str, id: AccountId) -> bool {
        self.met.lock().unwrap().insert((what, id))
    }

    /// A renewal under the first key.
    async fn renew(&self, id: AccountId) {
        let old = self.inner.token(id).await.unwrap().unwrap();
        let generation = old.generation + 1;
        let aad = aad::token(id, generation);
        let sealed = self.vault.seal(&aad, &generation.to_le_bytes()).unwrap();
        let row = TokenRow {
            generation,
            sealed,
            ..old.clone()
        };
        let put = self
            .inner
            .put_token(row, Expect::Version(old.version), None);
        put.await.unwrap();
    }

    /// A change by an operator.
    async fn change(&self, id: AccountId, event: DomainEvent) {
        let accounts = self.inner.list().await.unwrap();
        let mut record = accounts.into_iter().find(|row| row.id == id).unwrap();
        let expect = Expect::Version(record.version);
        record.enabled = false;
        self.inner.put(record, expect, event).await.unwrap();
    }
}

impl AccountStore for Racing {
    fn list(&self) -> PortFuture<'_, Vec<AccountRecord>> {
        self.inner.list()
    }
    fn put(
        &self,
        record: AccountRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, AccountRecord> {
        Box::pin(async move {
            if self.is_first("account", record.id) {
                self.change(record.id, event.clone()).await;
            }
            self.inner.put(record, expect, event).await
        })
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
        Box::pin(async move {
            if self.is_first("token", row.account) {
                self.renew(row.account).await;
            }
            self.inner.put_token(row, expect, event).await
        })
    }
}

#[tokio::test]
async fn another_writer_wins_and_is_sealed_anew_afterwards() {
    let stores = memory().stores;
    let old = on(&stores, key("1")).await.unwrap();
    fill(&old).await;
    let mut ops = on(&stores, both()).await.unwrap();
    ops.stores.accounts = Arc::new(Racing {
        inner: Arc::clone(&stores.accounts),
        vault: Vault::clone(&old.vault),
        met: Mutex::default(),
    });
    let done = run(&ops, QUICK).await.unwrap();
    assert_eq!((done.accounts as u64, done.skipped), (ACCOUNTS, 0));
    let alone = on(&stores, key("2")).await.unwrap();
    let generations = verify(&stores, &alone.vault).await;
    assert_eq!(generations, vec![2; ACCOUNTS as usize + 1]);
    let accounts = stores.accounts.list().await.unwrap();
    assert!(accounts.iter().all(|row| !row.enabled), "changes were kept");
}
