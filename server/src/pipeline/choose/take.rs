//! A place at one account's gate.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use troupe_actors::account::ActiveAccount;
use troupe_core::account::{
    AccountAsk, AccountReply, AccountView, Auth, Fit, LeaseAccount, Unavailable,
};
use troupe_core::gate::SlotGuard;
use troupe_core::limit::{Blocked, Demand, Gate, Hold, Verdict, judge};
use troupe_core::routing::Choice;
use troupe_upstream::breaker::Permit;

use super::super::exchange::Lease;
use super::{Wanted, now_ms};
use crate::plan::Plan;
use crate::worker::{AccountRoute, Worker};

/// A request that waits for a token waits no longer than for the renewal itself.
pub(in super::super) const RENEWAL_WITHIN: Duration = Duration::from_secs(25);

/// What others hold of an account's limits may come back so soon.
const SOON_MS: u64 = 1_000;

pub(super) enum Taken {
    Lease(Box<Lease>),
    /// Its token is stale, or another request tries it after a pause: not before the others.
    Later,
    No,
}

/// Takes a slot by atomics, without asking anybody. The way there is looked at first: a slot that is taken and given back
/// for nothing would be news to those who wait, this request among them, and they would never come to rest.
pub(super) fn take(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    account: &Arc<ActiveAccount>,
    fit: &Fit,
    choice: Choice,
) -> Taken {
    let view = account.view.load_full();
    if fit.stale {
        return Taken::Later;
    }
    let Some(way) = way(worker, account, &view, fit.auth) else {
        return Taken::No;
    };
    let trial = match fit.trial {
        false => None,
        true => match trial_of(&view, fit) {
            None => return Taken::Later,
            guard => guard,
        },
    };
    let Ok(quota) = limits(worker, plan, wanted, account) else {
        return Taken::No;
    };
    match account.slots.try_take() {
        Some(slot) => {
            let place = Place {
                auth: fit.auth,
                slot,
                trial,
                quota,
            };
            Taken::Lease(Box::new(lease(account, view, place, way, choice)))
        }
        None => {
            if let Some(hold) = quota {
                hold.give_back();
            }
            Taken::No
        }
    }
}

/// What the request needs of the account's own limits, where it has any.
fn limits(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    account: &ActiveAccount,
) -> Result<Option<Hold>, Blocked> {
    let quota = account.quota.load();
    let (Some(quota), Some(need)) = (quota.as_ref(), wanted.need) else {
        return Ok(None);
    };
    if quota.gate.is_open() {
        return Ok(None);
    }
    let demand = need.demand(&plan.prices, quota.gate.look().is_metered());
    let taken = Hold::take(&quota.gate, &demand, &need.model, now_ms(worker), false);
    taken.map(Some)
}

fn trial_of(view: &AccountView, fit: &Fit) -> Option<SlotGuard> {
    view.lane(fit.auth)?.trial.try_take()
}

/// What an account's gate gave.
struct Place {
    auth: Auth,
    slot: SlotGuard,
    trial: Option<SlotGuard>,
    quota: Option<Hold>,
}

/// How the account is reached, and leave of its host's breaker.
type Way = (Rc<AccountRoute>, Permit);

/// `None` where its settings make no request, or everything fails on its host.
fn way(worker: &Worker, account: &ActiveAccount, view: &AccountView, auth: Auth) -> Option<Way> {
    match worker.route(view, auth) {
        Ok(route) => {
            let permit = route.breaker.permit(worker.streams.now_ms()).ok()?;
            Some((route, permit))
        }
        Err(error) => {
            tracing::warn!(account.name = %account.name, %error, "account is misconfigured");
            None
        }
    }
}

fn lease(
    account: &Arc<ActiveAccount>,
    view: Arc<AccountView>,
    place: Place,
    (route, permit): Way,
    choice: Choice,
) -> Lease {
    let Place {
        auth,
        slot,
        trial,
        quota,
    } = place;
    Lease {
        account: Arc::clone(account),
        auth,
        generation: view.lane(auth).map_or(0, |lane| lane.generation),
        view,
        route,
        slot,
        trial,
        quota,
        permit: Some(permit),
        choice,
    }
}

/// A second choice: one that others try already is tried all the same, one with a stale token after its renewal.
pub(super) async fn renewed(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    account: &Arc<ActiveAccount>,
    fit: &Fit,
    choice: Choice,
) -> Option<Lease> {
    if !fit.stale {
        let open = Fit {
            trial: false,
            ..*fit
        };
        return match take(worker, plan, wanted, account, &open, choice) {
            Taken::Lease(lease) => Some(*lease),
            Taken::Later | Taken::No => None,
        };
    }
    let want = wanted.of(account.id, plan, now_ms(worker));
    let asked = account
        .handle
        .ask(AccountAsk::Lease(LeaseAccount::of(&want)));
    let until = wanted.until.min(Instant::now() + RENEWAL_WITHIN);
    let answered = tokio::time::timeout_at(until, asked).await;
    let Ok(Ok(AccountReply::Leased { auth, slot, trial })) = answered else {
        return None;
    };
    let view = account.view.load_full();
    let place = Place {
        auth,
        slot,
        trial,
        quota: limits(worker, plan, wanted, account).ok()?,
    };
    let way = way(worker, account, &view, auth)?;
    Some(lease(account, view, place, way, choice))
}

/// When the account's own limits have room for the request, if they have none.
fn limited_until(gate: &Arc<Gate>, demand: &Demand, model: &str, now_ms: u64) -> Option<u64> {
    match judge(std::slice::from_ref(gate), demand, model, now_ms, 0, true) {
        Verdict::Fits | Verdict::Downgrade { .. } => None,
        Verdict::Cold { .. } | Verdict::Wait { .. } => Some(now_ms + SOON_MS),
        Verdict::Refuse { retry_at_ms, .. } => Some(retry_at_ms),
        Verdict::Never { .. } => Some(u64::MAX),
    }
}

/// Why an account that fits was not leased.
pub(super) fn reason(
    worker: &Worker,
    plan: &Plan,
    wanted: &Wanted<'_>,
    account: &ActiveAccount,
    fit: &Fit,
) -> Unavailable {
    let quota = account.quota.load();
    let (now_ms, prices) = (now_ms(worker), &plan.prices);
    let limited = quota.as_ref().zip(wanted.need).and_then(|(quota, need)| {
        let demand = need.demand(prices, quota.gate.look().is_metered());
        limited_until(&quota.gate, &demand, &need.model, now_ms)
    });
    if let Some(until_ms) = limited {
        return Unavailable::Limited { until_ms };
    }
    match worker.route(&account.view.load(), fit.auth) {
        Err(_) => Unavailable::Misconfigured,
        Ok(route) if route.breaker.is_open(worker.streams.now_ms()) => Unavailable::HostDown {
            until_ms: now_ms + 2_000,
        },
        // Or it was a moment ago: worth another look.
        Ok(_) => Unavailable::Full,
    }
}
