//! `--limit [MODELS:]NAME=N[,FIELD=VALUE]…`: limits as they are typed, for keys and accounts.
//!
//! Invariant: only the form is read here; what may stand where is said by whoever carries the change out.

use serde_json::{Map, Value, json};

use super::args::pair;
use crate::config::WrittenLimits;
use crate::config::limits::read_json;
use crate::ops::limits::Limits;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LimitArg {
    /// The models that it is for; all, when absent.
    models: Option<String>,
    name: String,
    value: Value,
}

/// Reads one.
///
/// # Errors
/// What to write.
pub(super) fn limit(text: &str) -> Result<LimitArg, String> {
    let (left, right) = pair(text)?;
    let (models, name) = match left.rsplit_once(':') {
        Some((models, name)) => (Some(models.to_owned()), name.to_owned()),
        None => (None, left),
    };
    let mut parts = right.split(',');
    let first = parts.next().unwrap_or_default();
    let fields: Vec<_> = parts.collect();
    let value = match first {
        "none" | "null" if models.is_some() => {
            return Err(format!(
                "a limit of certain models is removed with `{name}=default`"
            ));
        }
        "none" | "null" => Value::Null,
        "default" => json!("default"),
        text => number(text)
            .ok_or_else(|| format!("write a number, `none` or `default` after `{name}=`"))?,
    };
    if fields.is_empty() {
        return Ok(LimitArg {
            models,
            name,
            value,
        });
    }
    if !value.is_number() && value.as_str().is_none_or(|text| text == "default") {
        return Err(format!(
            "write a number after `{name}=`: only a limit has fields"
        ));
    }
    let mut rule = Map::new();
    rule.insert("limit".to_owned(), value);
    for field in fields {
        let (field, value) = field_of(field)?;
        if rule.insert(field.to_owned(), value).is_some() {
            return Err(format!("`{field}` is written twice"));
        }
    }
    Ok(LimitArg {
        models,
        name,
        value: rule.into(),
    })
}

fn field_of(text: &str) -> Result<(&str, Value), String> {
    const FORM: &str = "after a limit come `on_limit=`, `model=`, `cap=` and `grant=EXTRA@DATE`, with commas between them";
    match text.split_once('=') {
        Some(("grant", grant)) => {
            let (extra, until) = grant
                .split_once('@')
                .filter(|(_, until)| !until.is_empty())
                .ok_or("write a grant as EXTRA@DATE, such as grant=50@2026-12-24")?;
            let extra = number(extra).ok_or("write a number before the `@` of a grant")?;
            Ok(("grant", json!({ "extra": extra, "until": until })))
        }
        Some((field @ ("on_limit" | "model" | "cap"), value)) => Ok((field, json!(value))),
        _ => Err(FORM.to_owned()),
    }
}

/// A whole number; a decimal stays a text, which is exact.
fn number(text: &str) -> Option<Value> {
    let plain = |c: u8| c.is_ascii_digit() || b"._-".contains(&c);
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.into())
}

/// All of them; of two for the same the last one holds.
pub(super) fn limits(given: Vec<LimitArg>) -> Limits {
    let (mut limits, mut models) = (Limits::new(), Map::new());
    for limit in given {
        match limit.models {
            None => drop(limits.insert(limit.name, limit.value)),
            Some(pattern) => {
                let rules = models.entry(pattern).or_insert_with(|| json!({}));
                if let Some(rules) = rules.as_object_mut() {
                    rules.insert(limit.name, limit.value);
                }
            }
        }
    }
    if !models.is_empty() {
        limits.insert("models".to_owned(), models.into());
    }
    limits
}

/// For people, each as it would be typed.
pub(super) fn shown(limits: &Limits) -> Option<String> {
    let lines = match read_json(limits) {
        Ok(limits) => WrittenLimits(limits).lines(),
        // A newer gateway may know more.
        Err(_) => limits
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
    };
    Some(lines.join(" ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_as_it_was_typed() {
        for (typed, json, again) in [
            (
                "requests_per_minute=100",
                json!({"requests_per_minute": 100}),
                "",
            ),
            (
                "usd_per_month=12.5",
                json!({"usd_per_month": "12.5"}),
                "usd_per_month=12.50",
            ),
            (
                "usd_per_month=12.505",
                json!({"usd_per_month": "12.505"}),
                "",
            ),
            (
                "tokens_per_hour=5_000_000",
                json!({"tokens_per_hour": "5_000_000"}),
                "tokens_per_hour=5000000",
            ),
            ("concurrent=none", json!({"concurrent": null}), ""),
            (
                "usd_per_day=5,on_limit=downgrade,model=claude-haiku-4-5",
                json!({"usd_per_day": {"limit": 5, "on_limit": "downgrade", "model": "claude-haiku-4-5"}}),
                "",
            ),
            (
                "tokens_per_day=5,cap=soft,grant=50@2026-12-24",
                json!({"tokens_per_day": {"limit": 5, "cap": "soft", "grant": {"extra": 50, "until": "2026-12-24"}}}),
                "",
            ),
            (
                "claude-opus-*:usd_per_day=5",
                json!({"models": {"claude-opus-*": {"usd_per_day": 5}}}),
                "",
            ),
            (
                "x:v1*:usd_per_day=5,on_limit=shadow",
                json!({"models": {"x:v1*": {"usd_per_day": {"limit": 5, "on_limit": "shadow"}}}}),
                "",
            ),
        ] {
            let read = limits(vec![limit(typed).unwrap()]);
            assert_eq!(Value::from(read.clone()), json, "{typed}");
            let again = if again.is_empty() { typed } else { again };
            assert_eq!(shown(&read).as_deref(), Some(again));
        }
        assert_eq!(shown(&Limits::new()), None);
    }

    #[test]
    fn several_go_together_and_the_last_one_holds() {
        let typed = [
            "concurrent=1",
            "concurrent=default",
            "a*:usd_per_day=1",
            "a*:usd_per_week=2",
            "b*:usd_per_day=default",
        ];
        let read = limits(typed.map(|text| limit(text).unwrap()).into());
        let json = json!({
            "concurrent": "default",
            "models": { "a*": { "usd_per_day": 1, "usd_per_week": 2 }, "b*": { "usd_per_day": "default" } }
        });
        assert_eq!(Value::from(read), json);
    }

    #[test]
    fn what_is_no_limit_is_told() {
        for (typed, said) in [
            ("concurrent", "NAME=VALUE"),
            ("=5", "NAME=VALUE"),
            ("concurrent=many", "a number, `none` or `default`"),
            ("concurrent=", "a number, `none` or `default`"),
            ("usd_per_day=$5", "a number"),
            ("usd_per_day=1e3", "a number"),
            ("usd_per_day=5,on_limit", "after a limit come"),
            ("usd_per_day=5,colour=red", "after a limit come"),
            ("usd_per_day=5,cap=soft,cap=soft", "`cap` is written twice"),
            ("usd_per_day=5,grant=50", "EXTRA@DATE"),
            ("usd_per_day=5,grant=50@", "EXTRA@DATE"),
            ("usd_per_day=5,grant=x@2026-12-24", "before the `@`"),
            ("usd_per_day=none,cap=soft", "only a limit has fields"),
            ("usd_per_day=default,cap=soft", "only a limit has fields"),
            ("a*:usd_per_day=none", "`usd_per_day=default`"),
        ] {
            let refusal = limit(typed).unwrap_err();
            assert!(refusal.contains(said), "{typed}: {refusal}");
        }
    }
}
