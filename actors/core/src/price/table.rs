//! Whose price holds for a model.
//!
//! ```text
//!  inline prices      the pattern that fixes most of the name; a name without stars fixes all of it
//!  the price file     the same
//!  built-in prices    by family and version
//!  nobody's           the dearest of all the above, in everything
//! ```
//!
//! Invariant: a look-up is on the request path: it takes no lock, allocates only for a name in upper case, and its time
//! grows with the patterns that hold stars, not with the other prices.

use std::borrow::Cow;

use super::data;
use super::meter::Meter;
use super::name::ModelName;
use super::prices::{Prices, Rates};
use super::{Cost, Tier};
use crate::models::Pattern;
use crate::record::TokenUsage;

/// Longer names are not looked up: they are nobody's, and clients may send any.
const NAME_MAX_BYTES: usize = 256;

/// The built-in prices and the operator's own, which go before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceTable {
    /// The first to be asked is the last.
    layers: Vec<Layer>,
    dearest: Prices,
}

/// Prices of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Layer {
    /// Names without stars, in order.
    names: Vec<(Pattern, Prices)>,
    /// The most special first.
    patterns: Vec<(Pattern, Prices)>,
}

impl Default for PriceTable {
    fn default() -> Self {
        Self::built_in()
    }
}

impl PriceTable {
    /// The built-in prices alone.
    #[must_use]
    pub const fn built_in() -> Self {
        let mut dearest = Prices::of(Rates::FREE);
        let mut row = 0;
        while row < data::PRICES.len() {
            dearest = dearest.dearer(data::PRICES[row].prices);
            row += 1;
        }
        Self {
            layers: Vec::new(),
            dearest,
        }
    }

    /// The operator's prices before the built-in ones, see [`Self::over`].
    #[must_use]
    pub fn with(prices: impl IntoIterator<Item = (Pattern, Prices)>) -> Self {
        Self::built_in().over(prices)
    }

    /// Puts the operator's prices before those that are there. Of several patterns that match a model, the one that
    /// fixes most of its name holds; of equal ones, the first in the order of the alphabet. They count for the dearest,
    /// too.
    #[must_use]
    pub fn over(mut self, prices: impl IntoIterator<Item = (Pattern, Prices)>) -> Self {
        let (mut patterns, mut names): (Vec<_>, Vec<_>) = prices
            .into_iter()
            .partition(|(pattern, _)| pattern.has_stars());
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        patterns.sort_by(|(a, _), (b, _)| b.fixed_bytes().cmp(&a.fixed_bytes()).then(a.cmp(b)));
        for (_, prices) in names.iter().chain(&patterns) {
            self.dearest = self.dearest.dearer(*prices);
        }
        if !names.is_empty() || !patterns.is_empty() {
            self.layers.push(Layer { names, patterns });
        }
        self
    }

    /// The model's own prices, under whatever name its host has for it; `None` when it is unknown.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<Prices> {
        if model.len() > NAME_MAX_BYTES {
            return None;
        }
        let own = if self.layers.is_empty() {
            None
        } else {
            let name = lower(model);
            self.layers.iter().rev().find_map(|layer| layer.find(&name))
        };
        own.or_else(|| {
            let name = ModelName::parse(model)?;
            let row = data::PRICES.iter().find(|row| row.model == name);
            row.map(|row| row.prices)
        })
    }

    /// The prices of a model for who asks often: its own, or the dearest there are.
    #[must_use]
    pub fn meter(&self, model: &str) -> Meter {
        self.meter_of_known(model).unwrap_or(Meter {
            prices: self.dearest,
            known: false,
        })
    }

    /// The prices of an answer: those of the model that says that it answered, else those of the one that was asked.
    #[must_use]
    pub fn meter_of_answer(&self, answered: Option<&str>, asked: &str) -> Meter {
        answered
            .filter(|answered| *answered != asked)
            .and_then(|answered| self.meter_of_known(answered))
            .unwrap_or_else(|| self.meter(asked))
    }

    /// The most that a request can cost, see [`Prices::bound`].
    #[must_use]
    pub fn bound(&self, model: &str, input_tokens: u64, max_tokens: u64, marks_cache: bool) -> u64 {
        let meter = self.meter(model);
        meter.bound(input_tokens, max_tokens, marks_cache)
    }

    /// What `usage` costs with `model`, in the standard tier.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &TokenUsage) -> Cost {
        let meter = self.meter(model);
        Cost {
            micro_usd: meter.cost(usage, Tier::Standard),
            known: meter.is_known(),
        }
    }

    fn meter_of_known(&self, model: &str) -> Option<Meter> {
        self.find(model).map(|prices| Meter {
            prices,
            known: true,
        })
    }
}

impl Layer {
    /// `name` is in lower case.
    fn find(&self, name: &str) -> Option<Prices> {
        let named = self
            .names
            .binary_search_by(|(known, _)| known.as_str().cmp(name));
        match named {
            Ok(at) => self.names.get(at).map(|(_, prices)| *prices),
            Err(_) => self
                .patterns
                .iter()
                .find(|(pattern, _)| pattern.matches_lower(name))
                .map(|(_, prices)| *prices),
        }
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
