//! `models`: names that clients may use for other names, and what models cost.

pub(super) mod catalogue;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use garde::Validate;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use troupe_core::models::Pattern;
use troupe_core::price::{LongPrompt, PriceTable, Prices, Rates};

use super::limits::Multiplier;
use super::money::{UsdPerCall, UsdPerMillion};
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
    /// A YAML or JSON file `{ as_of, prices }` of the same shape. After `prices`, before the built-in ones.
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices_file: Option<PathBuf>,
    /// What `prices_file` holds.
    #[garde(skip)]
    #[serde(skip)]
    pub catalogue: Arc<BTreeMap<Pattern, Price>>,
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
    /// All prices of tokens where the prompt is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_prompt: Option<LongPrice>,
    /// Dollars for a call of the server-side web search; 0.01 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_search: Option<UsdPerCall>,
    /// Factor on the prices of tokens in the priority tier; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Multiplier>,
    /// Factor on the prices of tokens in batches; 0.5 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Multiplier>,
    /// When the price was looked up; for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "date")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Date>,
}

/// What a model costs where the prompt (input, cache reads and cache writes) is longer than `over_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    pub over_tokens: u64,
    pub input: UsdPerMillion,
    pub output: UsdPerMillion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<UsdPerMillion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<UsdPerMillion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<UsdPerMillion>,
}

impl Models {
    /// Inline prices over those of the file over the built-in ones.
    pub fn price_table(&self) -> PriceTable {
        let layer = |prices: &BTreeMap<Pattern, Price>| {
            let prices = prices.iter();
            prices
                .map(|(pattern, price)| (pattern.clone(), price.prices()))
                .collect::<Vec<_>>()
        };
        PriceTable::with(layer(&self.catalogue)).over(layer(&self.prices))
    }
}

impl Price {
    /// In micro-dollars, every class filled in.
    pub fn prices(&self) -> Prices {
        let own = rates(
            (self.input, self.output),
            [self.cache_read, self.cache_write_5m, self.cache_write_1h],
        );
        let usual = Prices::of(own);
        let mut tiers = usual.tiers;
        tiers.priority = self.priority.map_or(tiers.priority, |factor| factor.0);
        tiers.batch = self.batch.map_or(tiers.batch, |factor| factor.0);
        Prices {
            long_prompt: self.long_prompt.map(|long| LongPrompt {
                over_tokens: long.over_tokens,
                rates: rates(
                    (long.input, long.output),
                    [long.cache_read, long.cache_write_5m, long.cache_write_1h],
                ),
            }),
            web_search_micro_usd: self
                .web_search
                .map_or(usual.web_search_micro_usd, UsdPerCall::micro_usd),
            tiers,
            ..usual
        }
    }
}

/// `cache`: reads, writes for 5 minutes, writes for an hour.
fn rates(
    (input, output): (UsdPerMillion, UsdPerMillion),
    cache: [Option<UsdPerMillion>; 3],
) -> Rates {
    let usual = Rates::of(input.micro_usd(), output.micro_usd());
    let or = |own: Option<UsdPerMillion>, usual| own.map_or(usual, UsdPerMillion::micro_usd);
    let [read, write_5m, write_1h] = cache;
    Rates {
        cache_read: or(read, usual.cache_read),
        cache_write_5m: or(write_5m, usual.cache_write_5m),
        cache_write_1h: or(write_1h, usual.cache_write_1h),
        ..usual
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
