//! A place at one account's gate.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use troupe_actors::account::ActiveAccount;
use troupe_core::account::{
    AccountAsk, AccountReply, AccountView, Auth, Fit, LeaseAccount, Unavailable, Want,
};
use troupe_core::gate::SlotGuard;
use troupe_core::routing::Choice;
use troupe_upstream::breaker::Permit;

use super::super::exchange::Lease;
use crate::worker::{AccountRoute, Worker};

/// A request that waits for a token waits no longer than for the renewal itself.
pub(in super::super) const RENEWAL_WITHIN: Duration = Duration::from_secs(25);

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
    match account.slots.try_take() {
        Some(slot) => {
            let place = Place {
                auth: fit.auth,
                slot,
                trial,
            };
            Taken::Lease(Box::new(lease(account, view, place, way, choice)))
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
    let Place { auth, slot, trial } = place;
    Lease {
        account: Arc::clone(account),
        auth,
        generation: view.lane(auth).map_or(0, |lane| lane.generation),
        view,
        route,
        slot,
        trial,
        permit: Some(permit),
        choice,
    }
}

/// A second choice: one that others try already is tried all the same, one with a stale token after its renewal.
pub(super) async fn renewed(
    worker: &Worker,
    account: &Arc<ActiveAccount>,
    fit: &Fit,
    want: &Want<'_>,
    until: Instant,
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
    let until = until.min(Instant::now() + RENEWAL_WITHIN);
    let answered = tokio::time::timeout_at(until, asked).await;
    let Ok(Ok(AccountReply::Leased { auth, slot, trial })) = answered else {
        return None;
    };
    let (view, place) = (account.view.load_full(), Place { auth, slot, trial });
    let way = way(worker, account, &view, auth)?;
    Some(lease(account, view, place, way, choice))
}

/// Why an account that fits was not leased.
pub(super) fn reason(worker: &Worker, view: &AccountView, fit: &Fit) -> Unavailable {
    match worker.route(view, fit.auth) {
        Err(_) => Unavailable::Misconfigured,
        Ok(route) if route.breaker.is_open(worker.streams.now_ms()) => Unavailable::HostDown {
            until_ms: worker.gateway.directory.clock().now().unix_ms + 2_000,
        },
        // Or it was a moment ago: worth another look.
        Ok(_) => Unavailable::Full,
    }
}
