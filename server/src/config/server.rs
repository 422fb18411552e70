//! `server`: where the process listens and how much it takes in.
//!
//! Invariant: `body_limit` fits into `bodies_in_memory` (checked in [`super::check`]).

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use troupe_core::cidr::Cidr;

use super::rules;
use super::unit::{ByteSize, HumanDuration};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address clients connect to.
    #[garde(skip)]
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub bind: SocketAddr,
    /// Processes. More than one needs `cluster.redis_url` and a `postgres://` store.
    #[garde(range(min = 1))]
    pub workers: u32,
    /// HTTP threads of a process.
    #[garde(skip)]
    pub threads: Threads,
    /// The largest request body.
    #[garde(custom(at_least_1_kib))]
    pub body_limit: ByteSize,
    /// Request bodies held at the same time, together.
    #[garde(custom(at_least_1_kib))]
    pub bodies_in_memory: ByteSize,
    #[garde(dive)]
    pub drain: Drain,
    /// Proxies in front: addresses and networks whose `x-forwarded-for` is believed.
    #[garde(custom(rules::networks))]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Cidr>,
}

/// How a process stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// Not ready, still accepting: time for a load balancer to look away.
    #[garde(skip)]
    pub delay: HumanDuration,
    /// A stream that is silent for so long is ended.
    #[garde(skip)]
    pub idle: HumanDuration,
    /// After so long the process ends whatever still runs.
    #[garde(skip)]
    pub max: HumanDuration,
}

/// `auto` (one per core) or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    #[default]
    Auto,
    Count(NonZeroU16),
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 5200)),
            workers: 1,
            threads: Threads::Auto,
            body_limit: ByteSize::mib(32),
            bodies_in_memory: ByteSize::mib(512),
            drain: Drain::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            delay: HumanDuration::from_secs(5),
            idle: HumanDuration::from_secs(30),
            max: HumanDuration::from_secs(15 * 60),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes references")]
fn at_least_1_kib(size: &ByteSize, _: &()) -> garde::Result {
    if size.bytes() < 1024 {
        return Err(garde::Error::new("must be at least 1KiB"));
    }
    Ok(())
}

/// Reads `127.0.0.1:5200` or `[::1]:5200`.
pub(super) fn address<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(d)?;
    text.parse()
        .map_err(|_| de::Error::custom("expected an address and port such as 127.0.0.1:5200"))
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let count = text.parse().map(Self::Count);
        count.map_err(|_| de::Error::custom("expected `auto` or a number from 1 to 65535"))
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u16(count.get()),
        }
    }
}

impl JsonSchema for Threads {
    fn schema_name() -> Cow<'static, str> {
        "Threads".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`auto` (one per core) or a number.",
            "anyOf": [
                { "const": "auto" },
                { "type": "integer", "minimum": 1, "maximum": u16::MAX }
            ]
        })
    }
}
