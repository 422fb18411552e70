//! Tells the operator of models whose price nobody knows, once for each.
//!
//! Invariant: names come from clients, so they are shortened, and no more than [`NAMES_MAX`] are kept and told of.

use std::collections::HashSet;

use troupe_core::record::RequestRecord;

const NAMES_MAX: usize = 1_000;
const NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Unpriced {
    told: HashSet<String>,
}

impl Unpriced {
    /// Looks at a finished request.
    pub(super) fn see(&mut self, row: &RequestRecord) {
        if !row.unpriced || row.usage.is_zero() {
            return;
        }
        let Some(model) = self.first(row.model.as_deref().unwrap_or_default()) else {
            return;
        };
        tracing::warn!(
            model,
            "the model's price is unknown; it counts as the dearest known one until `models.prices` has it"
        );
        if self.told.len() == NAMES_MAX {
            tracing::warn!(
                names = NAMES_MAX,
                "too many models of unknown price; further ones are not told of"
            );
        }
    }

    /// The name, shortened, the first time that it is seen.
    fn first(&mut self, model: &str) -> Option<String> {
        let name: String = model.chars().take(NAME_CHARS_MAX).collect();
        let is_new = self.told.len() < NAMES_MAX && self.told.insert(name.clone());
        is_new.then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_once_and_never_without_end() {
        let mut unpriced = Unpriced::default();
        assert_eq!(unpriced.first("x").as_deref(), Some("x"));
        assert_eq!(unpriced.first("x"), None);
        let long = "é".repeat(10_000);
        assert_eq!(unpriced.first(&long), Some("é".repeat(64)));
        assert_eq!(unpriced.first(&format!("{long}1")), None);
        let told = (0..5_000).filter(|n| unpriced.first(&n.to_string()).is_some());
        assert_eq!(told.count(), NAMES_MAX - 2);
    }
}
