//! One look at all accounts: who takes the request now, and who might.
//!
//! Invariant: the first choice asks nobody and waits for nothing.

use std::sync::Arc;

use arc_swap::Guard;
use smallvec::SmallVec;
use troupe_actors::account::AccountSet;
use troupe_core::account::{Auth, Fit, Unavailable};
use troupe_core::routing::{Candidate, Choice, ChosenBy, Strategy, rank};

use super::super::exchange::Lease;
use super::take::{self, Taken, renewed, take};
use super::{Wanted, now_ms};
use crate::plan::Plan;
use crate::worker::Worker;

/// So many are looked at closely before the next are ranked.
const FEW: usize = 4;

/// Why each account does not serve, with its kind.
pub(super) type Why = Vec<(&'static str, Unavailable)>;

/// What is left when nobody could serve at once: those that may after all, and one that is worth waiting for.
pub(super) struct Left {
    accounts: Arc<AccountSet>,
    late: SmallVec<[(Candidate, Fit); 4]>,
    /// A healthy account whose slots are all taken.
    full: Option<usize>,
    turn: usize,
    considered: usize,
    /// How many were tried.
    place: usize,
}

fn choice(plan: &Plan, wanted: &Wanted<'_>, considered: usize, place: usize) -> Choice {
    let by = match (wanted.bound, considered) {
        (Some(_), _) => ChosenBy::Bound,
        (None, 0 | 1) => ChosenBy::Only,
        (None, _) => ChosenBy::Strategy,
    };
    Choice::new(by, plan.strategy, considered, place)
}

/// The best account that can serve right now.
///
/// # Errors
/// What is left for [`second`].
#[expect(
    clippy::result_large_err,
    reason = "made once, and moved into a box where it is an error"
)]
pub(super) fn first(worker: &Worker, plan: &Plan, wanted: &Wanted<'_>) -> Result<Lease, Left> {
    let accounts = worker.gateway.directory.accounts();
    let now = now_ms(worker);
    if let Some(lease) = at_home(worker, plan, wanted, &accounts, now) {
        return Ok(lease);
    }
    let mut hopeful = candidates(wanted, &accounts, now);
    let mut left = Left {
        late: SmallVec::new(),
        full: None,
        turn: worker.next_turn(),
        considered: hopeful.len(),
        place: 0,
        accounts: Guard::into_inner(accounts),
    };
    while !hopeful.is_empty() {
        let mut few: SmallVec<[(Candidate, Fit); 4]> = SmallVec::new();
        let best = rank(plan.strategy, &hopeful, left.turn, FEW);
        let is_full = |index| hopeful.iter().any(|c| c.index == index && c.is_full());
        if best.first().is_some_and(|&index| is_full(index)) {
            // Then all that are left are full: is it worth waiting for one of them?
            let mut rest = hopeful.iter().map(|candidate| candidate.index);
            left.full = left.full.or(rest.find(|&index| {
                let view = left.accounts[index].view.load();
                let fit = view.fit(&wanted.of(view.id(), plan, now));
                fit.is_ok_and(|fit| !fit.avoided)
            }));
            break;
        }
        for index in best {
            let Some(at) = hopeful.iter().position(|c| c.index == index) else {
                continue;
            };
            let candidate = hopeful.swap_remove(at);
            // Not looked at for all: it is elsewhere in memory, and rare.
            if left.accounts[index].is_gone() {
                continue;
            }
            let view = left.accounts[index].view.load();
            if let Ok(fit) = view.fit(&wanted.of(view.id(), plan, now)) {
                few.push((closely(candidate, &fit), fit));
            }
        }
        for (candidate, fit) in ranked(plan, &few, left.turn) {
            let account = &left.accounts[candidate.index];
            if candidate.avoided {
                left.late.push((candidate, fit));
                continue;
            }
            let choice = choice(plan, wanted, left.considered, left.place);
            match take(worker, plan, wanted, account, &fit, choice) {
                Taken::Lease(lease) => return Ok(*lease),
                Taken::Later => left.late.push((candidate, fit)),
                Taken::No if !account.slots.has_room() => left.full = Some(candidate.index),
                Taken::No => {}
            }
            left.place += 1;
        }
    }
    Err(left)
}

/// The second choices; or why nobody can serve. `may_wait`: better to wait for one that is healthy and full than to take
/// one that is neither.
pub(super) async fn second(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    mut left: Left,
    may_wait: bool,
) -> Result<Lease, Why> {
    let full = left.full.filter(|_| may_wait);
    if full.is_some() {
        left.late
            .retain(|(_, fit)| fit.stale || (fit.avoided && fit.auth == Auth::Web));
    }
    for (candidate, fit) in ranked(plan, &left.late, left.turn) {
        let account = &left.accounts[candidate.index];
        let choice = choice(plan, wanted, left.considered, left.place);
        if let Some(lease) = renewed(worker, plan, wanted, account, &fit, choice).await {
            return Ok(lease);
        }
        left.place += 1;
    }
    let choice = choice(plan, wanted, left.considered, left.place);
    match full.map(|index| left.accounts[index].view.load()) {
        Some(view) => Err(vec![(view.record.kind.as_str(), Unavailable::Full)]),
        None => last_look(worker, plan, wanted, &left.accounts, choice),
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
    match take(worker, plan, wanted, account, &fit, choice) {
        Taken::Lease(lease) => Some(*lease),
        Taken::Later | Taken::No => None,
    }
}

/// Everybody who may be able to, by what ranking reads.
fn candidates(wanted: &Wanted<'_>, accounts: &AccountSet, now: u64) -> SmallVec<[Candidate; 8]> {
    let mut found = SmallVec::with_capacity(match wanted.bound {
        Some(_) => 1,
        None => accounts.len(),
    });
    for (index, account) in accounts.iter().enumerate() {
        if wanted.bound.is_some_and(|bound| bound != account.id)
            || account.standing.is_closed(now)
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
                Ok(fit) => match take(worker, plan, wanted, account, &fit, choice) {
                    Taken::Lease(lease) => return Ok(*lease),
                    Taken::Later | Taken::No => take::reason(worker, plan, wanted, account, &fit),
                },
            }
        };
        why.push((view.record.kind.as_str(), reason));
    }
    Err(why)
}
