//! Is a credential of use, and if not, until when and why.
//!
//! ```text
//!            401, probe rejected            probe ok | new credential
//!  Active ───────────────────────▶ Rejected ───────────────────────▶ Active
//!     │ refresh refused, 401 again after one                           ▲
//!     ├───────────────────────────▶ NeedsLogin ── login ───────────────┤
//!     │ a challenge of the web surface                                 │
//!     ├───────────────────────────▶ Challenged ── operator ────────────┤
//!     │ 402 | dead wording                                             │
//!     └───────────────────────────▶ OutOfService ── operator ──────────┘
//! ```
//! Cool-downs (429, 403 per model) run beside it. When one has ended, the next request is a trial: its success clears it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Health of a credential, as learnt from answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    #[default]
    Active,
    /// The upstream does not accept the credential. Probed with growing pauses; a probe that works brings it back.
    Rejected { since_ms: u64 },
    /// The tokens are spent or refused: somebody must log in again.
    NeedsLogin { since_ms: u64, reason: String },
    /// The web surface asked for a person. It stays so until an operator has looked.
    Challenged { since_ms: u64 },
    /// Cannot serve until an operator acts (`account enable`, or a new credential).
    OutOfService { since_ms: u64, reason: String },
}

impl Health {
    /// All words of [`Self::as_str`].
    pub const WORDS: [&str; 5] = [
        "active",
        "rejected",
        "needs_login",
        "challenged",
        "out_of_service",
    ];

    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rejected { .. } => "rejected",
            Self::NeedsLogin { .. } => "needs_login",
            Self::Challenged { .. } => "challenged",
            Self::OutOfService { .. } => "out_of_service",
        }
    }
}

/// A pause; `model: None` pauses every model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    pub model: Option<Arc<str>>,
    /// Only for requests with this set of betas (a hash of it): one client's odd beta is no other's fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<u64>,
    /// Milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// `true`: nothing is sent (429). `false`: others are preferred (403, 5xx).
    pub throttled: bool,
}

/// How full the upstream says a window is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// As the upstream calls it: `5h`, `7d`, `requests`, `input-tokens`, …
    pub name: Arc<str>,
    /// The model whose limit it is; `None` for the whole account.
    pub model: Option<Arc<str>>,
    /// Parts per million used.
    pub used_ppm: u32,
    /// Milliseconds since the Unix epoch; after it the window says nothing any more.
    pub reset_ms: u64,
}

/// Why an account cannot take a request now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    Disabled,
    /// The key of the request may not use this account.
    NotBound,
    /// The account's rules keep the model away.
    ModelDenied,
    /// None of its credentials serves this path.
    Unsupported,
    OffSchedule {
        until_ms: u64,
    },
    Rejected,
    NeedsLogin,
    Challenged,
    OutOfService,
    /// Its token is being renewed, and no attempt is made before.
    Renewing {
        until_ms: u64,
    },
    /// Throttled until (ms since the Unix epoch).
    Throttled {
        until_ms: u64,
    },
    /// A window of the upstream's has reached the account's reserve.
    Reserved {
        until_ms: u64,
    },
    /// Its upstream host fails for everybody.
    HostDown {
        until_ms: u64,
    },
    /// Its settings make no valid request.
    Misconfigured,
    /// All its slots are in use.
    Full,
    /// Already tried for this request.
    Tried,
    /// Its actor is quarantined or gone.
    Gone,
}
