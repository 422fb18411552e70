//! The forms of the file as JSON, as operations take and tell them.
//!
//! Invariant: one reader for both, so that what the file refuses no operation lets in.

use serde_json::{Map, Value as Json};
use troupe_core::limit::LimitSet;

use super::super::error::Origin;
use super::super::read;
use super::super::tree::{Node, Scalar, Value};
use super::WrittenLimits;

/// Reads limits; every name as in the file.
///
/// # Errors
/// Every fault with its place: `limits.usd_per_day.limit: expected …`.
pub fn read(limits: &Map<String, Json>) -> Result<LimitSet, String> {
    let mut errors = Vec::new();
    let mut tree = node(&Json::Object(limits.clone()));
    let read = read::read::<WrittenLimits>(&mut tree, &mut errors);
    if let (Some(limits), true) = (read, errors.is_empty()) {
        return Ok(limits.0);
    }
    let told = errors.iter().map(|error| match error.path.as_str() {
        "" => format!("limits: {}", error.message),
        path => format!("limits.{path}: {}", error.message),
    });
    Err(told.collect::<Vec<_>>().join("; "))
}

/// As [`read`] takes them.
#[must_use]
pub fn told(limits: &LimitSet) -> Map<String, Json> {
    // Serialising limits into a value has no fault to report.
    match serde_json::to_value(WrittenLimits(limits.clone())) {
        Ok(Json::Object(limits)) => limits,
        _ => Map::new(),
    }
}

fn node(json: &Json) -> Node {
    let value = match json {
        Json::Null => Value::Scalar(Scalar::plain("null")),
        Json::Bool(flag) => Value::Scalar(Scalar::plain(flag.to_string())),
        // Without an exponent, which a decimal of people has none of.
        Json::Number(number) => match (number.as_u64(), number.as_f64()) {
            (None, Some(float)) => Value::Scalar(Scalar::plain(float.to_string())),
            _ => Value::Scalar(Scalar::plain(number.to_string())),
        },
        Json::String(text) => Value::Scalar(Scalar {
            plain: false,
            ..Scalar::plain(text)
        }),
        Json::Array(items) => Value::List(items.iter().map(node).collect()),
        Json::Object(entries) => {
            let entries = entries.iter();
            Value::Map(
                entries
                    .map(|(name, value)| (name.clone(), node(value)))
                    .collect(),
            )
        }
    };
    Node {
        origin: Origin::Nowhere,
        value,
    }
}
