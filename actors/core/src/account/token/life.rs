//! The renewals of one account: what may be begun, and what an outcome leaves.

use std::sync::Arc;

use super::{POSTPONE_MOST_MS, Renewal, Renewed, Token, TokenPhase, TokenSeed, TokenView};
use crate::account::record::Grant;
use crate::account::view::Credential;
use crate::id::AccountId;

/// Renewal begins at the later of 80 % of the token's life and 20 minutes before its end (RFC 7523 grants: 2 minutes
/// before it), earlier by up to a tenth of what is left.
const EARLY_MS: u64 = 20 * 60_000;
const EARLY_JWT_MS: u64 = 120_000;
/// An assertion's token must have been renewed this long before its end.
const MUST_JWT_MS: u64 = 30_000;
const POSTPONE_FIRST_MS: u64 = 5_000;

/// See the module above.
#[derive(Debug)]
pub(in crate::account) struct Tokens {
    grant: Grant,
    token: Option<Token>,
    /// The upstream has refused the token that stands.
    dead: bool,
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
    pub fn new(grant: Grant, seed: TokenSeed, id: AccountId) -> Self {
        let unconcluded = seed.unconcluded.filter(|_| grant.is_single_use());
        Self {
            grant,
            token: seed.token,
            dead: false,
            phase: match (seed.needs_login, unconcluded) {
                (Some(reason), _) => TokenPhase::NeedsLogin { reason },
                (None, Some(_)) => TokenPhase::Unknown,
                (None, None) => TokenPhase::Idle,
            },
            tries: 0,
            uncertain: unconcluded.is_some(),
            was_last: unconcluded == Some(true),
            spread: (id.0.as_u128() >> 64) as u64 ^ id.0.as_u128() as u64,
        }
    }

    pub fn generation(&self) -> u64 {
        self.token.as_ref().map_or(0, |t| t.generation)
    }

    pub fn credential(&self) -> Option<&Arc<Credential>> {
        self.token.as_ref().map(|t| &t.credential)
    }

    pub fn phase(&self) -> &TokenPhase {
        &self.phase
    }

    /// May the grant be presented as often as one likes?
    pub fn is_reusable(&self) -> bool {
        !self.grant.is_single_use()
    }

    /// Was the token that stands refused?
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    pub fn view(&self) -> TokenView {
        let unconcluded = match self.phase {
            TokenPhase::Renewing => Some(self.uncertain),
            _ => self.uncertain.then_some(self.was_last),
        };
        TokenView {
            generation: self.generation(),
            stale_ms: self.stale_ms(),
            obtained_ms: self.token.as_ref().map_or(0, |t| t.obtained_ms),
            expires_ms: self.token.as_ref().map_or(0, |t| t.expires_ms),
            phase: self.phase.clone(),
            unconcluded,
        }
    }

    pub fn stale_ms(&self) -> u64 {
        let token = self.token.as_ref().filter(|_| !self.dead);
        token.map_or(0, |t| self.end_ms(t))
    }

    /// When a token is used no more. A life shorter than the margin is used as it is.
    fn end_ms(&self, token: &Token) -> u64 {
        let margin_ms = match self.grant {
            Grant::JwtBearer => MUST_JWT_MS,
            Grant::RefreshToken | Grant::ClientCredentials => 0,
        };
        let life_ms = token.expires_ms.saturating_sub(token.obtained_ms);
        token.expires_ms.saturating_sub(margin_ms.min(life_ms / 4))
    }

    /// When a token is renewed unasked: not before it was got, and before it is used no more.
    fn early_ms(&self, token: &Token) -> u64 {
        let end_ms = self.end_ms(token);
        let begin_ms = token.obtained_ms.min(end_ms);
        let before_ms = match self.grant {
            Grant::JwtBearer => EARLY_JWT_MS,
            Grant::RefreshToken | Grant::ClientCredentials => EARLY_MS,
        };
        let start_ms = (begin_ms + (end_ms - begin_ms) / 5 * 4)
            .max(token.expires_ms.saturating_sub(before_ms))
            .min(end_ms);
        let generation = token.generation.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let share = self.spread.wrapping_add(generation) % 1_000;
        start_ms - (end_ms - start_ms) / 10 * share / 1_000
    }

    pub fn is_stale(&self, unix_ms: u64) -> bool {
        self.stale_ms() <= unix_ms
    }

    /// When something is to be done by itself (ms since the Unix epoch).
    pub fn due_ms(&self, unix_ms: u64) -> Option<u64> {
        match &self.phase {
            TokenPhase::Idle => {
                let early_ms = self.token.as_ref().map_or(0, |t| self.early_ms(t));
                Some(early_ms.min(self.stale_ms()))
            }
            TokenPhase::Postponed { .. } => Some(self.phase.postponed_ms(unix_ms).unwrap_or(0)),
            // A last attempt, or to say that there is no token any more.
            TokenPhase::Unknown | TokenPhase::NeedsLogin { .. } => Some(self.stale_ms()),
            TokenPhase::Renewing => None,
        }
    }

    /// The upstream has refused the token that stands (401).
    pub fn refused(&mut self) {
        self.dead = true;
    }

    /// A renewal, if one may begin now.
    pub fn begin(&mut self, unix_ms: u64) -> Option<Renewal> {
        let ended = self.is_stale(unix_ms);
        match &self.phase {
            TokenPhase::Idle => {}
            phase @ TokenPhase::Postponed { .. } if phase.postponed_ms(unix_ms).is_none() => {}
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

    /// Takes the outcome of the renewal under way in.
    pub fn concluded(&mut self, unix_ms: u64, renewal: Renewal, outcome: Renewed) {
        let single_use = self.grant.is_single_use();
        self.phase = match outcome {
            Renewed::Done { token, adopted } => {
                let tries = self.tries;
                self.accept(token);
                if adopted || !self.is_stale(unix_ms) {
                    return;
                }
                // An endpoint whose tokens are dead on arrival is not asked without a pause.
                self.tries = tries;
                self.postponed(unix_ms, None)
            }
            Renewed::Refused { reason } => TokenPhase::NeedsLogin { reason },
            Renewed::Unknown { reason } if single_use && renewal.last => TokenPhase::NeedsLogin {
                reason: format!("the last renewal has no known outcome: {reason}"),
            },
            Renewed::Unknown { .. } => {
                self.uncertain = single_use;
                if single_use && !self.is_stale(unix_ms) {
                    TokenPhase::Unknown
                } else {
                    self.postponed(unix_ms, None)
                }
            }
            Renewed::Postponed { after_ms, .. } => self.postponed(unix_ms, after_ms),
        };
    }

    fn postponed(&mut self, unix_ms: u64, after_ms: Option<u64>) -> TokenPhase {
        let pause_ms = POSTPONE_FIRST_MS << self.tries.min(6);
        self.tries += 1;
        let pause_ms = pause_ms.max(after_ms.unwrap_or(0)).min(POSTPONE_MOST_MS);
        TokenPhase::Postponed {
            until_ms: unix_ms.saturating_add(pause_ms),
        }
    }

    /// A new token, by renewal or by login.
    pub fn accept(&mut self, token: Token) {
        self.token = Some(token);
        self.dead = false;
        self.phase = TokenPhase::Idle;
        self.tries = 0;
        self.uncertain = false;
        self.was_last = false;
    }

    /// A grant of a login or an import, without an access token: it is presented at once. The token that stands is of
    /// another login and not used any more.
    pub fn brought(&mut self) {
        self.dead = true;
        self.phase = TokenPhase::Idle;
        self.tries = 0;
        self.uncertain = false;
        self.was_last = false;
    }

    /// The same tokens under other settings.
    pub fn regrant(&mut self, grant: Grant) {
        self.grant = grant;
        if !grant.is_single_use() {
            self.uncertain = false;
            self.was_last = false;
            if self.phase == TokenPhase::Unknown {
                self.phase = TokenPhase::Idle;
            }
        }
    }

    /// An operator wants another try: what stands in the way by pause or by refusal is forgotten. Not that the grant
    /// may be spent: the next attempt is a last one again.
    pub fn revive(&mut self) {
        if matches!(
            self.phase,
            TokenPhase::NeedsLogin { .. } | TokenPhase::Postponed { .. }
        ) {
            self.phase = TokenPhase::Idle;
            self.tries = 0;
            self.was_last = false;
        }
    }
}
