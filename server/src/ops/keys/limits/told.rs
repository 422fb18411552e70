//! Limits and verdicts as people and programs see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use troupe_core::limit::{
    Demand, Gate, Limit, LimitName, OnLimit, ScopeView, Shortage, Source, Verdict, Why,
};

use super::super::super::fields::timestamp;

/// One limit as it stands. Amounts are in its own unit; money in dollars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitLine {
    pub name: LimitName,
    /// Whose it is: `key troupe-abc12345`, `group platform`, `this gateway`.
    pub scope: String,
    /// Only of models that match this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub models: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// With what is granted on top of it now.
    pub limit: Value,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub granted: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub granted_until: Option<Timestamp>,
    pub used: Value,
    /// Held by requests that run, and not used yet.
    pub reserved: Value,
    pub remaining: Value,
    /// Requests that hold something of it.
    pub open: u64,
    /// Requests that wait in the queue of its scope.
    pub waiting: usize,
    pub on_limit: String,
    /// For `downgrade`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    pub cap: String,
    /// When its window ends; a limit of what runs at once has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resets_at: Option<Timestamp>,
}

/// What a request would meet now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// `admitted`, `waits`, `downgraded`, `refused` or `never`.
    pub result: String,
    /// The limit that says so, and whose it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<LimitName>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    pub because: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_s: Option<u64>,
    /// What was assumed of it.
    pub input_tokens: u64,
    pub max_tokens: u64,
    /// The most that it can cost, in dollars.
    pub most_usd: Value,
}

pub(super) fn line(gate: &Gate, view: &ScopeView, limit: &Limit, unix_ms: u64) -> LimitLine {
    let amount = |units| amount(limit.name, units);
    let capacity = limit.rule.capacity(unix_ms);
    let cell = limit.cell(unix_ms);
    let (used, taken) = cell.map_or((0, 0), |cell| (cell.used(), cell.taken()));
    let grant = limit.rule.grant.filter(|grant| unix_ms < grant.until_ms);
    LimitLine {
        name: limit.name,
        scope: view.label.to_string(),
        models: limit.models.as_ref().map(ToString::to_string),
        source: limit.source,
        limit: amount(capacity),
        granted: grant.map(|grant| amount(grant.extra)),
        granted_until: grant.and_then(|grant| timestamp(grant.until_ms)),
        used: amount(used),
        reserved: amount(taken.saturating_sub(used)),
        remaining: amount(capacity.saturating_sub(taken)),
        open: cell.map_or(0, |cell| cell.open()),
        waiting: gate.waiting(),
        on_limit: limit.rule.on_limit.as_str().to_owned(),
        model: match &limit.rule.on_limit {
            OnLimit::Downgrade { model } => Some(model.clone()),
            _ => None,
        },
        cap: limit.rule.cap.as_str().to_owned(),
        resets_at: limit
            .name
            .period()
            .and_then(|period| timestamp(period.span(unix_ms).end_ms)),
    }
}

pub(super) fn forecast(verdict: Verdict, demand: &Demand, unix_ms: u64) -> Forecast {
    let seconds = |at_ms: u64| at_ms.saturating_sub(unix_ms).div_ceil(1_000).max(1);
    let (result, short, retry_at_ms) = match verdict {
        Verdict::Fits => ("admitted", None, None),
        Verdict::Cold { .. } => ("waits", None, None),
        Verdict::Wait { short, .. } => ("waits", Some(short), None),
        Verdict::Downgrade { short, .. } => ("downgraded", Some(short), None),
        Verdict::Refuse { short, retry_at_ms } => ("refused", Some(short), Some(retry_at_ms)),
        Verdict::Never { short } => ("never", Some(short), None),
    };
    Forecast {
        result: result.to_owned(),
        limit: short.as_ref().map(|short| short.name),
        scope: short.as_ref().map(|short| short.label.to_string()),
        because: short.map_or_else(
            || "nothing keeps it out".to_owned(),
            |short| because(&short),
        ),
        retry_after_s: retry_at_ms.map(seconds),
        input_tokens: demand.bound.input_tokens,
        max_tokens: demand.bound.output_tokens,
        most_usd: dollars(demand.bound.micro_usd),
    }
}

fn because(short: &Shortage) -> String {
    let amount = |units| amount(short.name, units);
    let (need, capacity) = (amount(short.need), amount(short.capacity));
    let used = amount(short.used);
    match short.why {
        Why::Never => format!("it may use {need} and the limit is {capacity}"),
        Why::Spent => format!("{used} of {capacity} are used"),
        Why::TooLittle => format!("it may use {need}, and {used} of {capacity} are used"),
        Why::Reserved => format!(
            "it may use {need}; {used} of {capacity} are used, and requests that run hold {}",
            amount(short.taken.saturating_sub(short.used))
        ),
    }
}

/// Units of a limit; money in dollars.
fn amount(name: LimitName, units: u64) -> Value {
    if name.is_spend() {
        dollars(units)
    } else {
        Value::from(units)
    }
}

fn dollars(micro_usd: u64) -> Value {
    if micro_usd.is_multiple_of(1_000_000) {
        return Value::from(micro_usd / 1_000_000);
    }
    Number::from_f64(micro_usd as f64 / 1e6).map_or(Value::Null, Value::Number)
}
