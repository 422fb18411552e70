//! Families of tokens: a login and all that was renewed from it (RFC 9700 §4.14).
//!
//! ```text
//!   login | seed ─▶ generation 1 ─ refresh ─▶ generation 2 ─ refresh ─▶ …      a spent refresh token ─▶ revoked
//! ```
//! Invariant: of a family's refresh tokens at most one is unspent; a revoked family never gives a token again; the time
//! is an argument. At most [`FAMILIES`] are kept and [`TOKENS`] of each kind in one; the oldest go first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::access::{AccessTokens, Verdict};
use super::facts::{FamilyFacts, FamilySeed, OauthConfig, SeededTokens};
use super::request::fingerprint;

const FAMILIES: usize = 10_000;
const TOKENS: usize = 256;
const ASSERTIONS: usize = 1_000;

/// Tokens that were just given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_in_s: u64,
    pub(super) scope: Option<String>,
    pub(super) organization_id: Option<String>,
    pub(super) account_id: Option<String>,
}

#[derive(Debug, Default)]
struct Family {
    seed: FamilySeed,
    generation: u64,
    spends: u64,
    repeats_while_live: u64,
    reuse_attempts: u64,
    revoked: bool,
    access: VecDeque<String>,
    refresh: VecDeque<String>,
}

#[derive(Debug)]
struct Refresh {
    family: String,
    /// Of the access token that came with it.
    generation: u64,
    presented: bool,
    spent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Families {
    pub(super) config: OauthConfig,
    list: BTreeMap<String, Family>,
    order: VecDeque<String>,
    access: AccessTokens,
    refresh: HashMap<String, Refresh>,
    /// Hashes, oldest first.
    assertions: VecDeque<String>,
    given: u64,
}

// === impl Families ===

impl Families {
    pub(super) fn new(config: OauthConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Begins a family, in place of one of the same name.
    pub(super) fn seed(&mut self, now: Instant, seed: FamilySeed) -> SeededTokens {
        let life_ms = seed.expires_in_ms.unwrap_or(self.config.access_life_ms);
        let made = (self.next("at"), self.next("rt"));
        let access_token = seed.access_token.clone().unwrap_or(made.0);
        let refresh_token = seed.refresh_token.clone().unwrap_or(made.1);
        let name = seed.family.clone();
        self.begin(seed);
        self.add_access(now, &name, access_token.clone(), life_ms);
        self.add_refresh(&name, refresh_token.clone());
        SeededTokens {
            access_token,
            refresh_token,
            expires_in_ms: life_ms,
        }
    }

    /// Begins a family for a login.
    pub(super) fn login(&mut self, now: Instant, seed: FamilySeed) -> Issued {
        let name = seed.family.clone();
        self.begin(seed);
        self.issue(now, &name, true)
    }

    /// An access token that is not renewed by a refresh token; the family is begun by the first.
    pub(super) fn grant(&mut self, now: Instant, seed: FamilySeed) -> Issued {
        let name = seed.family.clone();
        if !self.list.contains_key(&name) {
            self.begin(seed);
        }
        self.issue(now, &name, false)
    }

    /// Counts a refresh token that arrived.
    pub(super) fn present(&mut self, now: Instant, token: &str) {
        let Some(refresh) = self.refresh.get_mut(token) else {
            return;
        };
        let again = std::mem::replace(&mut refresh.presented, true);
        if let Some(family) = self.list.get_mut(&refresh.family) {
            family.spends += 1;
            if again && self.access.lives(now, &family.access, refresh.generation) {
                family.repeats_while_live += 1;
            }
        }
    }

    /// The next generation for a refresh token.
    ///
    /// # Errors
    /// The description that goes with `invalid_grant`.
    pub(super) fn renew(
        &mut self,
        now: Instant,
        token: &str,
        client_id: Option<&str>,
    ) -> Result<Issued, &'static str> {
        let known = self.refresh.get_mut(token);
        let known = known.and_then(|refresh| {
            let family = self.list.get_mut(&refresh.family)?;
            Some((refresh, family))
        });
        let (refresh, family) = known.ok_or("refresh token not known")?;
        let owner = family.seed.client_id.as_deref();
        if owner.is_some() && owner != client_id {
            return Err("refresh token was issued to another client");
        }
        let name = refresh.family.clone();
        if refresh.spent {
            family.reuse_attempts += 1;
            self.revoke(&name);
            return Err("refresh token was used before; its family is revoked");
        }
        if family.revoked {
            return Err("refresh token is revoked");
        }
        refresh.spent = !family.seed.keeps_refresh_token;
        let rotates = refresh.spent;
        Ok(self.issue(now, &name, rotates))
    }

    /// All tokens of the family are dead from now on; `false` when there is no such family.
    pub(super) fn revoke(&mut self, name: &str) -> bool {
        let Some(family) = self.list.get_mut(name) else {
            return false;
        };
        family.revoked = true;
        for token in &family.access {
            self.access.revoke(token);
        }
        true
    }

    /// All access tokens of the family have ended; `false` when there is no such family.
    pub(super) fn expire(&mut self, now: Instant, name: &str) -> bool {
        let Some(family) = self.list.get(name) else {
            return false;
        };
        for token in &family.access {
            self.access.expire(now, token);
        }
        true
    }

    pub(super) fn verdict(&self, now: Instant, token: &str) -> Option<Verdict> {
        self.access.verdict(now, token)
    }

    pub(super) fn note_assertion(&mut self, hash: String) {
        self.assertions.push_back(hash);
        if self.assertions.len() > ASSERTIONS {
            self.assertions.pop_front();
        }
    }

    pub(super) fn assertions(&self) -> Vec<String> {
        self.assertions.iter().cloned().collect()
    }

    pub(super) fn facts(&self, now: Instant) -> Vec<FamilyFacts> {
        let facts = |(name, family): (&String, &Family)| FamilyFacts {
            family: name.clone(),
            generation: family.generation,
            spends: family.spends,
            repeats_while_live: family.repeats_while_live,
            reuse_attempts: family.reuse_attempts,
            revoked: family.revoked,
            live_access_tokens: family
                .access
                .iter()
                .filter(|token| self.access.is_live(now, token))
                .count(),
            access_token_hash: family.access.back().map(|token| fingerprint(token)),
            refresh_token_hash: family.refresh.back().map(|token| fingerprint(token)),
        };
        self.list.iter().map(facts).collect()
    }

    fn begin(&mut self, seed: FamilySeed) {
        let name = seed.family.clone();
        self.forget(&name);
        while self.order.len() >= FAMILIES
            && let Some(oldest) = self.order.front().cloned()
        {
            self.forget(&oldest);
        }
        self.order.push_back(name.clone());
        let family = Family {
            seed,
            ..Family::default()
        };
        self.list.insert(name, family);
    }

    fn forget(&mut self, name: &str) {
        let Some(family) = self.list.remove(name) else {
            return;
        };
        self.order.retain(|known| known != name);
        family
            .access
            .iter()
            .for_each(|token| self.access.forget(token));
        for token in &family.refresh {
            self.refresh.remove(token);
        }
    }

    fn issue(&mut self, now: Instant, name: &str, with_refresh: bool) -> Issued {
        let seed = self.list.get(name).map(|family| family.seed.clone());
        let seed = seed.unwrap_or_default();
        let life_ms = seed.life_ms.unwrap_or(self.config.access_life_ms);
        let access_token = self.next("at");
        self.add_access(now, name, access_token.clone(), life_ms);
        let refresh_token = with_refresh.then(|| {
            let token = self.next("rt");
            self.add_refresh(name, token.clone());
            token
        });
        Issued {
            access_token,
            refresh_token,
            expires_in_s: (life_ms / 1_000).max(1),
            scope: seed.scope,
            organization_id: seed.organization_id,
            account_id: seed.account_id,
        }
    }

    fn add_access(&mut self, now: Instant, name: &str, token: String, life_ms: u64) {
        let Some(family) = self.list.get_mut(name) else {
            return;
        };
        family.generation += 1;
        let ends = now + Duration::from_millis(life_ms);
        self.access.add(token.clone(), family.generation, ends);
        family.access.push_back(token);
        if family.access.len() > TOKENS
            && let Some(oldest) = family.access.pop_front()
        {
            self.access.forget(&oldest);
        }
    }

    fn add_refresh(&mut self, name: &str, token: String) {
        let Some(family) = self.list.get_mut(name) else {
            return;
        };
        let refresh = Refresh {
            family: name.to_owned(),
            generation: family.generation,
            presented: false,
            spent: false,
        };
        self.refresh.insert(token.clone(), refresh);
        family.refresh.push_back(token);
        if family.refresh.len() > TOKENS
            && let Some(oldest) = family.refresh.pop_front()
        {
            self.refresh.remove(&oldest);
        }
    }

    /// A token that was not given before.
    fn next(&mut self, kind: &str) -> String {
        self.given += 1;
        let random = fingerprint(&format!("{kind} {}", self.given));
        format!(
            "mock-{kind}-{:05}-{}",
            self.given,
            random.trim_start_matches("sha256:")
        )
    }
}

#[cfg(test)]
mod tests;
