//! What was spent by model, as Prometheus text.
//!
//! The registry's counters hold whole numbers, and a dollar has parts: so this one is kept in micro-dollars and written
//! as a decimal here.
//!
//! Invariant: the number shown is exact and never falls; the names are those of known models and `other`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use troupe_core::price::decimal::Shown;

const NAME: &str = "troupe_cost_usd_total";

#[derive(Debug, Default)]
pub(super) struct Costs {
    micro_usd: BTreeMap<String, u64>,
}

impl Costs {
    pub(super) fn add(&mut self, model: &str, micro_usd: u64) {
        match self.micro_usd.get_mut(model) {
            Some(sum) => *sum = sum.saturating_add(micro_usd),
            None => {
                self.micro_usd.insert(model.to_owned(), micro_usd);
            }
        }
    }

    /// Appends the family; nothing while nothing was spent.
    pub(super) fn render(&self, text: &mut String) {
        if self.micro_usd.is_empty() {
            return;
        }
        let mut lines = format!("# HELP {NAME} Dollars spent, by model.\n# TYPE {NAME} counter\n");
        for (model, micro_usd) in &self.micro_usd {
            let model = escaped(model);
            // Writing into a string does not fail.
            let _ = writeln!(lines, "{NAME}{{model=\"{model}\"}} {}", Shown(*micro_usd));
        }
        text.push_str(&lines);
    }
}

/// A label's value in the text format: aliases are the operator's own words.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        let mut costs = Costs::default();
        let mut text = String::new();
        costs.render(&mut text);
        assert_eq!(text, "");
        costs.add("other", 1);
        costs.add("claude-opus-5", 1_250_000);
        costs.add("claude-opus-5", 750_000);
        costs.add("my \"fast\"\\one", u64::MAX);
        costs.add("my \"fast\"\\one", 1);
        costs.render(&mut text);
        assert_eq!(
            text,
            "# HELP troupe_cost_usd_total Dollars spent, by model.\n\
             # TYPE troupe_cost_usd_total counter\n\
             troupe_cost_usd_total{model=\"claude-opus-5\"} 2\n\
             troupe_cost_usd_total{model=\"my \\\"fast\\\"\\\\one\"} 18446744073709.551615\n\
             troupe_cost_usd_total{model=\"other\"} 0.000001\n"
        );
    }
}
