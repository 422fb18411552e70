//! A place at one account's gate.

use std::sync::Arc;
use std::time::Duration;

use troupe_actors::account::ActiveAccount;
use troupe_core::account::{
    AccountAsk, AccountReply, AccountView, Auth, Fit, LeaseAccount, Unavailable, Want,
};
use troupe_core::gate::SlotGuard;
use troupe_core::routing::Choice;

use super::super::exchange::Lease;
use crate::plan::Plan;
use crate::worker::Worker;

/// A request that waits for a token waits no longer than for the renewal itself.
const RENEWAL_WITHIN: Duration = Duration::from_secs(25);

pub(super) enum Taken {
    Lease(Box<Lease>),
    /// Its token is stale, or another request tries it after a pause: not before the others.
    Later,
    No,
}

/// Takes a slot by atomics, without asking anybody.
pub(super) fn take(
    worker: &Worker,
    account: &Arc<ActiveAccount>,
    fit: &Fit,
    choice: Choice,
) -> Taken {
    let view = account.view.load_full();
    if fit.stale {
        return Taken::Later;
    }
    let trial = match fit.trial {
        false => None,
        true => match trial_of(&view, fit) {
            None => return Taken::Later,
            guard => guard,
        },
    };
    match account.slots.try_take() {
        Some(slot) => {
            let place = Place {
                auth: fit.auth,
                slot,
                trial,
            };
            lease(worker, account, view, place, choice)
        }
        None => Taken::No,
    }
}

fn trial_of(view: &AccountView, fit: &Fit) -> Option<SlotGuard> {
    view.lane(fit.auth)?.trial.try_take()
}

/// What an account's gate gave.
struct Place {
    auth: Auth,
    slot: SlotGuard,
    trial: Option<SlotGuard>,
}

fn lease(
    worker: &Worker,
    account: &Arc<ActiveAccount>,
    view: Arc<AccountView>,
    place: Place,
    choice: Choice,
) -> Taken {
    let Place { auth, slot, trial } = place;
    let route = match worker.route(&view, auth) {
        Ok(route) => route,
        Err(error) => {
            tracing::warn!(account.name = %account.name, %error, "account is misconfigured");
            return Taken::No;
        }
    };
    let Ok(permit) = route.breaker.permit(worker.streams.now_ms()) else {
        return Taken::No;
    };
    let generation = view.lane(auth).map_or(0, |lane| lane.generation);
    Taken::Lease(Box::new(Lease {
        account: Arc::clone(account),
        auth,
        generation,
        view,
        route,
        slot,
        trial,
        permit: Some(permit),
        choice,
    }))
}

/// A second choice: one that others try already is tried all the same, one with a stale token after its renewal.
pub(super) async fn renewed(
    worker: &Worker,
    plan: &Plan,
    account: &Arc<ActiveAccount>,
    fit: &Fit,
    want: &Want<'_>,
    choice: Choice,
) -> Option<Lease> {
    if !fit.stale {
        let open = Fit {
            trial: false,
            ..*fit
        };
        return match take(worker, account, &open, choice) {
            Taken::Lease(lease) => Some(*lease),
            Taken::Later | Taken::No => None,
        };
    }
    let asked = account
        .handle
        .ask(AccountAsk::Lease(LeaseAccount::of(want)));
    let answered = tokio::time::timeout(RENEWAL_WITHIN.min(plan.max_elapsed), asked).await;
    let Ok(Ok(AccountReply::Leased { auth, slot, trial })) = answered else {
        return None;
    };
    let (view, place) = (account.view.load_full(), Place { auth, slot, trial });
    match lease(worker, account, view, place, choice) {
        Taken::Lease(lease) => Some(*lease),
        Taken::Later | Taken::No => None,
    }
}

/// Why an account that fits was not leased.
pub(super) fn reason(
    worker: &Worker,
    account: &ActiveAccount,
    view: &AccountView,
    fit: &Fit,
) -> Unavailable {
    match worker.route(view, fit.auth) {
        Err(_) => Unavailable::Misconfigured,
        Ok(route) if route.breaker.is_open(worker.streams.now_ms()) => Unavailable::HostDown {
            until_ms: worker.gateway.directory.clock().now().unix_ms + 2_000,
        },
        Ok(_) if account.slots.in_use() >= account.slots.limit() => Unavailable::Full,
        // It was full a moment ago: worth another look.
        Ok(_) => Unavailable::Full,
    }
}
