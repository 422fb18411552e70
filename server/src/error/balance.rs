//! What a caller has left, dimension by dimension: the member `limits` of an error.
//!
//! Invariant: of several limits of a dimension the tightest is told, but the one that refuses speaks for its own.

use serde_json::{Map, Number, Value, json};
use troupe_core::limit::{Dimension, LimitName, Period, Shortage};

use super::words::rfc3339;

/// One limit as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    pub name: LimitName,
    /// In the units of the limit.
    pub limit: u64,
    pub remaining: u64,
    /// When its window ends; told of those that have one.
    pub reset_ms: u64,
}

/// The tightest of each dimension; the last place is that of what runs at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances([Option<Balance>; Dimension::ALL.len() + 1]);

impl Balances {
    /// Keeps `balance` if it is tighter than what is known of its dimension.
    pub fn add(&mut self, balance: Balance) {
        let place = &mut self.0[place(balance.name)];
        if place.is_none_or(|known| balance.is_tighter(&known)) {
            *place = Some(balance);
        }
    }

    /// The limit that refuses takes its place.
    pub(super) fn speak(&mut self, short: &Shortage) {
        self.0[place(short.name)] = Some(Balance {
            name: short.name,
            limit: short.capacity,
            remaining: short.capacity.saturating_sub(short.taken),
            reset_ms: short.span.end_ms,
        });
    }

    /// `{"requests":{"limit","remaining","window","reset"},…}`; money in dollars.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let told = self.0.iter().flatten().map(|balance| {
            let dimension = balance
                .name
                .dimension()
                .map_or("concurrent", Dimension::as_str);
            (dimension.to_owned(), balance.to_json())
        });
        Value::Object(told.collect::<Map<_, _>>())
    }
}

fn place(name: LimitName) -> usize {
    match name.dimension() {
        None => Dimension::ALL.len(),
        Some(dimension) => dimension as usize,
    }
}

impl Balance {
    /// Has it less left, for its size? Of equals the one that lasts longer.
    #[must_use]
    pub fn is_tighter(&self, than: &Self) -> bool {
        let share =
            |part: &Self, whole: &Self| u128::from(part.remaining) * u128::from(whole.limit.max(1));
        let (this, other) = (share(self, than), share(than, self));
        this < other || (this == other && self.reset_ms > than.reset_ms)
    }

    fn to_json(self) -> Value {
        let (limit, remaining) = (self.number(self.limit), self.number(self.remaining));
        match self.name.period().map(Period::as_str) {
            Some(window) => json!({
                "limit": limit,
                "remaining": remaining,
                "window": window,
                "reset": rfc3339(self.reset_ms),
            }),
            None => json!({"limit": limit, "remaining": remaining}),
        }
    }

    fn number(self, units: u64) -> Number {
        if !self.name.is_spend() {
            return units.into();
        }
        if units.is_multiple_of(1_000_000) {
            return (units / 1_000_000).into();
        }
        // The nearest double of a decimal of 15 digits is written as that decimal again.
        Number::from_f64(units as f64 / 1e6).unwrap_or_else(|| (units / 1_000_000).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(name: &str, limit: u64, remaining: u64, reset_ms: u64) -> Balance {
        Balance {
            name: name.parse().unwrap(),
            limit,
            remaining,
            reset_ms,
        }
    }

    #[test]
    fn the_tightest_of_a_dimension_is_told() {
        let mut balances = Balances::default();
        for (name, limit, remaining) in [
            ("tokens_per_minute", 1_000, 900),
            ("tokens_per_hour", 100_000, 5_000),
            ("tokens_per_day", 1_000_000, 60_000),
            ("usd_per_month", 1_500_000, 100_001),
            ("concurrent", 4, 0),
        ] {
            balances.add(balance(name, limit, remaining, 1_771_930_800_000));
        }
        let expected = json!({
            "tokens": {
                "limit": 100_000, "remaining": 5_000, "window": "hour", "reset": "2026-02-24T11:00:00Z",
            },
            "usd": {
                "limit": 1.5, "remaining": 0.100_001, "window": "month", "reset": "2026-02-24T11:00:00Z",
            },
            "concurrent": {"limit": 4, "remaining": 0},
        });
        assert_eq!(balances.to_json(), expected);
    }

    #[test]
    fn of_equals_the_one_that_lasts_longer_is_tighter() {
        let short = balance("requests_per_minute", 10, 0, 60_000);
        let long = balance("requests_per_hour", 99, 0, 3_600_000);
        assert!(long.is_tighter(&short) && !short.is_tighter(&long));
        // A limit of nothing has nothing left.
        let none = balance("requests_per_day", 0, 0, 60_000);
        assert!(none.is_tighter(&balance("requests_per_hour", 9, 1, 60_000)));
    }

    #[test]
    fn money_is_written_in_dollars_to_the_last_decimal() {
        for (micro_usd, text) in [
            (0, "0"),
            (1, "1e-6"),
            (100_000, "0.1"),
            (250_000_000, "250"),
            (99_999_999_999, "99999.999999"),
        ] {
            let written = balance("usd_per_day", 1, 0, 0).number(micro_usd);
            assert_eq!(written.to_string(), text);
        }
    }
}
