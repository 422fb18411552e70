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
use std::time::Duration;

use smallvec::SmallVec;
use troupe_actors::key::KeyEntry;
use troupe_actors::quota::ActiveQuota;
use troupe_core::AskError;
use troupe_core::limit::{Blocked, Demand, Gate, Hold, Verdict, judge};
use troupe_core::quota::{QuotaAsk, QuotaReply, Wanted};

use super::held::Held;
use super::need::Need;
use super::refusal;
use crate::error::Problem;
use crate::gateway::Gateway;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::key::usable;
use crate::plan::Plan;

type Quotas = SmallVec<[Arc<ActiveQuota>; 3]>;
type Holds = SmallVec<[Hold; 3]>;

/// How often a request starts over because something changed under it.
const ROUNDS: usize = 16;
/// What earlier windows used is read in so long, or the request is refused.
const READ_WITHIN_MS: u64 = 10_000;
/// How often it is looked whether the key of a request that waits may still be used: what it waits for may be shared with
/// others, whose actor does not know.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    /// With what it holds, where anything limits it.
    Admitted(Option<Box<Held>>),
    /// It is to be asked of this model, and the limit that is at its end says so.
    Downgrade(String),
    /// The key's actor has left: to be looked up again.
    Again,
}

/// What a request asks for.
struct Claim<'a> {
    /// The key's own first, the gateway last.
    quotas: Quotas,
    /// The key's own.
    own: &'a Arc<ActiveQuota>,
    entry: &'a Arc<KeyEntry>,
    plan: &'a Plan,
    need: &'a Need,
    demand: Demand,
    is_downgraded: bool,
}

/// Takes what `need` says of every limit, waiting for it where that helps.
///
/// # Errors
/// The refusal.
pub async fn admit(
    exchange: &mut Exchange,
    own: &Arc<ActiveQuota>,
    entry: &Arc<KeyEntry>,
    plan: &Plan,
    need: &Need,
    is_downgraded: bool,
) -> Result<Admission, Problem> {
    let directory = &exchange.worker.gateway.directory;
    let mut quotas = Quotas::new();
    // The key's own first: one that it refuses never touches what is shared with others.
    if !own.gate.is_open() {
        quotas.push(Arc::clone(own));
    }
    directory.wide_quotas(&entry.record(), |wide| quotas.push(Arc::clone(wide)));
    if quotas.is_empty() {
        return Ok(Admission::Admitted(None));
    }
    // Of a scope that has not read its limits yet everything may count.
    let is_metered = quotas.iter().any(|quota| {
        let view = quota.gate.look();
        !view.ready || view.is_metered()
    });
    let claim = Claim {
        quotas,
        own,
        entry,
        plan,
        need,
        demand: need.demand(&plan.prices, is_metered),
        is_downgraded,
    };
    match claim.take(None, directory.clock().now().unix_ms) {
        Ok(holds) => Ok(claim.admitted(holds)),
        // Rare, and large.
        Err(_) => Box::pin(claim.wait(exchange)).await,
    }
}

impl Claim<'_> {
    fn admitted(&self, holds: Holds) -> Admission {
        Admission::Admitted(Some(Box::new(Held::new(holds))))
    }

    async fn wait(self, exchange: &Exchange) -> Result<Admission, Problem> {
        let gateway = Arc::clone(&exchange.worker.gateway);
        let clock = gateway.directory.clock();
        let gates: SmallVec<[Arc<Gate>; 3]> = self
            .quotas
            .iter()
            .map(|quota| Arc::clone(&quota.gate))
            .collect();
        let model = &self.need.model;
        let refused =
            |verdict, unix_ms| refusal::problem(verdict, &gates, model, exchange.id(), unix_ms);
        let patience = self.plan.concurrency_queue.as_millis();
        let patience_ms = u64::try_from(patience).unwrap_or(u64::MAX);
        let until_ms = clock.now().mono_ms.saturating_add(patience_ms);
        let mut granted: Option<(usize, Hold)> = None;
        for _ in 0..ROUNDS {
            let now = clock.now();
            let (at, blocked) = match self.take(granted.take(), now.unix_ms) {
                Ok(holds) => return Ok(self.admitted(holds)),
                Err(stopped) => stopped,
            };
            let left_ms = until_ms.saturating_sub(now.mono_ms);
            let verdict = judge(
                &gates,
                &self.demand,
                model,
                now.unix_ms,
                left_ms,
                self.is_downgraded,
            );
            let (place, deadline_ms) = match &verdict {
                Verdict::Fits if blocked == Blocked::Behind => (at, until_ms),
                // Something came free between the two looks.
                Verdict::Fits => continue,
                Verdict::Wait { scope, .. } => (*scope, until_ms),
                Verdict::Cold { scope } => (*scope, now.mono_ms + READ_WITHIN_MS),
                Verdict::Downgrade { model, .. } => return Ok(Admission::Downgrade(model.clone())),
                Verdict::Refuse { .. } | Verdict::Never { .. } => {
                    return Err(refused(verdict, now.unix_ms));
                }
            };
            match self.ask(&gateway, place, deadline_ms).await? {
                Ok(QuotaReply::Granted(hold)) => granted = Some((place, hold)),
                Ok(QuotaReply::Judge | QuotaReply::Flushed) | Err(AskError::Restarted) => {}
                Ok(QuotaReply::Late) => {
                    // What kept it out when it came may be past.
                    let unix_ms = clock.now().unix_ms;
                    let verdict =
                        judge(&gates, &self.demand, model, unix_ms, 0, self.is_downgraded);
                    return Err(refused(verdict, unix_ms));
                }
                Ok(QuotaReply::Full) | Err(AskError::Overloaded) => {
                    return Err(Problem::QueueFull {
                        key: self.entry.record().prefix.clone(),
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
                Err(AskError::Stopped) if Arc::ptr_eq(&self.quotas[place], self.own) => {
                    return Ok(Admission::Again);
                }
                Err(AskError::Stopped) => {
                    return Err(Problem::Overloaded("the limits shared with others"));
                }
            }
        }
        // What it needs is taken by others again and again.
        Err(Problem::Behind {
            label: self.own.gate.look().label.to_string(),
        })
    }

    /// Asks the actor of one scope, as long as the key may be used.
    async fn ask(
        &self,
        gateway: &Gateway,
        place: usize,
        deadline_ms: u64,
    ) -> Result<Result<QuotaReply, AskError>, Problem> {
        let wanted = {
            let key = self.entry.record();
            Box::new(Wanted {
                demand: self.demand,
                model: Arc::clone(&self.need.model),
                key: key.id,
                priority: key.priority,
                deadline_ms,
            })
        };
        let asked = self.quotas[place].handle.ask(QuotaAsk::Reserve(wanted));
        let mut asked = std::pin::pin!(asked);
        loop {
            if let Ok(answered) = tokio::time::timeout(LOOK_EVERY, &mut asked).await {
                return Ok(answered);
            }
            usable(gateway, &self.entry.record())?;
        }
    }

    /// Takes of every scope, or of none; where it stopped and why. What an actor granted of one is part of it.
    fn take(
        &self,
        mut granted: Option<(usize, Hold)>,
        unix_ms: u64,
    ) -> Result<Holds, (usize, Blocked)> {
        let mut holds = Holds::new();
        for (place, quota) in self.quotas.iter().enumerate() {
            let taken = match granted.take_if(|(of, _)| *of == place) {
                Some((_, hold)) => Ok(hold),
                None => {
                    let (gate, model) = (&quota.gate, &self.need.model);
                    Hold::take(gate, &self.demand, model, unix_ms, false)
                }
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
}
