//! Accounts' tokens on sled. Invariant: a row is replaced whole, together with its event, or not at all.

use ::sled::Transactional;
use troupe_core::AccountId;
use troupe_core::account::TokenRow;
use troupe_core::event::DomainEvent;
use troupe_core::port::{Expect, StoreError};

use super::transact::{abort, failed, outcome, push_events, put_row, row, rows};
use super::trees::Trees;
use crate::codec::decode;
use crate::rules;

const ROW: &str = "token row";

pub(super) fn list(t: &Trees) -> Result<Vec<TokenRow>, StoreError> {
    rows(&t.tokens, ROW)
}

pub(super) fn get(t: &Trees, id: AccountId) -> Result<Option<TokenRow>, StoreError> {
    let found = t.tokens.get(id.0.as_bytes()).map_err(failed)?;
    found.map(|bytes| decode(ROW, &bytes)).transpose()
}

pub(super) fn put(
    t: &Trees,
    new: &TokenRow,
    expect: Expect,
    event: Option<&DomainEvent>,
) -> Result<TokenRow, StoreError> {
    let all = (&t.tokens, &t.meta, &t.outbox);
    outcome(all.transaction(|(tokens, meta, outbox)| {
        let old: Option<TokenRow> = row(tokens, ROW, new.account.0)?;
        let new = abort(rules::put_token(new.clone(), expect, old.as_ref()))?;
        put_row(tokens, new.account.0, &new)?;
        push_events(meta, outbox, event)?;
        Ok(new)
    }))
}
