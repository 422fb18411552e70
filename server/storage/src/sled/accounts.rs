//! Accounts on sled. Invariant: `account_names` holds exactly the names of the rows; state and tokens go with them.

use ::sled::Transactional;
use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, AccountState, TokenRow};
use troupe_core::event::DomainEvent;
use troupe_core::port::{AccountStore, Expect, PortFuture, StoreError};

use super::engine::Engine;
use super::tokens;
use super::transact::{abort, holder, outcome, push_events, put_row, row, rows};
use super::trees::{ACCOUNT_STATES, ACCOUNTS, TOKENS, Trees};
use crate::rules;

const ROW: &str = "account row";
const STATE_ROW: &str = "account state";

impl AccountStore for Engine {
    fn list(&self) -> PortFuture<'_, Vec<AccountRecord>> {
        Box::pin(self.read(|trees| {
            let mut found: Vec<AccountRecord> = rows(&trees.accounts, ROW)?;
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        }))
    }

    fn put(
        &self,
        record: AccountRecord,
        expect: Expect,
        event: DomainEvent,
    ) -> PortFuture<'_, AccountRecord> {
        Box::pin(self.write(ACCOUNTS, move |trees| put(trees, &record, expect, &event)))
    }

    fn remove(&self, id: AccountId, event: DomainEvent) -> PortFuture<'_, ()> {
        Box::pin(self.write(ACCOUNTS, move |trees| remove(trees, id, &event)))
    }

    fn states(&self) -> PortFuture<'_, Vec<AccountState>> {
        Box::pin(self.read(|trees| rows(&trees.account_states, STATE_ROW)))
    }

    fn save_state(&self, state: AccountState, events: Vec<DomainEvent>) -> PortFuture<'_, ()> {
        Box::pin(self.write(ACCOUNT_STATES, move |trees| {
            save_state(trees, &state, &events)
        }))
    }

    fn tokens(&self) -> PortFuture<'_, Vec<TokenRow>> {
        Box::pin(self.read(tokens::list))
    }

    fn token(&self, id: AccountId) -> PortFuture<'_, Option<TokenRow>> {
        Box::pin(self.read(move |trees| tokens::get(trees, id)))
    }

    fn put_token(
        &self,
        row: TokenRow,
        expect: Expect,
        event: Option<DomainEvent>,
    ) -> PortFuture<'_, TokenRow> {
        Box::pin(self.write(TOKENS, move |trees| {
            tokens::put(trees, &row, expect, event.as_ref())
        }))
    }
}

fn put(
    t: &Trees,
    record: &AccountRecord,
    expect: Expect,
    event: &DomainEvent,
) -> Result<AccountRecord, StoreError> {
    let all = (&t.accounts, &t.account_names, &t.meta, &t.outbox);
    outcome(all.transaction(|(accounts, names, meta, outbox)| {
        let old: Option<AccountRecord> = row(accounts, ROW, record.id.0)?;
        let name_of = holder(names, record.name.as_bytes())?.map(AccountId);
        let write = abort(rules::put_account(
            record.clone(),
            expect,
            old.as_ref(),
            name_of,
        ))?;
        if let Some(name) = &write.free_name {
            names.remove(name.as_bytes())?;
        }
        names.insert(write.record.name.as_bytes(), write.record.id.0.as_bytes())?;
        put_row(accounts, write.record.id.0, &write.record)?;
        push_events(meta, outbox, [event])?;
        Ok(write.record)
    }))
}

fn remove(t: &Trees, id: AccountId, event: &DomainEvent) -> Result<(), StoreError> {
    let all = (
        &t.accounts,
        &t.account_names,
        &t.account_states,
        &t.tokens,
        &t.meta,
        &t.outbox,
    );
    outcome(all.transaction(|trees| {
        let (accounts, names, states, tokens, meta, outbox) = trees;
        let old: Option<AccountRecord> = row(accounts, ROW, id.0)?;
        if let Some(old) = &old {
            names.remove(old.name.as_bytes())?;
            accounts.remove(id.0.as_bytes())?;
        }
        let learnt = states.remove(id.0.as_bytes())?.is_some();
        let token = tokens.remove(id.0.as_bytes())?.is_some();
        if old.is_none() && !learnt && !token {
            return abort(Err(rules::no_account()));
        }
        push_events(meta, outbox, [event])
    }))
}

fn save_state(t: &Trees, state: &AccountState, events: &[DomainEvent]) -> Result<(), StoreError> {
    let all = (&t.account_states, &t.meta, &t.outbox);
    outcome(all.transaction(|(states, meta, outbox)| {
        put_row(states, state.id.0, state)?;
        push_events(meta, outbox, events)
    }))
}
