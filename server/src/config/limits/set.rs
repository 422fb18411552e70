//! Limits by name, and those for certain models.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use troupe_core::limit::{LimitName, LimitRule, LimitSet, Own};
use troupe_core::models::Pattern;

use super::rule::{OwnOf, RuleOf, Shown};
use super::{rule, schema};

/// Patterns in one set: each is looked at in every request.
const PATTERNS_MAX: usize = 64;

/// `{ requests_per_minute: 100, usd_per_day: null, models: { claude-opus-*: { usd_per_day: 5 } } }`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WrittenLimits(pub LimitSet);

/// Every name, `models` first.
static FIELDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let names = LimitName::all().map(LimitName::as_str);
    std::iter::once("models").chain(names).collect()
});

fn names() -> &'static [&'static str] {
    FIELDS.get(1..).unwrap_or_default()
}

impl WrittenLimits {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One text for each limit, as the command line takes it: `usd_per_month=12.50`, `concurrent=none`,
    /// `claude-opus-*:usd_per_day=5`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let all = self.0.all.iter().map(|(&name, own)| match own {
            Own::None => format!("{name}=none"),
            Own::Is(rule) => format!("{name}={}", rule::line(name, rule)),
        });
        let models = self.0.models.iter().flat_map(|(pattern, rules)| {
            rules
                .iter()
                .map(move |(&name, rule)| format!("{pattern}:{name}={}", rule::line(name, rule)))
        });
        all.chain(models).collect()
    }
}

// === Reading ===

impl<'de> Deserialize<'de> for WrittenLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = deserializer.deserialize_struct("limits", &FIELDS, All)?;
        Ok(Self(all))
    }
}

struct All;

impl<'de> Visitor<'de> for All {
    type Value = LimitSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of limits")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LimitSet, A::Error> {
        let mut set = LimitSet::default();
        while let Some(field) = map.next_key::<String>()? {
            if field == "models" {
                set.models = map.next_value_seed(Models)?;
                continue;
            }
            let name: LimitName = field.parse().map_err(de::Error::custom)?;
            set.all.insert(name, map.next_value_seed(OwnOf(name))?);
        }
        Ok(set)
    }
}

struct Models;

impl<'de> DeserializeSeed<'de> for Models {
    type Value = BTreeMap<Pattern, BTreeMap<LimitName, LimitRule>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Models {
    type Value = BTreeMap<Pattern, BTreeMap<LimitName, LimitRule>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of models to limits")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut models = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.contains("${") {
                return Err(de::Error::custom("variables are not expanded in keys"));
            }
            let pattern = Pattern::parse(&key).map_err(de::Error::custom)?;
            let rules = map.next_value_seed(OfModels)?;
            if models.insert(pattern, rules).is_some() {
                let why =
                    "names the same models twice (upper and lower case are the same); keep one";
                return Err(de::Error::custom(why));
            }
        }
        if models.len() > PATTERNS_MAX {
            let why = format!("holds more than {PATTERNS_MAX} patterns; use `*` for many models");
            return Err(de::Error::custom(why));
        }
        models.retain(|_, rules: &mut BTreeMap<_, _>| !rules.is_empty());
        Ok(models)
    }
}

struct OfModels;

impl<'de> DeserializeSeed<'de> for OfModels {
    type Value = BTreeMap<LimitName, LimitRule>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_struct("limits of models", names(), self)
    }
}

impl<'de> Visitor<'de> for OfModels {
    type Value = BTreeMap<LimitName, LimitRule>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of limits")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut rules = BTreeMap::new();
        while let Some(field) = map.next_key::<String>()? {
            let name: LimitName = field.parse().map_err(de::Error::custom)?;
            rules.insert(name, map.next_value_seed(RuleOf(name))?);
        }
        Ok(rules)
    }
}

// === Writing ===

impl Serialize for WrittenLimits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, own) in &self.0.all {
            match own {
                Own::None => map.serialize_entry(name, &())?,
                Own::Is(rule) => map.serialize_entry(name, &Shown(*name, rule))?,
            }
        }
        if !self.0.models.is_empty() {
            map.serialize_entry("models", &ShownModels(&self.0.models))?;
        }
        map.end()
    }
}

struct ShownModels<'a>(&'a BTreeMap<Pattern, BTreeMap<LimitName, LimitRule>>);
struct ShownRules<'a>(&'a BTreeMap<LimitName, LimitRule>);

impl Serialize for ShownModels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|(pattern, rules)| (pattern, ShownRules(rules))),
        )
    }
}

impl Serialize for ShownRules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, rule)| (name, Shown(*name, rule))))
    }
}

// === Schema ===

impl JsonSchema for WrittenLimits {
    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::of_limits(generator)
    }
}
