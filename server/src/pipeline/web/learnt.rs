//! What web sessions' organisations are, as their last requests learnt it.
//!
//! Invariant: what one cookie has shown says nothing of the next one of the same account, and nothing for ever: plans
//! change. After a fault it is asked for again.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use troupe_core::AccountId;
use troupe_core::account::{Credential, Verdict};
use troupe_upstream::web::Organization;

/// It is asked for again after so long.
const GOOD_FOR: Duration = Duration::from_secs(3_600);

/// As many as there are accounts.
#[derive(Debug, Default)]
pub struct Organizations(DashMap<AccountId, Learnt>);

#[derive(Debug)]
struct Learnt {
    /// Holds nothing of it back from being forgotten.
    of: Weak<Credential>,
    at: Instant,
    organization: Organization,
}

impl Organizations {
    pub(super) fn of(&self, id: AccountId, credential: &Arc<Credential>) -> Option<Organization> {
        let learnt = self.0.get(&id)?;
        let stands =
            learnt.of.as_ptr() == Arc::as_ptr(credential) && learnt.at.elapsed() < GOOD_FOR;
        stands.then(|| learnt.organization.clone())
    }

    pub(super) fn learn(
        &self,
        id: AccountId,
        credential: &Arc<Credential>,
        organization: Organization,
    ) {
        // Rare: the moment to let go of accounts that are gone.
        self.0.retain(|_, learnt| learnt.of.strong_count() > 0);
        let learnt = Learnt {
            of: Arc::downgrade(credential),
            at: Instant::now(),
            organization,
        };
        self.0.insert(id, learnt);
    }

    /// A fault that may come of an organisation that is not what it was.
    pub(super) fn doubt(&self, id: AccountId, verdict: &Verdict) {
        if !matches!(verdict, Verdict::Throttled { .. } | Verdict::Overloaded) {
            self.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use troupe_core::account::Scheme;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_known_is_of_one_credential_and_until_a_fault() {
        let cookie = || {
            Arc::new(Credential {
                scheme: Scheme::Cookie,
                secret: SecretString::from("session"),
            })
        };
        let known = Organizations::default();
        let (id, old, new) = (AccountId(Uuid::nil()), cookie(), cookie());
        let organization = Organization {
            id: "o".to_owned(),
            paid: true,
        };
        assert_eq!(known.of(id, &old), None);
        known.learn(id, &old, organization.clone());
        assert_eq!(known.of(id, &old), Some(organization.clone()));
        assert_eq!(known.of(id, &new), None);
        known.doubt(id, &Verdict::Overloaded);
        assert_eq!(known.of(id, &old), Some(organization.clone()));
        known.doubt(id, &Verdict::RequestFault);
        assert_eq!(known.of(id, &old), None);
        known.learn(id, &old, organization.clone());
        drop(old);
        known.learn(AccountId(Uuid::max()), &new, organization);
        assert_eq!(known.0.len(), 1);
    }
}
