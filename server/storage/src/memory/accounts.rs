//! Accounts in memory. Invariant: `account_names` holds exactly the names of the rows; state and tokens go with them.

use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, AccountState, TokenRow};
use troupe_core::event::DomainEvent;
use troupe_core::port::{AccountStore, Expect, PortFuture};

use super::Memory;
use crate::rules;

impl AccountStore for Memory {
    fn list(&self) -> PortFuture<'_, Vec<AccountRecord>> {
        Box::pin(async move {
            let mut rows: Vec<_> = self.with(|state| state.accounts.values().cloned().collect());
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(rows)
        })
    }

    fn put(
        &self,
        record: AccountRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, AccountRecord> {
        Box::pin(async move {
            self.with(|state| {
                let old = state.accounts.get(&record.id);
                let name_of = state.account_names.get(&record.name).copied();
                let write = rules::put_account(record, expect, old, name_of)?;
                if let Some(name) = write.free_name {
                    state.account_names.remove(&name);
                }
                state
                    .account_names
                    .insert(write.record.name.clone(), write.record.id);
                state.accounts.insert(write.record.id, write.record.clone());
                state.push_event(event);
                Ok(write.record)
            })
        })
    }

    fn remove(&self, id: AccountId, event: DomainEvent) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| {
                let old = state.accounts.remove(&id);
                if let Some(old) = &old {
                    state.account_names.remove(&old.name);
                }
                let learnt = state.account_states.remove(&id).is_some();
                let tokens = state.tokens.remove(&id).is_some();
                if old.is_none() && !learnt && !tokens {
                    return Err(rules::no_account());
                }
                state.push_event(event);
                Ok(())
            })
        })
    }

    fn states(&self) -> PortFuture<'_, Vec<AccountState>> {
        Box::pin(
            async move { Ok(self.with(|state| state.account_states.values().cloned().collect())) },
        )
    }

    fn save_state(&self, row: AccountState, events: Vec<DomainEvent>) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.with(|state| {
                state.account_states.insert(row.id, row);
                events.into_iter().for_each(|event| state.push_event(event));
            });
            Ok(())
        })
    }

    fn tokens(&self) -> PortFuture<'_, Vec<TokenRow>> {
        Box::pin(async move { Ok(self.with(|state| state.tokens.values().cloned().collect())) })
    }

    fn token(&self, id: AccountId) -> PortFuture<'_, Option<TokenRow>> {
        Box::pin(async move { Ok(self.with(|state| state.tokens.get(&id).cloned())) })
    }

    fn put_token(
        &self,
        row: TokenRow,
        expect: Expect,
        event: Option<DomainEvent>,
    ) -> PortFuture<'_, TokenRow> {
        Box::pin(async move {
            self.with(|state| {
                let old = state.tokens.get(&row.account);
                let row = rules::put_token(row, expect, old)?;
                state.tokens.insert(row.account, row.clone());
                event.into_iter().for_each(|event| state.push_event(event));
                Ok(row)
            })
        })
    }
}
