//! `limits`: what may be used, by whom, and what happens when it is reached.
//!
//! Index. `set`: limits by name; `rule`: one of them; `amount`: numbers of its unit; `date`: until when; `schema`: all of
//! it for editors; `json`: the same forms as operations take and tell them.
//!
//! Invariant: whatever is read here is a limit that the core can count; what has no meaning is refused where it stands.

mod amount;
mod date;
mod json;
mod rule;
mod schema;
mod set;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use troupe_core::price;
use troupe_core::quota::{GroupPolicy, LimitPolicy};

pub use self::date::{read as read_date, shown as shown_date};
pub use self::json::{read as read_json, told as as_json};
pub use self::set::WrittenLimits;
use super::rules;
use super::unit::HumanDuration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Off: nothing is limited.
    #[garde(skip)]
    pub enabled: bool,
    /// Of every key that has none of that name of its own.
    #[garde(skip)]
    #[serde(skip_serializing_if = "WrittenLimits::is_empty")]
    pub defaults: WrittenLimits,
    /// Of all requests together.
    #[garde(skip)]
    #[serde(skip_serializing_if = "WrittenLimits::is_empty")]
    pub gateway: WrittenLimits,
    /// Of the keys of a group together, by the group's name.
    #[garde(custom(rules::groups))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// Written into a key that is made without limits of its own; a change later on does not reach keys that exist.
    #[garde(skip)]
    #[serde(skip_serializing_if = "WrittenLimits::is_empty")]
    pub new_keys: WrittenLimits,
    /// Told to whoever has reached a limit in dollars, such as whom to ask.
    #[garde(inner(custom(rules::spend_message)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_message: Option<String>,
    /// How long a request waits for a free slot, or for what others have reserved, before it is refused; `0s` refuses at once.
    #[garde(custom(rules::at_most_a_day))]
    pub concurrency_queue: HumanDuration,
    #[garde(skip)]
    pub error_shape: ErrorShape,
}

/// What holds for the keys of one group together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    #[serde(skip_serializing_if = "WrittenLimits::is_empty")]
    pub limits: WrittenLimits,
    /// What limits of the group and of its keys count for a dollar spent.
    pub multiplier: Multiplier,
}

/// A factor on money, such as 1.25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Multiplier(pub price::Multiplier);

/// The body of a refusal: the Messages shape, or the plain string of the roadmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    #[default]
    Messages,
    Roadmap,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            defaults: WrittenLimits::default(),
            gateway: WrittenLimits::default(),
            groups: BTreeMap::new(),
            new_keys: WrittenLimits::default(),
            spend_message: None,
            concurrency_queue: HumanDuration::from_secs(30),
            error_shape: ErrorShape::Messages,
        }
    }
}

impl Limits {
    /// What scopes are made of.
    #[must_use]
    pub fn policy(&self) -> LimitPolicy {
        let groups = self.groups.iter().map(|(name, group)| {
            let policy = GroupPolicy {
                limits: group.limits.0.clone(),
                multiplier: group.multiplier.0,
            };
            (Arc::from(name.as_str()), policy)
        });
        LimitPolicy {
            enabled: self.enabled,
            defaults: self.defaults.0.clone(),
            gateway: self.gateway.0.clone(),
            groups: groups.collect(),
        }
    }
}

// === impl Multiplier ===

impl<'de> Deserialize<'de> for Multiplier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

impl Serialize for Multiplier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        amount::serialize_decimal(self.0.ppm().into(), serializer)
    }
}

impl JsonSchema for Multiplier {
    fn schema_name() -> Cow<'static, str> {
        "Multiplier".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": 1000 },
                { "type": "string", "pattern": r"^\d{1,4}(\.\d{1,6})?$" }
            ]
        })
    }
}
