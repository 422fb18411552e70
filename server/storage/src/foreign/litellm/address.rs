//! The URL: libpq's and Prisma's parameters, of which the driver takes its own.
//!
//! Invariant: a parameter that the driver does not know never reaches it: it would log name and value.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::error::ReadError;

/// Parameters of the driver; others (`connection_limit`, `pool_timeout`, `pgbouncer`, …) steer Prisma only.
const TAKEN: [&str; 8] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "user",
];
const SCHEMA_MAX_BYTES: usize = 63;

/// Where to connect, and the schema to look into (`None`: the connection's own).
pub(super) fn parse(url: &SecretString) -> Result<(PgConnectOptions, Option<String>), ReadError> {
    let mut url = Url::parse(url.expose_secret().trim()).map_err(|_| {
        ReadError::Url("expected postgres://user:password@host:5432/database; write special characters of the password as %XX")
    })?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(ReadError::Url("it does not begin with postgres://"));
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let schema = pairs.iter().find(|(name, _)| name == "schema");
    let schema = schema.map(|(_, schema)| schema.clone());
    if schema
        .as_ref()
        .is_some_and(|schema| schema.is_empty() || schema.len() > SCHEMA_MAX_BYTES)
    {
        return Err(ReadError::Url("`schema` is no name"));
    }
    url.set_query(None);
    let taken = pairs
        .iter()
        .filter(|(name, _)| TAKEN.contains(&name.as_str()));
    let taken: Vec<_> = taken.collect();
    if !taken.is_empty() {
        url.query_pairs_mut().extend_pairs(taken);
    }
    let options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| ReadError::Url("one of its parameters has no such value"))?;
    Ok((options.application_name("troupe import"), schema))
}
