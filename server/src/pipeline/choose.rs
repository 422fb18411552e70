//! Which account takes the next attempt, and with which of its credentials: the session's own, else the best of the
//! ranking, with a slot at its gate.
//!
//! Invariant: a credential is leased at most once per request; whoever can serve is found, whatever the published
//! standings say; when none can, the reasons are said, per kind; a request waits only for a slot, never for a pause.
//! One that may wait for a slot of a healthy account does not spend its attempts on those that have just failed others:
//! they have free slots because they fail.

mod passed;
mod reasons;
mod take;

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use troupe_actors::account::AccountSet;
use troupe_core::AccountId;
use troupe_core::account::{Auth, AuthSet, Fit, Unavailable, Want};
use troupe_core::key::AccountBinding;
use troupe_core::routing::{Candidate, Choice, ChosenBy, Strategy, rank};

use super::exchange::Lease;
use crate::error::Problem;
use crate::plan::Plan;
use crate::worker::Worker;

pub use passed::lease_told;
use reasons::nobody;
use take::{Taken, renewed, take};

/// So many are looked at closely before the next are ranked.
const FEW: usize = 4;
/// Whoever waits looks at least so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    /// How long a slot may be waited for.
    pub patience: Duration,
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
    let why = match pick(worker, plan, &wanted, !wanted.patience.is_zero()).await {
        Ok(lease) => return Ok(lease),
        Err(why) => why,
    };
    if !is_full(&why) || wanted.patience.is_zero() {
        return Err(nobody(&why, now_ms(worker)));
    }
    let deadline = tokio::time::Instant::now() + wanted.patience;
    let waiter = worker.gateway.directory.waiting().enter();
    loop {
        let next = waiter.next();
        let mut next = std::pin::pin!(next);
        next.as_mut().enable();
        let now = tokio::time::Instant::now();
        let why = match pick(worker, plan, &wanted, now < deadline).await {
            Ok(lease) => {
                waiter.served(lease.account.slots.has_room());
                return Ok(lease);
            }
            Err(why) => why,
        };
        waiter.pass_on();
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

fn is_full(why: &Why) -> bool {
    why.iter().any(|(_, why)| *why == Unavailable::Full)
}

fn now_ms(worker: &Worker) -> u64 {
    worker.gateway.directory.clock().now().unix_ms
}

/// Why each account does not serve, with its kind.
type Why = Vec<(&'static str, Unavailable)>;

/// The best account that can serve right now; or why none can. `may_wait`: better to wait for one that is healthy and
/// full than to take one that is neither.
async fn pick(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    may_wait: bool,
) -> Result<Lease, Why> {
    let accounts = Arc::clone(&worker.gateway.directory.accounts());
    let now = now_ms(worker);
    if let Some(lease) = at_home(worker, plan, wanted, &accounts, now) {
        return Ok(lease);
    }
    let mut hopeful = candidates(wanted, &accounts, now);
    let considered = hopeful.len();
    let mut late: SmallVec<[(Candidate, Fit); 4]> = SmallVec::new();
    let mut full = None;
    let choice = |place| {
        let by = match (wanted.bound, considered) {
            (Some(_), _) => ChosenBy::Bound,
            (None, 0 | 1) => ChosenBy::Only,
            (None, _) => ChosenBy::Strategy,
        };
        Choice::new(by, plan.strategy, considered, place)
    };
    let turn = worker.next_turn();
    let mut place = 0;
    while !hopeful.is_empty() {
        let mut few: SmallVec<[(Candidate, Fit); 4]> = SmallVec::new();
        let first = rank(plan.strategy, &hopeful, turn, FEW);
        let is_full = |index| hopeful.iter().any(|c| c.index == index && c.is_full());
        if first.first().is_some_and(|&index| is_full(index)) {
            // Then all that are left are full: is it worth waiting for one of them?
            let mut left = hopeful.iter().map(|candidate| &accounts[candidate.index]);
            full = full.or(left.find(|account| {
                let fit = account.view.load().fit(&wanted.of(account.id, plan, now));
                fit.is_ok_and(|fit| !fit.avoided)
            }));
            break;
        }
        for index in first {
            let Some(at) = hopeful.iter().position(|c| c.index == index) else {
                continue;
            };
            let candidate = hopeful.swap_remove(at);
            let view = accounts[index].view.load();
            if let Ok(fit) = view.fit(&wanted.of(view.id(), plan, now)) {
                few.push((closely(candidate, &fit), fit));
            }
        }
        for (candidate, fit) in ranked(plan, &few, turn) {
            let account = &accounts[candidate.index];
            if candidate.avoided {
                late.push((candidate, fit));
                continue;
            }
            match take(worker, account, &fit, choice(place)) {
                Taken::Lease(lease) => return Ok(*lease),
                Taken::Later => late.push((candidate, fit)),
                Taken::No if !account.slots.has_room() => full = Some(account),
                Taken::No => {}
            }
            place += 1;
        }
    }
    let full = full.filter(|_| may_wait);
    if full.is_some() {
        late.retain(|(_, fit)| fit.stale || (fit.avoided && fit.auth == Auth::Web));
    }
    for (candidate, fit) in ranked(plan, &late, turn) {
        let account = &accounts[candidate.index];
        let want = wanted.of(account.id, plan, now);
        if let Some(lease) = renewed(worker, plan, account, &fit, &want, choice(place)).await {
            return Ok(lease);
        }
        place += 1;
    }
    match full {
        Some(account) => Err(vec![(
            account.view.load().record.kind.as_str(),
            Unavailable::Full,
        )]),
        None => last_look(worker, plan, wanted, &accounts, choice(place)),
    }
}

/// The account that must serve or that the session is at home with, if it can right now.
fn at_home(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    accounts: &AccountSet,
    now: u64,
) -> Option<Lease> {
    let home = wanted.preferred.filter(|_| wanted.bound.is_none())?;
    let account = accounts.get(home)?;
    if account.is_gone() || account.standing.is_closed(now) {
        return None;
    }
    let view = account.view.load();
    if !wanted.binding.allows(&view.record) {
        return None;
    }
    let fit = view.fit(&wanted.of(home, plan, now)).ok()?;
    let goes_on = wanted.resumes && fit.auth == Auth::Web;
    if fit.stale || fit.avoided && !goes_on {
        return None;
    }
    let choice = Choice::new(ChosenBy::Affinity, plan.strategy, 1, 0);
    match take(worker, account, &fit, choice) {
        Taken::Lease(lease) => Some(*lease),
        Taken::Later | Taken::No => None,
    }
}

/// Everybody who may be able to, by what ranking reads.
fn candidates(wanted: &Wanted<'_>, accounts: &AccountSet, now: u64) -> SmallVec<[Candidate; 8]> {
    let mut found = SmallVec::new();
    for (index, account) in accounts.iter().enumerate() {
        if wanted.bound.is_some_and(|bound| bound != account.id)
            || account.standing.is_closed(now)
            || account.is_gone()
            || !(wanted.binding.is_empty() || wanted.binding.allows(&account.view.load().record))
        {
            continue;
        }
        let slots = (account.slots.in_use(), account.slots.limit());
        let values = account.standing.read();
        // The session's account has just had its turn, and could not.
        found.push(values.candidate(index, slots, false, now));
    }
    found
}

/// A candidate by what its view says of this very request.
fn closely(candidate: Candidate, fit: &Fit) -> Candidate {
    Candidate {
        avoided: candidate.avoided || fit.avoided || fit.stale,
        utilisation_ppm: fit.used_ppm,
        ..candidate
    }
}

/// Ordered anew, by what their views say. They come in the order of the standings: those that are still equal keep it, as
/// turns that were taken twice would come round to the first again.
fn ranked(
    plan: &Plan,
    few: &SmallVec<[(Candidate, Fit); 4]>,
    turn: usize,
) -> SmallVec<[(Candidate, Fit); 4]> {
    if few.len() < 2 {
        return few.clone();
    }
    let candidates: SmallVec<[Candidate; 4]> =
        few.iter().map(|(candidate, _)| *candidate).collect();
    let turn = match plan.strategy {
        // The same race.
        Strategy::Weighted => turn,
        Strategy::LeastUtilized | Strategy::RoundRobin | Strategy::Priority => 0,
    };
    rank(plan.strategy, &candidates, turn, few.len())
        .into_iter()
        .filter_map(|index| few.iter().find(|(c, _)| c.index == index).copied())
        .collect()
}

/// Nobody was found by the standings: the views have the last word, and the reasons.
fn last_look(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    accounts: &AccountSet,
    choice: Choice,
) -> Result<Lease, Why> {
    let now = now_ms(worker);
    let mut why = Why::new();
    for account in accounts.iter() {
        if wanted.bound.is_some_and(|bound| bound != account.id) {
            continue;
        }
        let view = account.view.load();
        let reason = if account.is_gone() {
            Unavailable::Gone
        } else if !wanted.binding.allows(&view.record) {
            Unavailable::NotBound
        } else {
            match view.fit(&wanted.of(account.id, plan, now)) {
                Err(reason) => reason,
                Ok(fit) if fit.stale => Unavailable::Renewing {
                    until_ms: now + 1_000,
                },
                Ok(fit) => match take(worker, account, &fit, choice) {
                    Taken::Lease(lease) => return Ok(*lease),
                    Taken::Later | Taken::No => take::reason(worker, account, &view, &fit),
                },
            }
        };
        why.push((view.record.kind.as_str(), reason));
    }
    Err(why)
}
