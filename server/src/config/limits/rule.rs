//! One limit: a number, or a mapping with what happens when it is reached.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use troupe_core::limit::{Cap, Grant, LimitName, LimitRule, OnLimit, Own};

use super::super::de::SHORT;
use super::{amount, date};

const FIELDS: &[&str] = &["limit", "on_limit", "model", "cap", "grant"];
const MODEL_MAX_BYTES: usize = 256;

/// `null`, or a rule.
pub(super) struct OwnOf(pub LimitName);
/// A rule.
pub(super) struct RuleOf(pub LimitName);
struct AmountOf(LimitName);
struct GrantOf(LimitName);

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Reject,
    Queue,
    Downgrade,
    Shadow,
}

#[derive(Deserialize)]
struct Until(#[serde(deserialize_with = "until")] u64);

// === impl OwnOf ===

impl<'de> DeserializeSeed<'de> for OwnOf {
    type Value = Own;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Own, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OwnOf {
    type Value = Own;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a limit or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<Own, E> {
        Ok(Own::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Own, D::Error> {
        RuleOf(self.0).deserialize(deserializer).map(Own::Is)
    }
}

// === impl RuleOf ===

impl<'de> DeserializeSeed<'de> for RuleOf {
    type Value = LimitRule;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<LimitRule, D::Error> {
        deserializer.deserialize_struct(SHORT, FIELDS, self)
    }
}

impl<'de> Visitor<'de> for RuleOf {
    type Value = LimitRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a mapping with `limit`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<LimitRule, E> {
        let value = amount::read(self.0, text).map_err(E::custom)?;
        Ok(LimitRule::of(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LimitRule, A::Error> {
        let name = self.0;
        let (mut value, mut word, mut model, mut cap, mut grant) = (None, None, None, None, None);
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "limit" => value = Some(map.next_value_seed(AmountOf(name))?),
                "on_limit" => word = map.next_value::<Option<Word>>()?,
                "model" => model = map.next_value::<Option<Model>>()?,
                "cap" => cap = map.next_value::<Option<Cap>>()?,
                "grant" => grant = map.next_value_seed(GrantOf(name))?,
                other => return Err(de::Error::unknown_field(other, FIELDS)),
            }
        }
        let value = value.ok_or_else(|| de::Error::missing_field("limit"))?;
        let refuse = |why: &str| Err(de::Error::custom(why));
        let is_slots = name == LimitName::Concurrent;
        if is_slots && (cap.is_some() || matches!(word, Some(Word::Queue | Word::Downgrade))) {
            return refuse(
                "`concurrent` has no `cap`, and `on_limit` is `reject` or `shadow`: who finds it taken waits \
                 `limits.concurrency_queue` in any case",
            );
        }
        let on_limit = match (word.unwrap_or(Word::Reject), model) {
            (Word::Downgrade, Some(Model(model))) => OnLimit::Downgrade { model },
            (Word::Downgrade, None) => {
                return refuse("`on_limit: downgrade` needs `model`, the name of a cheaper one");
            }
            (_, Some(_)) => return refuse("`model` belongs to `on_limit: downgrade`"),
            (Word::Reject, None) => OnLimit::Reject,
            (Word::Queue, None) => OnLimit::Queue,
            (Word::Shadow, None) => OnLimit::Shadow,
        };
        Ok(LimitRule {
            value,
            on_limit,
            cap: cap.unwrap_or_default(),
            grant,
        })
    }
}

// === impl AmountOf ===

impl<'de> DeserializeSeed<'de> for AmountOf {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for AmountOf {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        amount::read(self.0, text).map_err(E::custom)
    }
}

// === impl GrantOf ===

impl<'de> DeserializeSeed<'de> for GrantOf {
    type Value = Option<Grant>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Grant>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for GrantOf {
    type Value = Option<Grant>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with `extra` and `until`")
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<Grant>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Grant>, D::Error> {
        deserializer.deserialize_struct("grant", &["extra", "until"], self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Grant>, A::Error> {
        let (mut extra, mut until_ms) = (None, None);
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "extra" => extra = Some(map.next_value_seed(AmountOf(self.0))?),
                "until" => until_ms = Some(map.next_value::<Until>()?.0),
                other => return Err(de::Error::unknown_field(other, &["extra", "until"])),
            }
        }
        Ok(Some(Grant {
            extra: extra.ok_or_else(|| de::Error::missing_field("extra"))?,
            until_ms: until_ms.ok_or_else(|| de::Error::missing_field("until"))?,
        }))
    }
}

fn until<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    date::read(&text).ok_or_else(|| {
        de::Error::custom(
            "expected a date such as 2026-12-24 or a time such as 2026-12-24T18:00:00Z",
        )
    })
}

// === impl Model ===

struct Model(String);

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let letters = !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '*');
        if letters && (1..=MODEL_MAX_BYTES).contains(&text.len()) {
            return Ok(Self(text));
        }
        Err(de::Error::custom(
            "expected the name of one model such as claude-haiku-4-5",
        ))
    }
}

/// A rule as it is written: a number alone, where there is nothing else to say.
pub(super) struct Shown<'a>(pub LimitName, pub &'a LimitRule);
struct ShownAmount(LimitName, u64);
struct ShownGrant(LimitName, Grant);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let &Self(name, rule) = self;
        if *rule == LimitRule::of(rule.value) {
            return amount::serialize(name, rule.value, serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("limit", &ShownAmount(name, rule.value))?;
        if rule.on_limit != OnLimit::Reject {
            map.serialize_entry("on_limit", rule.on_limit.as_str())?;
        }
        if let OnLimit::Downgrade { model } = &rule.on_limit {
            map.serialize_entry("model", model)?;
        }
        if rule.cap != Cap::Strict {
            map.serialize_entry("cap", rule.cap.as_str())?;
        }
        if let Some(grant) = rule.grant {
            map.serialize_entry("grant", &ShownGrant(name, grant))?;
        }
        map.end()
    }
}

impl Serialize for ShownAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        amount::serialize(self.0, self.1, serializer)
    }
}

impl Serialize for ShownGrant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("extra", &ShownAmount(self.0, self.1.extra))?;
        map.serialize_entry("until", &date::shown(self.1.until_ms))?;
        map.end()
    }
}

/// A rule in one line, as the command line takes it: `5,on_limit=downgrade,model=claude-haiku-4-5`.
pub(super) fn line(name: LimitName, rule: &LimitRule) -> String {
    let mut text = amount::told(name, rule.value);
    if rule.on_limit != OnLimit::Reject {
        text.push_str(&format!(",on_limit={}", rule.on_limit.as_str()));
    }
    if let OnLimit::Downgrade { model } = &rule.on_limit {
        text.push_str(&format!(",model={model}"));
    }
    if rule.cap != Cap::Strict {
        text.push_str(&format!(",cap={}", rule.cap.as_str()));
    }
    if let Some(grant) = rule.grant {
        let (extra, until) = (amount::told(name, grant.extra), date::shown(grant.until_ms));
        text.push_str(&format!(",grant={extra}@{until}"));
    }
    text
}
