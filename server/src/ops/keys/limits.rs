//! Which limits a key has to keep, how they stand, and what a request of it would meet.
//!
//! Invariant: a running gateway is asked for what it counts now; without one, what is stored is told, and nothing is
//! changed by asking.

mod told;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troupe_core::key::KeyRecord;
use troupe_core::limit::{Amounts, Cell, Demand, Gate, Limit, ScopeView, Span, judge};
use troupe_core::quota::{AppliedRule, QuotaAsk, QuotaRecord};

pub use self::told::{Forecast, LimitLine};
use self::told::{forecast, line};
use super::super::{ErrorCode, OpError, Operation, Operations, now_ms};

/// Tokens of a request that names none.
const INPUT_TOKENS: u64 = 1_000;
const MAX_TOKENS: u64 = 1_024;

/// Explains the limits of the key `name`; with a model, what a request for it would meet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExplainLimits {
    pub name: String,
    #[serde(default)]
    pub model: Option<String>,
    /// The most that its input can be.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    #[serde(default)]
    pub max_tokens: Option<u64>,
}

/// How a key's limits stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsExplained {
    pub key: String,
    pub prefix: String,
    /// False when `limits.enabled` is off: nothing is limited.
    pub enabled: bool,
    /// Counted by the running gateway; else what the store has.
    pub live: bool,
    pub limits: Vec<LimitLine>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<Forecast>,
}

impl Operation for ExplainLimits {
    type Outcome = LimitsExplained;
    const NAME: &'static str = "key.limits";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<LimitsExplained, OpError> {
        let key = Arc::new(ops.key_named(&self.name).await?);
        let (plan, now_ms) = (ops.plan(), now_ms());
        let live = gates_of_running(ops, &key).await?;
        let is_live = live.is_some();
        let gates = match live {
            Some(gates) => gates,
            None => stored_gates(ops, &key, now_ms).await?,
        };
        let model = self.model.as_deref();
        let lines = gates.iter().flat_map(|gate| {
            let view = gate.view();
            let applies = |limit: &&Limit| model.is_none_or(|model| limit.applies(model));
            let limits = view.limits.iter().filter(applies);
            limits
                .map(|limit| line(gate, &view, limit, now_ms))
                .collect::<Vec<_>>()
        });
        let request = model.map(|model| {
            let input_tokens = self.input_tokens.unwrap_or(INPUT_TOKENS);
            let max_tokens = self.max_tokens.unwrap_or(MAX_TOKENS);
            let meter = plan.prices.meter(model);
            let amounts = |output_tokens| Amounts {
                requests: 1,
                input_tokens,
                output_tokens,
                micro_usd: meter.bound(input_tokens, output_tokens, true),
            };
            let demand = Demand {
                bound: amounts(max_tokens),
                at_once: amounts(0),
            };
            let patience_ms = plan.concurrency_queue.as_millis();
            let patience_ms = u64::try_from(patience_ms).unwrap_or(u64::MAX);
            let verdict = judge(&gates, &demand, model, now_ms, patience_ms, false);
            forecast(verdict, &demand, now_ms)
        });
        Ok(LimitsExplained {
            key: key.name.clone(),
            prefix: key.prefix.clone(),
            enabled: plan.limits.enabled,
            live: is_live,
            limits: lines.collect(),
            request,
        })
    }
}

/// What the running gateway counts; its actor for the key is started if need be.
async fn gates_of_running(
    ops: &Operations,
    key: &KeyRecord,
) -> Result<Option<Vec<Arc<Gate>>>, OpError> {
    let Some(directory) = &ops.directory else {
        return Ok(None);
    };
    let Some(entry) = directory.key_by_id(key.id) else {
        return Ok(None);
    };
    let quota = directory.activate_key(&entry).map_err(|_| {
        OpError::new(
            ErrorCode::Internal,
            "the actor of this key failed repeatedly and is quarantined; restart the gateway",
        )
    })?;
    // Answered when what was charged before is read.
    let _ = quota.handle.ask(QuotaAsk::Flush).await;
    let mut gates = Vec::new();
    directory.wide_quotas(&entry.record(), |wide| {
        // People read from the widest on.
        gates.insert(0, Arc::clone(&wide.gate));
    });
    gates.push(Arc::clone(&quota.gate));
    Ok(Some(gates))
}

/// The same limits with what is stored of their windows.
async fn stored_gates(
    ops: &Operations,
    key: &Arc<KeyRecord>,
    now_ms: u64,
) -> Result<Vec<Arc<Gate>>, OpError> {
    let policy = &ops.plan().limits;
    let group = key.group.as_ref().map(|g| QuotaRecord::of_group(g, policy));
    let records = [Some(QuotaRecord::of_gateway(policy)), group]
        .into_iter()
        .flatten()
        .chain([QuotaRecord::of_key(key, policy)]);
    let mut gates = Vec::new();
    for record in records.filter(|record| !record.rules.is_empty()) {
        let ids = record.rules.iter().map(|rule| record.limit_id(rule));
        let rows = ops.stores.quotas.load(ids.collect(), now_ms).await?;
        let charged = |rule: &AppliedRule, span: Span| {
            let id = record.limit_id(rule);
            let row = rows
                .iter()
                .find(|row| row.limit == id && row.start_ms == span.start_ms);
            row.map_or(0, |row| row.charged)
        };
        let limits = record.rules.iter().map(|rule| {
            let span = rule
                .name
                .period()
                .map_or(Span::ALWAYS, |period| period.span(now_ms));
            let cell = Cell::unsaved(record.limit_id(rule), span, charged(rule, span));
            Limit {
                name: rule.name,
                models: rule.models.clone(),
                rule: rule.rule.clone(),
                source: rule.source,
                cells: [Arc::new(cell)].into_iter().collect(),
            }
        });
        gates.push(Gate::new(ScopeView {
            scope: record.scope.clone(),
            label: record.label.clone(),
            limits: limits.collect(),
            multiplier: record.multiplier,
            ready: true,
        }));
    }
    Ok(gates)
}
