//! The limits of one holder, as they are stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::LimitName;
use super::rule::LimitRule;
use crate::models::Pattern;

/// Limits by name; and of models that a pattern names, on top of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct LimitSet {
    pub all: BTreeMap<LimitName, Own>,
    pub models: BTreeMap<Pattern, BTreeMap<LimitName, LimitRule>>,
}

/// What a holder says of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// There is none, whatever the default is.
    None,
    #[serde(untagged)]
    Is(LimitRule),
}

/// The stored form: rules by name beside each other. A name without a value says nothing; a plain number is a rule of
/// that value, as earlier versions wrote it.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    all: BTreeMap<String, Option<Entry>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    models: BTreeMap<Pattern, BTreeMap<LimitName, LimitRule>>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Value(u64),
    Own(Own),
}

impl From<Written> for LimitSet {
    fn from(written: Written) -> Self {
        // A name of a newer version is no reason to refuse the row.
        let all = written.all.into_iter().filter_map(|(name, entry)| {
            let own = match entry? {
                Entry::Value(value) => Own::Is(LimitRule::of(value)),
                Entry::Own(own) => own,
            };
            Some((name.parse().ok()?, own))
        });
        Self {
            all: all.collect(),
            models: written.models,
        }
    }
}

impl From<LimitSet> for Written {
    fn from(set: LimitSet) -> Self {
        let all = set.all.into_iter();
        Self {
            all: all
                .map(|(name, own)| (name.as_str().to_owned(), Some(Entry::Own(own))))
                .collect(),
            models: set.models,
        }
    }
}

impl LimitSet {
    /// With no more than so many requests at once.
    #[must_use]
    pub fn of_concurrent(limit: Option<u32>) -> Self {
        let rule = limit.map(|limit| Own::Is(LimitRule::of(limit.into())));
        Self {
            all: rule
                .map(|rule| (LimitName::Concurrent, rule))
                .into_iter()
                .collect(),
            ..Self::default()
        }
    }

    /// How many requests at once, whatever the model.
    #[must_use]
    pub fn concurrent(&self) -> Option<u32> {
        match self.all.get(&LimitName::Concurrent)? {
            Own::Is(rule) => u32::try_from(rule.value).ok(),
            Own::None => None,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.models.is_empty()
    }

    /// Every rule, with the models it is for.
    pub fn rules(&self) -> impl Iterator<Item = (Option<&Pattern>, LimitName, &LimitRule)> {
        let all = self.all.iter().filter_map(|(name, own)| match own {
            Own::Is(rule) => Some((None, *name, rule)),
            Own::None => None,
        });
        let models = self.models.iter().flat_map(|(pattern, rules)| {
            rules
                .iter()
                .map(move |(name, rule)| (Some(pattern), *name, rule))
        });
        all.chain(models)
    }

    /// Does any of them count tokens or money?
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.rules().any(|(_, name, _)| name.is_metered())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Dimension, Period};

    #[test]
    fn what_is_stored_reads_back_and_so_does_the_old_form() {
        let usd = LimitName::Per(Dimension::Usd, Period::Month);
        let mut set = LimitSet::default();
        set.all.insert(usd, Own::Is(LimitRule::of(7)));
        set.all.insert(LimitName::Concurrent, Own::None);
        let pattern = Pattern::parse("claude-opus-*").unwrap();
        let rules = BTreeMap::from([(usd, LimitRule::of(3))]);
        set.models.insert(pattern, rules);
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(
            serde_json::from_str::<LimitSet>(&text).unwrap(),
            set,
            "{text}"
        );
        assert_eq!(set.rules().count(), 2);
        for (old, is) in [
            (r#"{"concurrent":null}"#, None),
            (r#"{"concurrent":8}"#, Some(8)),
        ] {
            let set: LimitSet = serde_json::from_str(old).unwrap();
            let value = set.rules().next().map(|(_, _, rule)| rule.value);
            assert_eq!(value, is, "{old}");
        }
    }
}
