//! Which account takes the next attempt, and with which of its credentials: the session's own, else the best of the
//! ranking, with a slot at its gate.
//!
//! Invariant: a credential is leased at most once per request; whoever can serve is found, whatever the published
//! standings say; when none can, the reasons are said, per kind; a request waits only for a slot, never for a pause.
//! One that may wait for a slot of a healthy account does not spend its attempts on those that have just failed others:
//! they have free slots because they fail.

mod passed;
mod pick;
mod reasons;
mod take;

use std::time::Duration;

use smallvec::SmallVec;
use troupe_core::account::{AuthSet, Unavailable, Want};
use troupe_core::key::AccountBinding;
use troupe_core::quota::QuotaAsk;
use troupe_core::{AccountId, KeyId};

use super::exchange::Lease;
use super::key;
use super::limits::Need;
use crate::error::Problem;
use crate::plan::Plan;
use crate::worker::Worker;

pub use passed::lease_told;
use pick::{Left, Why};
use reasons::nobody;
pub(super) use take::RENEWAL_WITHIN;

/// Whoever waits looks at least so often, at its own key as well.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What accounts have charged before is read in so long, or they are left out.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Accounts and credentials that were tried for a request.
#[derive(Clone, Debug, Default)]
pub struct Tried(SmallVec<[(AccountId, AuthSet); 4]>);

impl Tried {
    #[must_use]
    pub fn of(&self, id: AccountId) -> AuthSet {
        let found = self.0.iter().find(|(known, _)| *known == id);
        found.map(|(_, tried)| *tried).unwrap_or_default()
    }

    pub fn add(&mut self, id: AccountId, auths: AuthSet) {
        match self.0.iter_mut().find(|(known, _)| *known == id) {
            Some((_, tried)) => *tried = tried.union(auths),
            None => self.0.push((id, auths)),
        }
    }

    #[must_use]
    pub fn has(&self, id: AccountId) -> bool {
        self.0.iter().any(|(known, _)| *known == id)
    }

    /// The account may be tried again.
    pub fn forget(&mut self, id: AccountId) {
        self.0.retain(|(known, _)| *known != id);
    }
}

/// What a choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub model: Option<&'a str>,
    /// See [`Want::betas`].
    pub betas: u64,
    pub is_message: bool,
    /// The session's last account: a preference.
    pub preferred: Option<AccountId>,
    /// A web conversation waits there for this request.
    pub resumes: bool,
    /// The owner of a resource that the request names: a must.
    pub bound: Option<AccountId>,
    /// Accounts that the key may use.
    pub binding: &'a AccountBinding,
    pub tried: &'a Tried,
    /// What the request needs of the account's own limits.
    pub need: Option<&'a Need>,
    /// Whose request it is: it waits no longer than its key may be used.
    pub key: Option<KeyId>,
    /// How long a slot may be waited for.
    pub patience: Duration,
    /// Tokens are waited for until then, however many accounts need a new one.
    pub until: tokio::time::Instant,
}

impl<'a> Wanted<'a> {
    fn of(&self, id: AccountId, plan: &Plan, unix_ms: u64) -> Want<'a> {
        Want {
            model: self.model,
            betas: self.betas,
            is_message: self.is_message,
            web: plan.web.is_some(),
            tried: self.tried.of(id),
            unix_ms,
        }
    }
}

/// Leases the best account.
///
/// # Errors
/// 429 when all are throttled, else 503 with every reason.
pub async fn lease(worker: &Worker, plan: &Plan, wanted: Wanted<'_>) -> Result<Lease, Problem> {
    match pick::first(worker, plan, &wanted) {
        Ok(lease) => Ok(lease),
        // Rare, and large.
        Err(left) => Box::pin(later(worker, plan, wanted, left)).await,
    }
}

async fn later(
    worker: &Worker,
    plan: &Plan,
    wanted: Wanted<'_>,
    mut left: Left,
) -> Result<Lease, Problem> {
    if opened(worker, &wanted).await {
        left = match pick::first(worker, plan, &wanted) {
            Ok(lease) => return Ok(lease),
            Err(left) => left,
        };
    }
    let may_wait = !wanted.patience.is_zero();
    let why = match pick::second(worker, plan, &wanted, left, may_wait).await {
        Ok(lease) => return Ok(lease),
        Err(why) => why,
    };
    if !is_full(&why) || !may_wait {
        return Err(nobody(&why, now_ms(worker)));
    }
    let deadline = tokio::time::Instant::now() + wanted.patience;
    let waiter = worker.gateway.directory.waiting().enter();
    loop {
        let next = waiter.next();
        let mut next = std::pin::pin!(next);
        next.as_mut().enable();
        let now = tokio::time::Instant::now();
        let found = match pick::first(worker, plan, &wanted) {
            Ok(lease) => Ok(lease),
            Err(left) => pick::second(worker, plan, &wanted, left, now < deadline).await,
        };
        let why = match found {
            Ok(lease) => {
                waiter.served(lease.account.slots.has_room());
                return Ok(lease);
            }
            Err(why) => why,
        };
        waiter.pass_on();
        usable(worker, wanted.key)?;
        if !is_full(&why) || now >= deadline {
            return Err(nobody(&why, now_ms(worker)));
        }
        // What changes without a slot that is given back (a pause that ends) is seen within this time.
        let look_at = deadline.min(now + LOOK_EVERY);
        if tokio::time::timeout_at(look_at, next).await.is_ok() {
            waiter.woken();
        }
    }
}

/// Waits until accounts know what their limits have charged before; false when all of them do.
async fn opened(worker: &Worker, wanted: &Wanted<'_>) -> bool {
    if wanted.need.is_none() {
        return false;
    }
    let (accounts, now_ms) = (worker.gateway.directory.accounts(), now_ms(worker));
    let cold: Vec<_> = accounts
        .iter()
        .filter_map(|account| account.quota.load_full())
        .filter(|quota| !quota.gate.look().is_open_at(now_ms))
        .collect();
    drop(accounts);
    let is_cold = !cold.is_empty();
    let read = async {
        for quota in cold {
            let _ = quota.handle.ask(QuotaAsk::Flush).await;
        }
    };
    let _ = tokio::time::timeout(READ_WITHIN, read).await;
    is_cold
}

/// # Errors
/// 401: the key was revoked, or has expired, while its request waits.
fn usable(worker: &Worker, key: Option<KeyId>) -> Result<(), Problem> {
    let gateway = &worker.gateway;
    let Some(id) = key else {
        return Ok(());
    };
    match gateway.directory.key_by_id(id) {
        Some(entry) => key::usable(gateway, &entry.record()),
        None => Err(Problem::Credential("this gateway key is revoked".into())),
    }
}

fn is_full(why: &Why) -> bool {
    why.iter().any(|(_, why)| *why == Unavailable::Full)
}

fn now_ms(worker: &Worker) -> u64 {
    worker.gateway.directory.clock().now().unix_ms
}
