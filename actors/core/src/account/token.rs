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
//! Invariant: one renewal at a time; a single-use grant whose renewal may have been done is not presented again while
//! the old access token lives, and once more at most after that; no outcome deletes a credential; an account that needs
//! a login is not renewed again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::Grant;
use super::view::Credential;
use crate::id::AccountId;

/// Renewal begins at the later of 80 % of the token's life and 20 minutes before its end (RFC 7523 grants: 2 minutes
/// before it), earlier by up to a tenth of what is left.
const EARLY_MS: u64 = 20 * 60_000;
const EARLY_JWT_MS: u64 = 120_000;
/// An assertion's token must have been renewed this long before its end.
const MUST_JWT_MS: u64 = 30_000;
const POSTPONE_FIRST_MS: u64 = 5_000;
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
    /// The row had an intent without an outcome; was it the last attempt?
    pub unconcluded: Option<bool>,
    pub needs_login: Option<String>,
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
    /// Milliseconds since the Unix epoch, 0 without a token. From then on it is not used.
    pub stale_ms: u64,
    pub obtained_ms: u64,
    pub expires_ms: u64,
    pub phase: TokenPhase,
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
            unconcluded: matches!(view.phase, TokenPhase::Renewing | TokenPhase::Unknown)
                .then_some(false),
            needs_login: match &view.phase {
                TokenPhase::NeedsLogin { reason } => Some(reason.clone()),
                _ => None,
            },
        }
    }
}

/// The renewals of one account.
#[derive(Debug)]
pub(super) struct Tokens {
    grant: Grant,
    token: Option<Token>,
    phase: TokenPhase,
    tries: u32,
    /// A renewal may have been done without our knowing: the grant may be spent.
    uncertain: bool,
    /// And that renewal was the last one.
    was_last: bool,
    /// A number that spreads the renewals of many accounts.
    spread: u64,
}

impl Tokens {
    pub(super) fn new(grant: Grant, seed: TokenSeed, id: AccountId) -> Self {
        let phase = match (seed.needs_login, seed.unconcluded) {
            (Some(reason), _) => TokenPhase::NeedsLogin { reason },
            (None, Some(_)) if grant.is_single_use() => TokenPhase::Unknown,
            _ => TokenPhase::Idle,
        };
        Self {
            grant,
            token: seed.token,
            phase,
            tries: 0,
            uncertain: seed.unconcluded.is_some() && grant.is_single_use(),
            was_last: seed.unconcluded == Some(true),
            spread: (id.0.as_u128() >> 64) as u64 ^ id.0.as_u128() as u64,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.token.as_ref().map_or(0, |t| t.generation)
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    pub(super) fn phase(&self) -> &TokenPhase {
        &self.phase
    }

    pub(super) fn view(&self) -> TokenView {
        TokenView {
            generation: self.generation(),
            stale_ms: self.stale_ms(),
            obtained_ms: self.token.as_ref().map_or(0, |t| t.obtained_ms),
            expires_ms: self.token.as_ref().map_or(0, |t| t.expires_ms),
            phase: self.phase.clone(),
        }
    }

    fn stale_ms(&self) -> u64 {
        let margin_ms = match self.grant {
            Grant::JwtBearer => MUST_JWT_MS,
            Grant::RefreshToken | Grant::ClientCredentials => 0,
        };
        self.token.as_ref().map_or(0, |t| {
            // A life shorter than the margin is used as it is.
            let life_ms = t.expires_ms.saturating_sub(t.obtained_ms);
            t.expires_ms - margin_ms.min(life_ms / 4)
        })
    }

    pub(super) fn is_stale(&self, unix_ms: u64) -> bool {
        self.stale_ms() <= unix_ms
    }

    /// When something is to be done by itself (ms since the Unix epoch).
    pub(super) fn due_ms(&self) -> Option<u64> {
        match &self.phase {
            TokenPhase::Idle => Some(self.token.as_ref().map_or(0, |t| self.early_ms(t))),
            TokenPhase::Postponed { until_ms } => Some(*until_ms),
            TokenPhase::Unknown => Some(self.stale_ms()),
            TokenPhase::Renewing | TokenPhase::NeedsLogin { .. } => None,
        }
    }

    fn early_ms(&self, token: &Token) -> u64 {
        let life_ms = token.expires_ms.saturating_sub(token.obtained_ms);
        let before_ms = match self.grant {
            Grant::JwtBearer => EARLY_JWT_MS,
            Grant::RefreshToken | Grant::ClientCredentials => EARLY_MS,
        };
        let start_ms = (token.obtained_ms + life_ms / 5 * 4)
            .max(token.expires_ms.saturating_sub(before_ms));
        let left_ms = token.expires_ms.saturating_sub(start_ms);
        let share = self.spread.wrapping_add(token.generation.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        start_ms - left_ms / 10 * (share % 1_000) / 1_000
    }

    /// A renewal, if one may begin now. `dead`: the upstream has refused the token that stands (401).
    pub(super) fn begin(&mut self, unix_ms: u64, dead: bool) -> Option<Renewal> {
        let ended = dead || self.is_stale(unix_ms);
        match &self.phase {
            TokenPhase::Idle => {}
            TokenPhase::Postponed { until_ms } if *until_ms <= unix_ms => {}
            TokenPhase::Unknown if ended && self.was_last => {
                self.phase = TokenPhase::NeedsLogin {
                    reason: "the outcome of the last renewal is unknown".into(),
                };
                return None;
            }
            TokenPhase::Unknown if ended => {}
            _ => return None,
        }
        self.phase = TokenPhase::Renewing;
        Some(Renewal {
            generation: self.generation(),
            last: self.uncertain,
        })
    }

    /// Takes the outcome of a renewal in.
    pub(super) fn concluded(&mut self, unix_ms: u64, renewal: Renewal, outcome: Renewed) {
        if self.generation() != renewal.generation {
            // A login came meanwhile; what it brought stands.
            if self.phase == TokenPhase::Renewing {
                self.phase = TokenPhase::Idle;
            }
            return;
        }
        self.phase = match outcome {
            Renewed::Done { token, .. } => {
                self.accept(token);
                return;
            }
            Renewed::Refused { reason } => TokenPhase::NeedsLogin { reason },
            Renewed::Unknown { reason } if self.grant.is_single_use() && renewal.last => {
                TokenPhase::NeedsLogin {
                    reason: format!("the last renewal has no known outcome: {reason}"),
                }
            }
            Renewed::Unknown { .. } if self.grant.is_single_use() => {
                self.uncertain = true;
                TokenPhase::Unknown
            }
            Renewed::Unknown { .. } => self.postponed(unix_ms, None),
            Renewed::Postponed { after_ms, .. } => self.postponed(unix_ms, after_ms),
        };
    }

    fn postponed(&mut self, unix_ms: u64, after_ms: Option<u64>) -> TokenPhase {
        let pause_ms = (POSTPONE_FIRST_MS << self.tries.min(6)).min(POSTPONE_MOST_MS);
        self.tries += 1;
        let wanted_ms = after_ms.unwrap_or(0).min(POSTPONE_MOST_MS);
        TokenPhase::Postponed {
            until_ms: unix_ms + pause_ms.max(wanted_ms),
        }
    }

    /// A new token, by renewal or by login.
    pub(super) fn accept(&mut self, token: Token) {
        self.token = Some(token);
        self.phase = TokenPhase::Idle;
        self.tries = 0;
        self.uncertain = false;
        self.was_last = false;
    }

    /// The same tokens under other settings.
    pub(super) fn regrant(&mut self, grant: Grant) {
        self.grant = grant;
    }

    /// An operator wants another try: what stands in the way by pause or by refusal is forgotten, an unknown outcome not.
    pub(super) fn revive(&mut self) {
        if matches!(
            self.phase,
            TokenPhase::NeedsLogin { .. } | TokenPhase::Postponed { .. }
        ) {
            self.phase = TokenPhase::Idle;
            self.tries = 0;
        }
    }
}
