//! `models`: names that clients may use for other names, and what models cost.

use std::collections::BTreeMap;

use garde::Validate;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use troupe_core::models::Pattern;
use troupe_core::price::Rates;

use super::money::UsdPerMillion;
use super::rules;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// Name that a client sends → name that goes upstream. Not chained.
    #[garde(custom(rules::model_names))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// Upstream name (`*` for any characters) → price. Before the built-in prices; of several that fit a
    /// model, the one that spells out most of its name holds.
    #[garde(custom(rules::price_patterns))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Price>")]
    pub prices: BTreeMap<Pattern, Price>,
}

/// What a model costs, in dollars per million tokens. Cache prices that are left out follow from `input`:
/// 0.1 times for reads, 1.25 times for writes that live 5 minutes, 2 times for an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input: UsdPerMillion,
    pub output: UsdPerMillion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<UsdPerMillion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<UsdPerMillion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<UsdPerMillion>,
    /// When the price was looked up; for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "date")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Date>,
}

impl Price {
    /// In micro-dollars, every class filled in.
    pub fn rates(&self) -> Rates {
        let usual = Rates::of(self.input.micro_usd(), self.output.micro_usd());
        let or = |own: Option<UsdPerMillion>, usual| own.map_or(usual, UsdPerMillion::micro_usd);
        Rates {
            cache_read: or(self.cache_read, usual.cache_read),
            cache_write_5m: or(self.cache_write_5m, usual.cache_write_5m),
            cache_write_1h: or(self.cache_write_1h, usual.cache_write_1h),
            ..usual
        }
    }
}

fn date<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
    let Some(text) = Option::<String>::deserialize(d)? else {
        return Ok(None);
    };
    let read = text.parse().ok().filter(|_| text.len() == 10);
    read.map(Some)
        .ok_or_else(|| de::Error::custom("expected a date such as 2026-08-01"))
}
