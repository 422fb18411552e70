//! All accounts, as one snapshot.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use troupe_core::AccountId;

use super::ActiveAccount;

/// Accounts by name, and where each stands by id.
#[derive(Debug, Default)]
pub struct AccountSet {
    accounts: Vec<Arc<ActiveAccount>>,
    places: HashMap<AccountId, usize>,
}

impl AccountSet {
    pub(crate) fn new(mut accounts: Vec<Arc<ActiveAccount>>) -> Self {
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        let places = accounts.iter().enumerate();
        Self {
            places: places.map(|(place, account)| (account.id, place)).collect(),
            accounts,
        }
    }

    /// Where the account stands in the slice.
    #[must_use]
    pub fn place(&self, id: AccountId) -> Option<usize> {
        self.places.get(&id).copied()
    }

    #[must_use]
    pub fn get(&self, id: AccountId) -> Option<&Arc<ActiveAccount>> {
        self.place(id).map(|place| &self.accounts[place])
    }
}

impl Deref for AccountSet {
    type Target = [Arc<ActiveAccount>];

    fn deref(&self) -> &Self::Target {
        &self.accounts
    }
}
