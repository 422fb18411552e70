//! What ids are called, and which ids a name means.
//!
//! Invariant: what is gone keeps its last name.

use std::collections::HashMap;

use troupe_core::usage::{Named, UsageRow};
use troupe_core::{AccountId, KeyId};

use super::super::{OpError, Operations};
use super::line::UsageLine;

struct Name {
    name: String,
    gone: bool,
}

pub(super) struct Names {
    keys: HashMap<KeyId, Name>,
    accounts: HashMap<AccountId, Name>,
}

impl Names {
    pub(super) async fn read(ops: &Operations) -> Result<Self, OpError> {
        let declared = ops.declared.load_full();
        let stored = ops.stores.keys.list().await?;
        let keys = stored.iter().chain(&declared.keys).map(|key| {
            let (name, gone) = (key.name.clone(), key.revoked_ms.is_some());
            (key.id, Name { name, gone })
        });
        let stored = ops.stores.accounts.list().await?;
        let of_file = declared.accounts.iter().map(|account| &account.record);
        let accounts = stored.iter().chain(of_file).map(|account| {
            let name = account.name.clone();
            (account.id, Name { name, gone: false })
        });
        Ok(Self {
            keys: keys.collect(),
            accounts: accounts.collect(),
        })
    }

    /// Every key that is called so, or was when it was revoked.
    pub(super) fn keys_named(&self, name: &str) -> Named<KeyId> {
        named(&self.keys, name)
    }

    pub(super) fn accounts_named(&self, name: &str) -> Named<AccountId> {
        named(&self.accounts, name)
    }

    pub(super) fn key(&self, id: KeyId, row: &UsageRow) -> UsageLine {
        line(
            self.keys.get(&id),
            row.key_name.as_deref(),
            id.0.to_string(),
        )
    }

    pub(super) fn account(&self, id: AccountId, row: &UsageRow) -> UsageLine {
        let last = row.account_name.as_deref();
        line(self.accounts.get(&id), last, id.0.to_string())
    }
}

fn named<Id: Copy>(names: &HashMap<Id, Name>, wanted: &str) -> Named<Id> {
    let ids = names.iter().filter(|(_, known)| known.name == wanted);
    Named {
        name: wanted.into(),
        ids: ids.map(|(id, _)| *id).collect(),
    }
}

fn line(known: Option<&Name>, last: Option<&str>, id: String) -> UsageLine {
    let name = known.map(|known| known.name.as_str()).or(last);
    UsageLine {
        name: name.map(str::to_owned),
        id: Some(id),
        gone: known.is_none_or(|known| known.gone),
        ..UsageLine::default()
    }
}
