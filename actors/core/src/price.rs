//! What a request costs: prices by model and class of token, in integers.
//!
//! Index. [`PriceTable`]: whose price holds for a model; [`Meter`]: the prices of one model, for who asks often;
//! [`Prices`]: one model's; [`Tier`]: service tiers; [`Multiplier`]: a factor on money; `data`: what is published;
//! [`ModelName`]: what a model's name says; [`decimal`]: how prices and factors are written.
//!
//! Invariant: an unknown model costs what the dearest known one does, never nothing; a request is rounded up once, to
//! the micro-dollar; nothing overflows, it stays at the most there is.

mod data;
pub mod decimal;
mod meter;
mod multiplier;
mod name;
mod prices;
mod table;
mod tier;

use crate::record::TokenUsage;

pub use meter::Meter;
pub use multiplier::{Multiplier, MultiplierError};
pub use name::{Family, ModelName};
pub use prices::{LongPrompt, Prices, Rates};
pub use table::PriceTable;
pub use tier::{Tier, TierFactors};

/// The price of one model, as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    pub model: ModelName,
    pub prices: Prices,
    /// The month in which the price was looked up, `YYYY-MM`.
    pub as_of: &'static str,
}

/// What a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub micro_usd: u64,
    /// False when the model is priced as the dearest known one.
    pub known: bool,
}

static BUILT_IN: PriceTable = PriceTable::built_in();

/// What `usage` costs with `model` at the built-in prices, in the standard tier.
#[must_use]
pub fn cost_micro_usd(model: &str, usage: &TokenUsage) -> Cost {
    BUILT_IN.cost(model, usage)
}

/// The built-in prices, for lists that are shown.
#[must_use]
pub fn built_in() -> &'static [Priced] {
    data::PRICES
}

#[cfg(test)]
mod tests;
