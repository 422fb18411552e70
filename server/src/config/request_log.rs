//! `request_log`: the row that is kept of each request, and which bodies are kept beside it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use troupe_core::price::decimal::{self, Shown};

use super::rules;
use super::unit::{ByteSize, HumanDuration};
use crate::bodies::redact::{MAX_PATTERNS, Redactor};

/// All, of a [`Sample`].
pub const ONE_PPM: u32 = 1_000_000;
/// Two bodies of a request are answered as one, to whoever asks to see them.
const MAX_BODY: ByteSize = ByteSize::mib(8);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct RequestLog {
    /// Without it no rows and no bodies are written; usage and metrics count all the same.
    #[garde(skip)]
    pub enabled: bool,
    /// Whose bodies are kept, of requests with a good key.
    #[garde(skip)]
    pub bodies: Bodies,
    /// How many requests `sampled` keeps: 0.01 is one of a hundred.
    #[garde(skip)]
    pub sample: Sample,
    #[garde(custom(rules::not_zero))]
    pub retention: HumanDuration,
    /// Of bodies; a row may outlive its own.
    #[garde(custom(rules::not_zero))]
    pub bodies_retention: HumanDuration,
    /// Compressed bodies of one day (UTC) take no more than this.
    #[garde(skip)]
    pub bodies_max: ByteSize,
    /// What is kept of one body.
    #[garde(custom(one_body))]
    pub body_limit: ByteSize,
    /// Regular expressions of what is never kept, besides what is known to be secret.
    #[garde(custom(patterns))]
    pub redact: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    #[default]
    Off,
    /// Of requests that were refused, failed, were cut or cancelled.
    Errors,
    Sampled,
    All,
}

/// A part of all requests, kept in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample(u32);

impl Default for RequestLog {
    fn default() -> Self {
        Self {
            enabled: true,
            bodies: Bodies::Off,
            sample: Sample(ONE_PPM / 100),
            retention: HumanDuration::from_secs(30 * 86_400),
            bodies_retention: HumanDuration::from_secs(7 * 86_400),
            bodies_max: ByteSize::mib(1_024),
            body_limit: ByteSize::mib(1),
            redact: Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes references")]
fn one_body(limit: &ByteSize, (): &()) -> garde::Result {
    if limit.bytes() == 0 || *limit > MAX_BODY {
        let message = format!("must be at least 1B and at most {MAX_BODY}");
        return Err(garde::Error::new(message));
    }
    Ok(())
}

fn patterns(patterns: &[String], (): &()) -> garde::Result {
    if patterns.len() > MAX_PATTERNS {
        let message = format!("must be at most {MAX_PATTERNS} patterns; join some with `|`");
        return Err(garde::Error::new(message));
    }
    Redactor::new(patterns)
        .map(drop)
        .map_err(|(nth, why)| garde::Error::new(format!("[{nth}] {why}")))
}

// === impl Sample ===

impl Sample {
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

impl FromStr for Sample {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ppm = decimal::parse(text).and_then(|ppm| u32::try_from(ppm).ok());
        ppm.filter(|ppm| *ppm <= ONE_PPM)
            .map(Self)
            .ok_or("expected a part of all such as 0.01, at most 1")
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.0.into()).fmt(f)
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Sample {
    fn schema_name() -> Cow<'static, str> {
        "Sample".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A part of all: 0.01 is one of a hundred.",
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": 1 },
                { "type": "string", "pattern": r"^[01](\.\d{1,6})?$" }
            ]
        })
    }
}
