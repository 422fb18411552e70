//! Is the account of use, and if not, until when and why.
//!
//! ```text
//!            401, probe rejected            probe ok | new credential
//!  Active ───────────────────────▶ Rejected ───────────────────────▶ Active
//!     │ 402 | dead wording                                             ▲
//!     └──────────────────────────▶ OutOfService ── operator ───────────┘
//! ```
//! Cool-downs (429, 403 per model) run beside it and end by themselves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Health of an account, as learnt from answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    #[default]
    Active,
    /// The upstream does not accept the credential. Probed with growing pauses; a probe that works brings it back.
    Rejected { since_ms: u64 },
    /// Cannot serve until an operator acts (`account enable`, or a new credential).
    OutOfService { since_ms: u64, reason: String },
}

impl Health {
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rejected { .. } => "rejected",
            Self::OutOfService { .. } => "out_of_service",
        }
    }
}

/// A pause; `model: None` pauses the whole account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    pub model: Option<Arc<str>>,
    /// Milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// `throttled` (429) or `forbidden` (403).
    pub throttled: bool,
}

/// Why an account cannot take a request now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    Disabled,
    Rejected,
    OutOfService,
    /// Throttled until (ms since the Unix epoch).
    Throttled {
        until_ms: u64,
    },
    /// This model is refused to the account until then.
    Forbidden {
        until_ms: u64,
    },
    /// All its slots are in use.
    Full,
    /// Already tried for this request.
    Tried,
    /// Its actor is quarantined or gone.
    Gone,
}
