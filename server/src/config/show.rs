//! The configuration as YAML, secrets redacted.
//!
//! Invariant: what is shown loads again (with [`super::Redacted::Accept`]) and gives the same
//! configuration, secrets aside.

use super::Config;

/// YAML of the whole configuration, defaults included.
pub fn show(config: &Config) -> String {
    // Serialising plain structs into a string has no fault to report.
    let body = serde_saphyr::to_string(config).unwrap_or_default();
    // `${` in a value stands for itself once it is loaded; written again it is escaped.
    format!("version: 1\n{}", body.replace("${", "$${"))
}
