//! `keys`: client keys declared in the file, kept by name.
//!
//! Invariant: after loading, `secret` holds the secret wherever it was written.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use garde::Validate;
use jiff::{Timestamp, civil, tz::TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use troupe_core::cidr::Cidr;
use troupe_core::key::Priority;
use troupe_core::models::Pattern;

use super::limits::WrittenLimits;
use super::secret::{self, Secret};
use super::{rules, words};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Key {
    #[garde(custom(rules::name))]
    pub name: String,
    /// At least 20 characters.
    #[garde(inner(custom(rules::key_secret)))]
    #[serde(default, deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "secret::not_written")]
    pub secret: Option<Secret>,
    /// File that holds the secret. Relative to the working directory.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The person the key belongs to.
    #[garde(inner(length(min = 1, max = 256)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The team the key belongs to.
    #[garde(inner(length(min = 1, max = 256)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What keys are found by.
    #[garde(custom(rules::tags))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What its operators should know.
    #[garde(inner(custom(rules::note)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[garde(custom(rules::endpoints))]
    #[serde(default, skip_serializing_if = "Endpoints::is_default")]
    pub endpoints: Endpoints,
    #[garde(skip)]
    #[serde(default)]
    pub resources: Resources,
    /// Accounts it may use, by name; with the two below: whichever names an account is enough. All when absent.
    #[garde(inner(custom(rules::bound_to)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<String>>,
    /// Groups of accounts it may use.
    #[garde(inner(custom(rules::bound_to)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_groups: Option<Vec<String>>,
    /// Accounts it may use, by tags.
    #[garde(inner(custom(rules::bound_to)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_tags: Option<Vec<String>>,
    /// Models it may ask for, `*` for any characters; all when absent.
    #[garde(inner(custom(rules::permitted)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub models: Option<Vec<Pattern>>,
    /// Models it may not ask for, whatever `models` says.
    #[garde(custom(rules::refused))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub deny_models: Vec<Pattern>,
    /// Addresses and networks its requests may come from; every one when empty.
    #[garde(custom(rules::networks))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<Cidr>,
    /// Its class where requests wait for each other.
    #[garde(skip)]
    #[serde(default)]
    #[schemars(schema_with = "words::priority")]
    pub priority: Priority,
    /// RFC 3339; a date alone means its first moment in UTC.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "expires")]
    #[schemars(with = "Option<String>")]
    pub expires: Option<Timestamp>,
    /// Its own, in place of `limits.defaults` of the same name.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "WrittenLimits::is_empty")]
    pub limits: WrittenLimits,
}

/// What a key may call besides nothing: the default is the gateway's own endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Endpoints {
    #[default]
    Default,
    All,
    Paths(Vec<String>),
}

/// Whose upstream resources (files, batches) a key sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resources {
    #[default]
    Own,
    All,
}

// === impl Endpoints ===

impl Endpoints {
    fn is_default(&self) -> bool {
        matches!(self, Self::Default)
    }
}

impl Serialize for Endpoints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_none(),
            Self::All => serializer.serialize_str("all"),
            Self::Paths(paths) => paths.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllOrPaths;

        impl<'de> de::Visitor<'de> for AllOrPaths {
            type Value = Endpoints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all` or a list of paths such as [/v1/messages]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == "all" {
                    return Ok(Endpoints::All);
                }
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = seq.next_element()? {
                    paths.push(path);
                }
                Ok(Endpoints::Paths(paths))
            }
        }

        deserializer.deserialize_any(AllOrPaths)
    }
}

impl JsonSchema for Endpoints {
    fn schema_name() -> Cow<'static, str> {
        "Endpoints".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all`, or the paths the key may call; the gateway's own endpoints when absent.",
            "anyOf": [
                { "const": "all" },
                { "type": "array", "items": { "type": "string", "pattern": "^/" } }
            ]
        })
    }
}

fn expires<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(d)? else {
        return Ok(None);
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(at));
    }
    let day = if text.len() == 10 {
        text.parse::<civil::Date>().ok()
    } else {
        None
    };
    let midnight = day.and_then(|d| d.to_zoned(TimeZone::UTC).ok());
    midnight.map(|m| Some(m.timestamp())).ok_or_else(|| {
        de::Error::custom(
            "expected an RFC 3339 date such as 2027-01-31 or 2027-01-31T12:00:00Z (a duration has \
             no beginning in a file)",
        )
    })
}
