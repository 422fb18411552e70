//! All limits of a request's gateway, group and key, or none.
//!
//! ```text
//!  take all ──▶ held                            atomics, no ask
//!     │ short
//!     ▼
//!   judge ──▶ refuse | never | downgrade        at the gate, from what is published
//!     │ wait, cold, behind others
//!     ▼
//!  ask that scope's actor ──▶ its units ──▶ take the others
//! ```
//! A refusal that is certain needs no actor: a flood of refused requests must not slow the keys that are let through.
//!
//! Invariant: a request waits `limits.concurrency_queue` at most, whatever it waits for.

use std::sync::Arc;

use smallvec::SmallVec;
use troupe_actors::quota::ActiveQuota;
use troupe_core::AskError;
use troupe_core::key::KeyRecord;
use troupe_core::limit::{Blocked, Demand, Gate, Hold, Verdict, judge};
use troupe_core::quota::{QuotaAsk, QuotaReply, Wanted};

use super::held::Held;
use super::need::Need;
use super::refusal;
use crate::error::Problem;
use crate::pipeline::exchange::Exchange;
use crate::plan::Plan;

type Quotas = SmallVec<[Arc<ActiveQuota>; 3]>;
type Holds = SmallVec<[Hold; 3]>;

/// How often a request starts over because something changed under it.
const ROUNDS: usize = 16;
/// What earlier windows used is read in so long, or the request is refused.
const READ_WITHIN_MS: u64 = 10_000;

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    Admitted(Held),
    /// It is to be asked of this model, and the limit that is at its end says so.
    Downgrade(String),
    /// The key's actor has left: to be looked up again.
    Again,
}

/// Takes what `need` says of every limit, waiting for it where that helps.
///
/// # Errors
/// The refusal.
pub async fn admit(
    exchange: &mut Exchange,
    quota: &Arc<ActiveQuota>,
    key: &KeyRecord,
    plan: &Plan,
    need: &Need,
    is_downgraded: bool,
) -> Result<Admission, Problem> {
    let gateway = Arc::clone(&exchange.worker.gateway);
    let mut quotas = Quotas::new();
    gateway
        .directory
        .wide_quotas(key, |wide| quotas.push(Arc::clone(wide)));
    if !quota.gate.is_open() {
        quotas.push(Arc::clone(quota));
    }
    if quotas.is_empty() {
        return Ok(Admission::Admitted(Held::default()));
    }
    let is_metered = quotas.iter().any(|quota| quota.gate.look().is_metered());
    let demand = need.demand(&plan.prices, is_metered);
    let held = |holds| {
        let meter = is_metered.then(|| need.meter(&plan.prices));
        Admission::Admitted(Held::new(holds, meter))
    };
    let began = gateway.directory.clock().now();
    let patience_ms = u64::try_from(plan.concurrency_queue.as_millis()).unwrap_or(u64::MAX);
    let until_ms = began.mono_ms.saturating_add(patience_ms);
    let mut granted: Option<(usize, Hold)> = None;
    for _ in 0..ROUNDS {
        let now = gateway.directory.clock().now();
        let blocked = match take_all(&quotas, granted.take(), &demand, &need.model, now.unix_ms) {
            Ok(holds) => return Ok(held(holds)),
            Err(blocked) => blocked,
        };
        let gates: SmallVec<[Arc<Gate>; 3]> =
            quotas.iter().map(|quota| Arc::clone(&quota.gate)).collect();
        let left_ms = until_ms.saturating_sub(now.mono_ms);
        let verdict = judge(
            &gates,
            &demand,
            &need.model,
            now.unix_ms,
            left_ms,
            is_downgraded,
        );
        let (place, deadline_ms) = match &verdict {
            Verdict::Fits if blocked.1 == Blocked::Behind => (blocked.0, until_ms),
            // Something came free between the two looks.
            Verdict::Fits => continue,
            Verdict::Wait { scope, .. } => (*scope, until_ms),
            Verdict::Cold { scope } => (*scope, now.mono_ms + READ_WITHIN_MS),
            Verdict::Downgrade { model, .. } => return Ok(Admission::Downgrade(model.clone())),
            Verdict::Refuse { .. } | Verdict::Never { .. } => {
                return Err(refusal::problem(
                    verdict,
                    &gates,
                    &need.model,
                    exchange.id(),
                    now.unix_ms,
                ));
            }
        };
        let asked = quotas[place].handle.ask(QuotaAsk::Reserve(Box::new(Wanted {
            demand,
            model: Arc::clone(&need.model),
            key: key.id,
            priority: key.priority,
            deadline_ms,
        })));
        match asked.await {
            Ok(QuotaReply::Granted(hold)) => granted = Some((place, hold)),
            Ok(QuotaReply::Judge | QuotaReply::Flushed) | Err(AskError::Restarted) => {}
            Ok(QuotaReply::Late) => {
                return Err(refusal::problem(
                    verdict,
                    &gates,
                    &need.model,
                    exchange.id(),
                    gateway.directory.clock().now().unix_ms,
                ));
            }
            Ok(QuotaReply::Full) | Err(AskError::Overloaded) => {
                return Err(Problem::QueueFull {
                    key: key.prefix.clone(),
                });
            }
            Ok(QuotaReply::Unusable(why)) => {
                let text = format!("this gateway key is {why}");
                return Err(Problem::Credential(text.into()));
            }
            Ok(QuotaReply::Unread) => {
                let text = "what the limits of this key have charged could not be read";
                return Err(Problem::Store(text.into()));
            }
            Err(AskError::Stopped) if Arc::ptr_eq(&quotas[place], quota) => {
                return Ok(Admission::Again);
            }
            Err(AskError::Stopped) => {
                return Err(Problem::Overloaded("the limits shared with others"));
            }
        }
    }
    Err(Problem::Overloaded("the limits of the key"))
}

/// Takes of every scope, or of none; where it stopped and why. What an actor granted of one is part of it.
fn take_all(
    quotas: &Quotas,
    mut granted: Option<(usize, Hold)>,
    demand: &Demand,
    model: &str,
    unix_ms: u64,
) -> Result<Holds, (usize, Blocked)> {
    let mut holds = Holds::new();
    for (place, quota) in quotas.iter().enumerate() {
        let taken = match granted.take_if(|(of, _)| *of == place) {
            Some((_, hold)) => Ok(hold),
            None => Hold::take(&quota.gate, demand, model, unix_ms, false),
        };
        match taken {
            Ok(hold) => holds.push(hold),
            Err(blocked) => {
                holds.into_iter().for_each(Hold::give_back);
                if let Some((_, hold)) = granted {
                    hold.give_back();
                }
                return Err((place, blocked));
            }
        }
    }
    Ok(holds)
}
