//! Schemas of words: enumerations of other crates, which have none of their own.
//!
//! Invariant: each list is what the type reads, told in its order; a test reads every word.

use schemars::{Schema, SchemaGenerator, json_schema};

pub(super) const STRATEGIES: &[&str] = &["least_utilized", "round_robin", "weighted", "priority"];
pub(super) const PRIORITIES: &[&str] = &["low", "normal", "high"];
pub(super) const KINDS: &[&str] = &["api_key", "oauth", "web_session"];
pub(super) const PREFERRED: &[&str] = &["auto", "api_key", "oauth", "web"];
pub(super) const AUTHS: &[&str] = &["x-api-key", "bearer"];
pub(super) const GRANTS: &[&str] = &[
    "jwt_bearer",
    "authorization_code",
    "refresh_token",
    "client_credentials",
];
pub(super) const FORMATS: &[&str] = &["json", "form"];

fn words(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}

fn optional(words: &[&str]) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string", "enum": words }, { "type": "null" }] })
}

pub(super) fn strategy(_: &mut SchemaGenerator) -> Schema {
    words(STRATEGIES)
}

pub(super) fn priority(_: &mut SchemaGenerator) -> Schema {
    words(PRIORITIES)
}

pub(super) fn kind(_: &mut SchemaGenerator) -> Schema {
    words(KINDS)
}

pub(super) fn preferred(_: &mut SchemaGenerator) -> Schema {
    words(PREFERRED)
}

pub(super) fn auth(_: &mut SchemaGenerator) -> Schema {
    words(AUTHS)
}

pub(super) fn grant(_: &mut SchemaGenerator) -> Schema {
    optional(GRANTS)
}

pub(super) fn format(_: &mut SchemaGenerator) -> Schema {
    optional(FORMATS)
}
