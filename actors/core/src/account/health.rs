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
    /// What may be used of it here is used.
    Limited {
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

impl Unavailable {
    /// Every word there is, in the order in which reasons are told.
    pub const WORDS: [&str; 18] = [
        "disabled",
        "not for this key",
        "not for this model",
        "not for this path",
        "off schedule",
        "rejected by its upstream",
        "in need of a login",
        "challenged",
        "out of service",
        "renewing its token",
        "throttled",
        "at its reserve",
        "at its limit",
        "down with its host",
        "misconfigured",
        "full",
        "tried and failed",
        "quarantined",
    ];

    /// The word for it wherever a person reads it: errors, the request log, explanations.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let place = match self {
            Self::Disabled => 0,
            Self::NotBound => 1,
            Self::ModelDenied => 2,
            Self::Unsupported => 3,
            Self::OffSchedule { .. } => 4,
            Self::Rejected => 5,
            Self::NeedsLogin => 6,
            Self::Challenged => 7,
            Self::OutOfService => 8,
            Self::Renewing { .. } => 9,
            Self::Throttled { .. } => 10,
            Self::Reserved { .. } => 11,
            Self::Limited { .. } => 12,
            Self::HostDown { .. } => 13,
            Self::Misconfigured => 14,
            Self::Full => 15,
            Self::Tried => 16,
            Self::Gone => 17,
        };
        Self::WORDS[place]
    }

    /// When it ends by itself (ms since the Unix epoch), where that is known.
    #[must_use]
    pub fn until_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled { until_ms }
            | Self::Reserved { until_ms }
            | Self::Limited { until_ms }
            | Self::Renewing { until_ms }
            | Self::HostDown { until_ms }
            | Self::OffSchedule { until_ms } => Some(*until_ms).filter(|&at| at != u64::MAX),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let until_ms = 7;
        let all = [
            Unavailable::Disabled,
            Unavailable::NotBound,
            Unavailable::ModelDenied,
            Unavailable::Unsupported,
            Unavailable::OffSchedule { until_ms },
            Unavailable::Rejected,
            Unavailable::NeedsLogin,
            Unavailable::Challenged,
            Unavailable::OutOfService,
            Unavailable::Renewing { until_ms },
            Unavailable::Throttled { until_ms },
            Unavailable::Reserved { until_ms },
            Unavailable::Limited { until_ms },
            Unavailable::HostDown { until_ms },
            Unavailable::Misconfigured,
            Unavailable::Full,
            Unavailable::Tried,
            Unavailable::Gone,
        ];
        assert_eq!(all.each_ref().map(Unavailable::word), Unavailable::WORDS);
        let ends = all.iter().filter(|why| why.until_ms() == Some(7)).count();
        assert_eq!(ends, 6);
        let never = Unavailable::OffSchedule { until_ms: u64::MAX };
        assert_eq!(never.until_ms(), None);
    }
}
