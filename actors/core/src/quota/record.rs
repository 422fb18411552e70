//! Whose limits, and which hold: the configuration's and the holder's own, merged.
//!
//! Invariant: a holder's own value replaces the default of the same name; limits of other scopes hold as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::account::AccountRecord;
use crate::id::LimitId;
use crate::key::KeyRecord;
use crate::limit::{LimitName, LimitRule, LimitSet, Own, Scope, Source};
use crate::models::Pattern;
use crate::price::Multiplier;

/// What the configuration says about limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitPolicy {
    /// Off: nothing is limited.
    pub enabled: bool,
    /// Of every key that has none of that name of its own.
    pub defaults: LimitSet,
    pub gateway: LimitSet,
    pub groups: HashMap<Arc<str>, GroupPolicy>,
}

/// What holds for the keys of one group together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupPolicy {
    pub limits: LimitSet,
    /// What its keys are charged for a dollar spent.
    pub multiplier: Multiplier,
}

impl Default for LimitPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            defaults: LimitSet::default(),
            gateway: LimitSet::default(),
            groups: HashMap::new(),
        }
    }
}

/// One limit of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedRule {
    pub name: LimitName,
    pub models: Option<Pattern>,
    pub rule: LimitRule,
    pub source: Source,
}

/// What a quota is of.
#[derive(Clone, Debug)]
pub struct QuotaRecord {
    pub scope: Scope,
    /// See [`crate::limit::ScopeView::label`].
    pub label: Box<str>,
    pub rules: Vec<AppliedRule>,
    pub multiplier: Multiplier,
    /// For a key's quota: may it be used?
    pub key: Option<Arc<KeyRecord>>,
}

impl QuotaRecord {
    /// The id of one of its limits.
    #[must_use]
    pub fn limit_id(&self, rule: &AppliedRule) -> LimitId {
        self.scope.limit_id(rule.models.as_ref(), rule.name)
    }

    #[must_use]
    pub fn of_key(key: &Arc<KeyRecord>, policy: &LimitPolicy) -> Self {
        let group = key.group.as_ref().and_then(|g| policy.groups.get(g));
        Self {
            scope: Scope::Key(key.id),
            label: format!("key {}", key.prefix).into(),
            rules: if policy.enabled {
                merged(&key.limits, &policy.defaults)
            } else {
                Vec::new()
            },
            multiplier: group.map_or(Multiplier::ONE, |group| group.multiplier),
            key: Some(Arc::clone(key)),
        }
    }

    #[must_use]
    pub fn of_group(name: &Arc<str>, policy: &LimitPolicy) -> Self {
        let group = policy.groups.get(name).filter(|_| policy.enabled);
        let rules = group.map(|group| own(&group.limits, Source::Group));
        Self {
            scope: Scope::Group(Arc::clone(name)),
            label: format!("group {name}").into(),
            rules: rules.unwrap_or_default(),
            multiplier: group.map_or(Multiplier::ONE, |group| group.multiplier),
            key: None,
        }
    }

    #[must_use]
    pub fn of_gateway(policy: &LimitPolicy) -> Self {
        let rules = policy
            .enabled
            .then(|| own(&policy.gateway, Source::Gateway));
        Self {
            scope: Scope::Gateway,
            label: "this gateway".into(),
            rules: rules.unwrap_or_default(),
            multiplier: Multiplier::ONE,
            key: None,
        }
    }

    #[must_use]
    pub fn of_account(account: &AccountRecord, policy: &LimitPolicy) -> Self {
        let rules = policy
            .enabled
            .then(|| own(&account.limits, Source::Account));
        Self {
            scope: Scope::Account(account.id),
            label: format!("account {}", account.name).into(),
            rules: rules.unwrap_or_default(),
            multiplier: Multiplier::ONE,
            key: None,
        }
    }
}

fn own(set: &LimitSet, source: Source) -> Vec<AppliedRule> {
    set.rules()
        .map(|(models, name, rule)| AppliedRule {
            name,
            models: models.cloned(),
            rule: rule.clone(),
            source,
        })
        .collect()
}

fn merged(own_set: &LimitSet, defaults: &LimitSet) -> Vec<AppliedRule> {
    let mut rules: BTreeMap<(Option<Pattern>, LimitName), AppliedRule> = BTreeMap::new();
    let both = own(defaults, Source::Default)
        .into_iter()
        .chain(own(own_set, Source::Key));
    for rule in both {
        rules.insert((rule.models.clone(), rule.name), rule);
    }
    for (name, said) in &own_set.all {
        if *said == Own::None {
            rules.remove(&(None, *name));
        }
    }
    rules.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Dimension, Period};

    #[test]
    fn an_own_value_replaces_the_default_and_none_removes_it() {
        let minute = LimitName::Per(Dimension::Requests, Period::Minute);
        let hour = LimitName::Per(Dimension::Requests, Period::Hour);
        let month = LimitName::Per(Dimension::Usd, Period::Month);
        let set = |rules: &[(LimitName, Own)]| LimitSet {
            all: rules.iter().cloned().collect(),
            ..LimitSet::default()
        };
        let is = |value| Own::Is(LimitRule::of(value));
        let defaults = set(&[
            (minute, is(1)),
            (hour, is(2)),
            (LimitName::Concurrent, is(3)),
        ]);
        let own = set(&[(minute, is(9)), (hour, Own::None), (month, is(4))]);
        let merged: Vec<_> = merged(&own, &defaults)
            .into_iter()
            .map(|rule| (rule.name, rule.rule.value, rule.source))
            .collect();
        assert_eq!(
            merged,
            [
                (LimitName::Concurrent, 3, Source::Default),
                (minute, 9, Source::Key),
                (month, 4, Source::Key),
            ]
        );
    }
}
