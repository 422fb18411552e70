//! New settings, new credentials, and the operator's word that all is well.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::super::health::Health;
use super::super::message::AccountUpdate;
use super::super::record::Auth;
use super::super::stats::RenewalEntry;
use super::super::token::{TokenSeed, Tokens};
use super::Account;
use super::probes::no_credential;
use crate::machine::Turn;

impl Account {
    pub(super) fn update(&mut self, update: AccountUpdate, turn: &mut Turn<Self>) {
        let AccountUpdate {
            record,
            secrets,
            token,
        } = update;
        let old = std::mem::replace(&mut self.record, Arc::new(record));
        let old_secrets = std::mem::replace(&mut self.secrets, secrets);
        let (record, new) = (Arc::clone(&self.record), &self.secrets);
        let mut renewed = Vec::new();
        if old.base_url != record.base_url
            || old.auth != record.auth
            || !same(&old_secrets.api_key, &new.api_key)
        {
            renewed.push(Auth::ApiKey);
        }
        if old.web != record.web || !same(&old_secrets.web_cookie, &new.web_cookie) {
            renewed.push(Auth::Web);
        }
        if old.oauth != record.oauth
            || old.base_url != record.base_url
            || !same(&old_secrets.client_secret, &new.client_secret)
        {
            renewed.push(Auth::Oauth);
        }
        self.slots.set_limit(record.concurrent);
        if self.new_tokens(token) && !renewed.contains(&Auth::Oauth) {
            renewed.push(Auth::Oauth);
        }
        let gone = self.build_lanes(BTreeMap::new());
        turn.publish();
        for auth in renewed {
            self.credentials += 1;
            let generation = self.credentials;
            if let Some(lane) = self.lane(auth) {
                lane.generation = generation;
            }
            self.revive_lane(auth, turn);
        }
        for lane in gone {
            self.forget(lane.auth, turn);
        }
        self.wait_again(turn);
        self.renew_if_due(turn);
    }

    /// Tokens of a login or an import, if they are newer; else those that stand, for other settings. Are there new ones?
    fn new_tokens(&mut self, seed: Option<TokenSeed>) -> bool {
        let brought = match (&self.record.oauth, &mut self.tokens) {
            (None, tokens) => {
                *tokens = None;
                true
            }
            (Some(settings), Some(tokens)) => {
                tokens.regrant(settings.grant);
                if seed.as_ref().is_some_and(TokenSeed::is_grant_alone) {
                    tokens.brought();
                    return self.supersede();
                }
                // What was read from the store before a renewal wrote to it is older than what stands.
                let newer = seed
                    .and_then(|seed| seed.token)
                    .filter(|token| token.generation > tokens.generation());
                if let Some(token) = newer {
                    self.stats.renewal(RenewalEntry {
                        at_ms: self.now.unix_ms,
                        outcome: "login".into(),
                        generation: token.generation,
                        why: None,
                    });
                    tokens.accept(token);
                    true
                } else {
                    false
                }
            }
            (Some(settings), none) => {
                let seed = seed.unwrap_or_default();
                *none = Some(Tokens::new(settings.grant, seed, self.record.id));
                true
            }
        };
        brought && self.supersede()
    }

    /// A renewal that is under way is one of tokens that are gone.
    fn supersede(&mut self) -> bool {
        if let Some(running) = &mut self.running {
            running.stale = true;
        }
        true
    }

    /// A credential was taken away: nobody waits for it, and what was learnt is not its successor's.
    fn forget(&mut self, auth: Auth, turn: &mut Turn<Self>) {
        for ticket in self.probes[auth as usize].abandon() {
            turn.reply(ticket, no_credential());
        }
        self.save(None, turn);
    }

    pub(super) fn revive(&mut self, turn: &mut Turn<Self>) {
        for auth in Auth::ALL {
            self.revive_lane(auth, turn);
        }
        self.renew_if_due(turn);
    }

    fn revive_lane(&mut self, auth: Auth, turn: &mut Turn<Self>) {
        if auth == Auth::Oauth
            && let Some(tokens) = &mut self.tokens
        {
            tokens.revive();
        }
        self.probes[auth as usize].restart();
        let Some(lane) = self.lane(auth) else {
            return;
        };
        let cooled = !std::mem::take(&mut lane.state.cooldowns).is_empty();
        let was_active = lane.state.health == Health::Active;
        if cooled && was_active {
            // Or the pause would be back after a restart.
            self.save(None, turn);
        }
        self.set_health(auth, Health::Active, turn);
        turn.publish();
    }
}

fn same(one: &Option<SecretString>, other: &Option<SecretString>) -> bool {
    let one = one.as_ref().map(ExposeSecret::expose_secret);
    one == other.as_ref().map(ExposeSecret::expose_secret)
}
