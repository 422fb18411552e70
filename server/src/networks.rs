//! The way to each account's upstream, made once for each set of settings and shared by requests, probes and renewals.
//!
//! Invariant: accounts without a proxy or a CA of their own cost no look-up; what is kept is bounded by the accounts.

use std::sync::Arc;

use dashmap::DashMap;
use troupe_core::AccountId;
use troupe_core::account::{AccountView, Reach};
use troupe_upstream::Network;
use troupe_upstream::network::NetworkError;

/// More entries than this are looked through for accounts that are gone.
const SWEEP_AT: usize = 64;

/// Networks by account.
#[derive(Debug, Default)]
pub struct Networks(DashMap<AccountId, (Arc<Reach>, Network)>);

impl Networks {
    /// # Errors
    /// The account's proxy or CA cannot be used.
    pub fn of(&self, account: &AccountView) -> Result<Network, NetworkError> {
        let reach = &account.reach;
        if reach.proxy.is_none() && reach.ca_pem.is_none() {
            return Ok(Network::direct());
        }
        if let Some(known) = self.0.get(&account.id())
            && Arc::ptr_eq(&known.0, reach)
        {
            return Ok(known.1.clone());
        }
        let network = Network::new(reach.proxy.as_ref(), reach.ca_pem.as_deref())?;
        if self.0.len() >= SWEEP_AT {
            // The last to hold a reach is this map: its account has another, or is gone.
            self.0.retain(|_, (reach, _)| Arc::strong_count(reach) > 1);
        }
        let made = (Arc::clone(reach), network.clone());
        self.0.insert(account.id(), made);
        Ok(network)
    }
}
