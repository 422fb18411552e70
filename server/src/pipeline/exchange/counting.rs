//! What a request uses, told to the limits that it holds something of: while it runs, and when it has ended.
//!
//! Invariant: the account's limits are counted at the same looks and at the same prices as the caller's own.

use smallvec::SmallVec;
use troupe_actors::quota::ActiveQuota;
use troupe_core::limit::{Amounts, Hold, Overrun};
use troupe_core::price::Multiplier;
use troupe_core::record::Outcome;
use troupe_wire::usage::{Nonsense, UsageScanner};

use super::super::limits::{Held, held};
use super::super::observe;
use super::{Exchange, Lease};

impl Exchange {
    /// A stream has used so much so far; told of every chunk, looked at now and then.
    ///
    /// # Errors
    /// A strict limit has too little left for what was used: the stream must end.
    pub fn checkpoint(&mut self, scanner: &UsageScanner) -> Result<(), Overrun> {
        let output = scanner.estimated_output_tokens();
        if output < self.next_look {
            return Ok(());
        }
        let held = self.seat.as_mut().and_then(|seat| seat.held.as_mut());
        let own = held.map_or(&mut [][..], |held| held.holds_mut());
        let of_account = self.lease.as_mut().and_then(|lease| lease.quota.as_mut());
        let mut holds: SmallVec<[&mut Hold; 4]> = own
            .iter_mut()
            .chain(of_account)
            .filter(|hold| hold.is_metered())
            .collect();
        if holds.is_empty() {
            // Which limits it holds something of is settled before the first chunk.
            self.next_look = u64::MAX;
            return Ok(());
        }
        let Some((usage, tier)) = observe::so_far(scanner) else {
            return Ok(());
        };
        let gateway = &self.worker.gateway;
        let asked = self.record.model.as_deref().unwrap_or_default();
        let answered = scanner.model.as_deref();
        let meter = gateway.plan.load().prices.meter_of_answer(answered, asked);
        let now_ms = gateway.directory.clock().now().unix_ms;
        self.next_look = held::next_look(usage.output);
        held::checkpoint(&mut holds, &usage, |used| meter.cost(used, tier), now_ms)
    }

    /// The upstream told counts that no message can have, and they were left out: the prompt is estimated by the
    /// length of the request, and the operator is told.
    pub fn make_sense(&mut self, nonsense: Nonsense) {
        if !nonsense.is_any() {
            return;
        }
        let usage = &mut self.record.usage;
        if nonsense.prompt {
            let by_length = self.asked_bytes.div_ceil(observe::BYTES_PER_TOKEN) as u64;
            usage.input += by_length.saturating_sub(usage.prompt());
        }
        let now_ms = self.worker.streams.now_ms();
        let may_complain = |lease: &Lease| lease.route.may_complain(now_ms);
        if self.leased().is_some_and(may_complain) {
            let account = self.record.account_name.as_deref().unwrap_or_default();
            tracing::warn!(
                account.name = account,
                "the upstream's usage makes no sense and is estimated; see where `base_url` of the account goes"
            );
        }
    }

    /// Has any upstream answered, with whatever status?
    fn was_answered(&self) -> bool {
        let record = &self.record;
        record.upstream_status.is_some()
            || record.failed.iter().any(|failed| failed.status.is_some())
    }

    /// What was used is counted; where the gateway failed before an upstream answered, nothing was.
    pub(super) fn settle(&self, held: Box<Held>) {
        let own_fault = matches!(self.record.outcome, Outcome::Refused | Outcome::Failed);
        if own_fault && !self.was_answered() {
            return held.give_back();
        }
        let now_ms = self.worker.gateway.directory.clock().now().unix_ms;
        held.settle(&self.amounts(), now_ms);
    }

    pub(super) fn amounts(&self) -> Amounts {
        Amounts::used(&self.record.usage, self.record.cost_micro_usd)
    }
}

/// What a key is charged, where that is not the cost.
pub(super) fn charged(key: &ActiveQuota, cost_micro_usd: u64) -> Option<u64> {
    let multiplier = key.gate.look().multiplier;
    let is_other = multiplier != Multiplier::ONE && cost_micro_usd > 0;
    is_other.then(|| multiplier.apply(cost_micro_usd))
}
