//! Why not the others: for the row of a request, who could not take its attempt.
//!
//! Invariant: nothing is looked at for a session that its own account serves; in a pool of more than [`NAMED`] only
//! accounts that ranking left out are; a row names no more than that.

use std::rc::Rc;

use troupe_actors::account::ActiveAccount;
use troupe_core::account::{AuthSet, Unavailable, Want};
use troupe_core::record::PassedOver;
use troupe_core::routing::ChosenBy;

use super::super::exchange::{Exchange, Lease};
use super::{Wanted, now_ms, take};
use crate::error::Problem;
use crate::plan::Plan;
use crate::worker::Worker;

/// Accounts that a row names; the others are counted. In a pool of so many each is looked at closely.
const NAMED: usize = 32;

/// [`super::lease`], and the row tells who was passed over.
///
/// # Errors
/// As [`super::lease`].
pub async fn lease_told(
    exchange: &mut Exchange,
    plan: &Plan,
    wanted: Wanted<'_>,
) -> Result<Lease, Problem> {
    let worker = Rc::clone(&exchange.worker);
    let leased = super::lease(&worker, plan, wanted).await;
    let passed = Passed::by(&worker, plan, &wanted, leased.as_ref().ok());
    exchange.record.passed_over = passed.named;
    exchange.record.passed_over_more = u32::try_from(passed.more).unwrap_or(u32::MAX);
    leased
}

#[derive(Debug, Default)]
struct Passed {
    named: Vec<PassedOver>,
    more: usize,
}

impl Passed {
    fn by(worker: &Worker, plan: &Plan, wanted: &Wanted<'_>, lease: Option<&Lease>) -> Self {
        let mut passed = Self::default();
        let choice = lease.map(|lease| lease.choice);
        let by = choice.map(|choice| choice.by);
        if matches!(by, Some(ChosenBy::Affinity | ChosenBy::Bound)) {
            return passed;
        }
        let accounts = worker.gateway.directory.accounts();
        let considered = choice.map_or(0, |choice| usize::from(choice.considered));
        let small = accounts.len() <= NAMED;
        if considered >= accounts.len() && (!small || accounts.len() == 1) {
            return passed;
        }
        let now = now_ms(worker);
        let ask = match choice {
            None => Ask::All,
            Some(choice) if choice.place > 0 => Ask::Route,
            Some(_) => Ask::SlotsOnly,
        };
        for account in accounts.iter() {
            let is_chosen = lease.is_some_and(|lease| lease.account.id == account.id);
            let is_elsewhere = wanted.bound.is_some_and(|bound| bound != account.id);
            if is_chosen || is_elsewhere {
                continue;
            }
            if passed.named.len() == NAMED {
                let left_out = accounts.len().saturating_sub(considered);
                passed.more = left_out.saturating_sub(NAMED);
                break;
            }
            if ask == Ask::SlotsOnly && may_serve(account, wanted, small, now) {
                continue;
            }
            let want = wanted.of(account.id, plan, now);
            if let Some(why) = kept_away(worker, plan, account, wanted, &want, ask) {
                passed.named.push(PassedOver::new(&account.name, &why));
            }
        }
        passed
    }
}

/// Was it a candidate? In a large pool, one for ranking; in a small one, one that needs no closer look.
fn may_serve(account: &ActiveAccount, wanted: &Wanted<'_>, small: bool, now: u64) -> bool {
    let is_bound =
        || wanted.binding.is_empty() || wanted.binding.allows(&account.view.load().record);
    let needs_no_look = || {
        let untried = wanted.tried.of(account.id) == AuthSet::default();
        untried && !account.standing.look() && account.slots.has_room()
    };
    !account.standing.is_closed(now)
        && !account.is_gone()
        && is_bound()
        && (!small || needs_no_look())
}

/// How closely it is asked why an account that fits did not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Another just stood before it, unless it is full.
    SlotsOnly,
    /// It may have stood before the one that serves, and its address or its host kept it away.
    Route,
    /// Nobody serves: there is a reason.
    All,
}

/// What keeps it from this request; `None` when nothing does.
fn kept_away(
    worker: &Worker,
    plan: &Plan,
    account: &ActiveAccount,
    wanted: &Wanted<'_>,
    want: &Want<'_>,
    ask: Ask,
) -> Option<Unavailable> {
    if account.is_gone() {
        return Some(Unavailable::Gone);
    }
    let view = account.view.load();
    if !wanted.binding.allows(&view.record) {
        return Some(Unavailable::NotBound);
    }
    match view.fit(want) {
        Err(why) => Some(why),
        Ok(_) if !account.slots.has_room() => Some(Unavailable::Full),
        Ok(_) if ask == Ask::SlotsOnly => None,
        Ok(fit) if fit.stale && ask == Ask::All => Some(Unavailable::Renewing {
            until_ms: want.unix_ms + 1_000,
        }),
        Ok(fit) => {
            let why = take::reason(worker, plan, wanted, account, &fit);
            Some(why).filter(|why| ask == Ask::All || *why != Unavailable::Full)
        }
    }
}
