//! `secrets`: the master key that seals credentials, and those before it.
//!
//! Invariant: no key file is read or created here; the vault does that.

use std::path::PathBuf;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::{self, Secret};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// File of the master key, made on the first start. Relative to the working directory.
    #[garde(skip)]
    pub key_file: PathBuf,
    /// The master key itself (`TROUPE_SECRETS__KEY`); wins over `key_file`.
    #[garde(skip)]
    #[serde(deserialize_with = "secret::optional")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Files of earlier master keys. They only open; what they open is sealed anew under the current key.
    #[garde(length(max = 16))]
    pub previous_key_files: Vec<PathBuf>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            key_file: PathBuf::from("./data/master.key"),
            key: None,
            previous_key_files: Vec::new(),
        }
    }
}
