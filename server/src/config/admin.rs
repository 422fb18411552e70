//! `admin`: whether the admin pages are served.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    #[garde(skip)]
    pub enabled: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self { enabled: true }
    }
}
