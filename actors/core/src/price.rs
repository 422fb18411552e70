//! What a request costs: prices by model and class of token, in integers.
//!
//! Invariant: an unknown model costs what the dearest known one does, never nothing; a request is rounded up once, to
//! the micro-dollar; nothing overflows, it stays at the most there is.

mod data;
mod multiplier;
mod name;
mod prices;

use crate::models::Pattern;
use crate::record::TokenUsage;

pub use multiplier::Multiplier;
pub use name::{Family, ModelName};
pub use prices::{LongPrompt, Prices, Rates};

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

/// The built-in prices and the operator's own, which go before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceTable {
    /// The most special first.
    overrides: Vec<(Pattern, Prices)>,
    dearest: Rates,
}

static BUILT_IN: PriceTable = PriceTable::built_in();

impl Default for PriceTable {
    fn default() -> Self {
        Self::built_in()
    }
}

impl PriceTable {
    /// The built-in prices alone.
    #[must_use]
    pub const fn built_in() -> Self {
        let mut dearest = Rates::FREE;
        let mut row = 0;
        while row < data::PRICES.len() {
            dearest = dearest.dearer(data::PRICES[row].prices.dearest());
            row += 1;
        }
        Self {
            overrides: Vec::new(),
            dearest,
        }
    }

    /// Built-in prices under the operator's. Of several patterns that match a model, the one that fixes most of its
    /// name holds; of equal ones, the first in the order of the alphabet. Their prices count for the dearest, too.
    #[must_use]
    pub fn with(overrides: impl IntoIterator<Item = (Pattern, Prices)>) -> Self {
        let mut table = Self::built_in();
        table.overrides = overrides.into_iter().collect();
        table
            .overrides
            .sort_by(|(a, _), (b, _)| b.fixed_bytes().cmp(&a.fixed_bytes()).then(a.cmp(b)));
        for (_, prices) in &table.overrides {
            table.dearest = table.dearest.dearer(prices.dearest());
        }
        table
    }

    /// The model's own prices; `None` when it is unknown.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<Prices> {
        let own = self
            .overrides
            .iter()
            .find(|(pattern, _)| pattern.matches(model))
            .map(|&(_, prices)| prices);
        own.or_else(|| {
            let name = ModelName::parse(model)?;
            data::PRICES
                .iter()
                .find(|row| row.model == name)
                .map(|row| row.prices)
        })
    }

    /// What `usage` costs with `model`, under whatever name its host has for it.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &TokenUsage) -> Cost {
        let (rates, known) = match self.find(model) {
            Some(prices) => (prices.for_prompt(usage), true),
            None => (self.dearest, false),
        };
        Cost {
            micro_usd: rates.micro_usd(usage),
            known,
        }
    }
}

/// What `usage` costs with `model` at the built-in prices.
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
