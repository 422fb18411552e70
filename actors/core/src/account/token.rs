//! The life of an account's access token: when it is renewed, and what is never done twice.
//!
//! ```text
//!           start | expiry | 401                 renewed | adopted
//!   Idle ──────────────────────▶ Renewing ───────────────────────────▶ Idle (next generation)
//!    ▲                            │  │  └ refused ──────▶ NeedsLogin ── login ──▶ Idle
//!    └── pause over ── Postponed ◀┘  │ perhaps done
//!                                    ▼
//!                                 Unknown ── the old token has ended ──▶ Renewing, for the last time
//! ```
//! What is perhaps done when the old token has ended already goes by way of Postponed: the last attempt is not made on
//! the heels of the one before it. A token that the upstream refuses (401) has ended, whatever its clock says.
//!
//! Invariant: one renewal at a time; a single-use grant whose renewal may have been done is not presented again while
//! the old access token lives, and once more at most after that; no outcome deletes a credential; an account that needs
//! a login is not renewed again; an older token never replaces a newer one.

mod life;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::view::Credential;
use crate::id::AccountId;

pub(super) use life::Tokens;

/// The longest pause before a renewal is tried again.
const POSTPONE_MOST_MS: u64 = 300_000;

/// Life of a token whose endpoint does not say.
pub const DEFAULT_LIFE_MS: u64 = 3_600_000;

/// The intent to present a grant, written before it is presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The generation that is to be replaced.
    pub generation: u64,
    /// Which start of which node.
    pub node: String,
    pub boot_epoch: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The old access token had ended: after this attempt there is none.
    pub last: bool,
}

/// An account's tokens as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    pub account: AccountId,
    /// Grows by one with each renewal and login.
    pub generation: u64,
    /// Milliseconds since the Unix epoch.
    pub obtained_ms: u64,
    pub expires_ms: u64,
    /// Access and refresh token: an AEAD box whose associated data is the account's id and the generation.
    pub sealed: Vec<u8>,
    /// A renewal that was begun and has no outcome yet.
    pub intent: Option<Intent>,
    /// Why nothing but a login helps.
    pub needs_login: Option<String>,
    /// Counts the writes of this row; set by the store.
    pub version: u64,
}

/// A token, opened.
#[derive(Clone, Debug)]
pub struct Token {
    pub generation: u64,
    pub obtained_ms: u64,
    pub expires_ms: u64,
    pub credential: Arc<Credential>,
}

/// What an account's actor is started with.
#[derive(Clone, Debug, Default)]
pub struct TokenSeed {
    pub token: Option<Token>,
    /// A grant may have been presented without our knowing how that ended; was it the last attempt?
    pub unconcluded: Option<bool>,
    pub needs_login: Option<String>,
}

impl TokenSeed {
    /// A grant that nobody has presented yet, and no token to go on with until then.
    #[must_use]
    pub fn is_grant_alone(&self) -> bool {
        self.token.is_none() && self.unconcluded.is_none() && self.needs_login.is_none()
    }
}

/// An order to renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The generation that is to be replaced; 0 when there is none yet.
    pub generation: u64,
    /// The old access token has ended and an earlier attempt may have been done: the grant may be spent already.
    pub last: bool,
}

/// How a renewal ended. Failed, done and unknown are three things.
#[derive(Clone, Debug)]
pub enum Renewed {
    /// A new generation stands; `adopted` when another node made it.
    Done { token: Token, adopted: bool },
    /// Certainly refused; nothing but a login helps.
    Refused { reason: String },
    /// Certainly not done. `after_ms` is the endpoint's wish.
    Postponed {
        reason: String,
        after_ms: Option<u64>,
    },
    /// Perhaps done.
    Unknown { reason: String },
}

/// What stands in the way of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPhase {
    Idle,
    Renewing,
    /// An outcome is unknown; nothing is done while the old token lives.
    Unknown,
    /// Not before (ms since the Unix epoch).
    Postponed {
        until_ms: u64,
    },
    NeedsLogin {
        reason: String,
    },
}

/// What requests see of a token.
#[derive(Clone, Debug)]
pub struct TokenView {
    pub generation: u64,
    /// Milliseconds since the Unix epoch, 0 without a token and for one that was refused. From then on it is not used.
    pub stale_ms: u64,
    pub obtained_ms: u64,
    pub expires_ms: u64,
    pub phase: TokenPhase,
    /// See [`TokenSeed::unconcluded`].
    pub unconcluded: Option<bool>,
}

impl TokenPhase {
    /// Until when a renewal waits, if that is still to come. What lies further away than any pause is a clock that was
    /// set back, not a pause.
    #[must_use]
    pub fn postponed_ms(&self, unix_ms: u64) -> Option<u64> {
        match self {
            Self::Postponed { until_ms } => Some(*until_ms).filter(|until_ms| {
                (1..=POSTPONE_MOST_MS).contains(&until_ms.saturating_sub(unix_ms))
            }),
            _ => None,
        }
    }
}

impl TokenSeed {
    /// What an actor that lost its machine knows from its view: a renewal under way has an outcome that nobody saw.
    #[must_use]
    pub fn of_view(view: &TokenView, credential: Option<Arc<Credential>>) -> Self {
        Self {
            token: credential.map(|credential| Token {
                generation: view.generation,
                obtained_ms: view.obtained_ms,
                expires_ms: view.expires_ms,
                credential,
            }),
            unconcluded: view.unconcluded,
            needs_login: match &view.phase {
                TokenPhase::NeedsLogin { reason } => Some(reason.clone()),
                _ => None,
            },
        }
    }
}
