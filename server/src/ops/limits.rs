//! Limits as operations take and tell them: the forms of the configuration file, and `"default"`, which removes what
//! stands.
//!
//! Invariant: what the file refuses no operation lets in.

use serde_json::{Map, Value, json};
use troupe_core::limit::{LimitName, LimitRule, LimitSet};
use troupe_core::models::Pattern;

use super::OpError;
use crate::config::limits::{as_json, read_json};

/// Limits by name, and `models`: `{"requests_per_minute": 100, "usd_per_month": {"limit": 12.5, "cap": "soft"},
/// "tokens_per_hour": null, "models": {"claude-opus-*": {"usd_per_day": 5}}}`.
pub type Limits = Map<String, Value>;

/// As they are told.
pub(super) fn info(limits: &LimitSet) -> Limits {
    as_json(limits)
}

/// Limits that are to be removed.
#[derive(Default)]
struct Removed {
    all: Vec<String>,
    of_models: Vec<(String, String)>,
    patterns: Vec<String>,
}

/// `change` over `stands`: a value replaces, `null` lifts a default, `"default"` leaves things to the default.
pub(super) fn apply(
    mut stands: LimitSet,
    change: &Limits,
    now_ms: u64,
) -> Result<LimitSet, OpError> {
    let (given, removed) = split(change);
    let mut given = read_json(&given).map_err(OpError::invalid)?;
    removed.take_out(&mut given);
    removed.take_out(&mut stands);
    if let Some(name) = ended_grant(&given, now_ms) {
        let message = format!("limits.{name}.grant.until lies in the past");
        return Err(OpError::invalid(message));
    }
    stands.all.extend(given.all);
    for (pattern, rules) in given.models {
        stands.models.entry(pattern).or_default().extend(rules);
    }
    // Each change may be small enough, and all of them too much.
    read_json(&as_json(&stands)).map_err(OpError::invalid)
}

/// What is given, and what is removed. Each name that is removed stays among the given ones, so that it is read as they
/// are: one that is mistyped must not look done.
fn split(change: &Limits) -> (Limits, Removed) {
    let (mut given, mut removed) = (Limits::new(), Removed::default());
    for (name, value) in change {
        match value {
            Value::Object(patterns) if name == "models" => {
                let models = of_models(patterns, &mut removed);
                given.insert(name.clone(), models.into());
            }
            value if name != "models" && is_default(value) => {
                given.insert(name.clone(), Value::Null);
                removed.all.push(name.clone());
            }
            value => drop(given.insert(name.clone(), value.clone())),
        }
    }
    (given, removed)
}

fn of_models(patterns: &Limits, removed: &mut Removed) -> Limits {
    let mut given = Limits::new();
    for (pattern, rules) in patterns {
        let value = match rules {
            Value::Object(rules) => {
                let rules = rules.iter().map(|(name, value)| {
                    if !is_default(value) {
                        return (name.clone(), value.clone());
                    }
                    let gone = (pattern.clone(), name.clone());
                    removed.of_models.push(gone);
                    (name.clone(), json!(1))
                });
                Value::Object(rules.collect())
            }
            value if is_default(value) => {
                removed.patterns.push(pattern.clone());
                json!({})
            }
            value => value.clone(),
        };
        given.insert(pattern.clone(), value);
    }
    given
}

fn is_default(value: &Value) -> bool {
    value.as_str() == Some("default")
}

impl Removed {
    fn take_out(&self, limits: &mut LimitSet) {
        for name in self.all.iter().filter_map(|name| name.parse().ok()) {
            limits.all.remove::<LimitName>(&name);
        }
        let patterns = self.patterns.iter();
        for pattern in patterns.filter_map(|text| Pattern::parse(text).ok()) {
            limits.models.remove(&pattern);
        }
        for (pattern, name) in &self.of_models {
            let (Ok(pattern), Ok(name)) = (Pattern::parse(pattern), name.parse()) else {
                continue;
            };
            if let Some(rules) = limits.models.get_mut(&pattern) {
                rules.remove::<LimitName>(&name);
            }
        }
        limits.models.retain(|_, rules| !rules.is_empty());
    }
}

fn ended_grant(limits: &LimitSet, now_ms: u64) -> Option<LimitName> {
    let is_over = |rule: &LimitRule| rule.grant.is_some_and(|grant| grant.until_ms <= now_ms);
    let mut rules = limits.rules();
    rules
        .find(|(_, _, rule)| is_over(rule))
        .map(|(_, name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_764_000_000_000;

    fn limits(json: Value) -> Limits {
        serde_json::from_value(json).unwrap()
    }

    fn changed(stands: Value, change: Value) -> Result<Value, String> {
        let stands = apply(LimitSet::default(), &limits(stands), NOW_MS).unwrap();
        let changed = apply(stands, &limits(change), NOW_MS).map_err(|error| error.message)?;
        Ok(Value::Object(info(&changed)))
    }

    #[test]
    fn limits_are_set_lifted_and_left_to_the_default() {
        let stands = json!({
            "requests_per_minute": 100, "usd_per_month": 12.5, "concurrent": 8,
            "models": { "claude-opus-*": { "usd_per_day": 5, "requests_per_day": 50 } }
        });
        for (change, then) in [
            (json!({}), stands.clone()),
            (
                json!({ "requests_per_minute": 7, "usd_per_month": null, "concurrent": "default", "models": { "Claude-Opus-*": { "usd_per_day": "default" } } }),
                json!({ "requests_per_minute": 7, "usd_per_month": null, "models": { "claude-opus-*": { "requests_per_day": 50 } } }),
            ),
            (
                json!({ "models": { "claude-opus-*": "default", "*-haiku-*": { "tokens_per_hour": { "limit": 5, "on_limit": "shadow" } } }, "usd_per_month": "0.000001", "requests_per_minute": { "limit": 3, "grant": { "extra": 1, "until": "2026-12-24" } } }),
                json!({ "requests_per_minute": { "limit": 3, "grant": { "extra": 1, "until": "2026-12-24" } }, "usd_per_month": "0.000001", "concurrent": 8, "models": { "*-haiku-*": { "tokens_per_hour": { "limit": 5, "on_limit": "shadow" } } } }),
            ),
            (
                json!({ "models": { "claude-opus-*": { "usd_per_day": "default", "requests_per_day": "default" } }, "usd_per_week": "default" }),
                json!({ "requests_per_minute": 100, "usd_per_month": 12.5, "concurrent": 8 }),
            ),
        ] {
            assert_eq!(
                changed(stands.clone(), change.clone()),
                Ok(then),
                "{change}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (change, said) in [
            (
                json!({ "concurent": 4 }),
                "limits.concurent: unknown key; did you mean `concurrent`?",
            ),
            (
                json!({ "request_per_minute": "default" }),
                "did you mean `requests_per_minute`?",
            ),
            (json!({ "colour": 4 }), "limits.colour: unknown key"),
            (
                json!({ "concurrent": 0 }),
                "limits.concurrent: expected a whole number from 1 to 4294967294, got `0`",
            ),
            (
                json!({ "requests_per_day": 1.5 }),
                "expected a whole number",
            ),
            (
                json!({ "requests_per_day": [1] }),
                "expected a value or a mapping of keys, got a list",
            ),
            (json!({ "usd_per_day": 1e-7 }), "expected dollars"),
            (
                json!({ "usd_per_day": { "limit": 5, "on_limit": "downgrade" } }),
                "limits.usd_per_day: `on_limit: downgrade` needs `model`",
            ),
            (
                json!({ "usd_per_day": { "limit": 5, "colour": 1 } }),
                "limits.usd_per_day.colour: unknown key",
            ),
            (
                json!({ "usd_per_day": { "limit": 5, "grant": { "extra": 1, "until": "2020-01-01" } } }),
                "limits.usd_per_day.grant.until lies in the past",
            ),
            (
                json!({ "models": { "a b": { "usd_per_day": 1 } } }),
                "limits.models: model pattern has a space",
            ),
            (
                json!({ "models": { "a*": { "usd_per_dai": "default" } } }),
                "did you mean `usd_per_day`?",
            ),
            (
                json!({ "models": { "a*": { "usd_per_day": null } } }),
                "expected dollars",
            ),
            (
                json!({ "models": 5 }),
                "limits.models: expected a mapping of keys, got `5`",
            ),
        ] {
            let refusal = changed(json!({}), change.clone()).unwrap_err();
            assert!(refusal.contains(said), "{change}: {refusal}");
        }
    }

    #[test]
    fn patterns_are_bounded_over_all_changes() {
        let many = |from: u32| {
            let patterns =
                (from..from + 40).map(|n| (format!("m{n}"), json!({ "usd_per_day": 1 })));
            json!({ "models": patterns.collect::<Limits>() })
        };
        let refusal = changed(many(0), many(30)).unwrap_err();
        assert!(refusal.contains("more than 64 patterns"), "{refusal}");
    }
}
