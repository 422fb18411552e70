//! Access tokens that were given out, and whether they still open the API.
//!
//! Invariant: a token that was not given out here has no verdict; a revoked or expired one never opens again.

use std::collections::HashMap;
use std::time::Instant;

/// What the API does with a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Live,
    Expired,
    Revoked,
}

#[derive(Debug)]
struct Access {
    generation: u64,
    ends: Instant,
    revoked: bool,
}

#[derive(Debug, Default)]
pub(super) struct AccessTokens(HashMap<String, Access>);

impl AccessTokens {
    pub(super) fn add(&mut self, token: String, generation: u64, ends: Instant) {
        let access = Access {
            generation,
            ends,
            revoked: false,
        };
        self.0.insert(token, access);
    }

    pub(super) fn verdict(&self, now: Instant, token: &str) -> Option<Verdict> {
        let access = self.0.get(token)?;
        Some(if access.revoked {
            Verdict::Revoked
        } else if access.ends <= now {
            Verdict::Expired
        } else {
            Verdict::Live
        })
    }

    pub(super) fn is_live(&self, now: Instant, token: &str) -> bool {
        self.verdict(now, token) == Some(Verdict::Live)
    }

    /// Whether a live one of these is of that generation.
    pub(super) fn lives<'a>(
        &self,
        now: Instant,
        tokens: impl IntoIterator<Item = &'a String>,
        generation: u64,
    ) -> bool {
        tokens.into_iter().any(|token| {
            let of_it = self.0.get(token).map(|access| access.generation);
            of_it == Some(generation) && self.is_live(now, token)
        })
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(access) = self.0.get_mut(token) {
            access.revoked = true;
        }
    }

    pub(super) fn expire(&mut self, now: Instant, token: &str) {
        if let Some(access) = self.0.get_mut(token) {
            access.ends = access.ends.min(now);
        }
    }

    pub(super) fn forget(&mut self, token: &str) {
        self.0.remove(token);
    }
}
