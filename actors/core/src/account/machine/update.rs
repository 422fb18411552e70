//! New settings, new credentials, and the operator's word that all is well.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::super::health::Health;
use super::super::message::AccountUpdate;
use super::super::record::Auth;
use super::super::stats::RenewalEntry;
use super::super::token::{TokenSeed, Tokens};
use super::Account;
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
            || token.is_some()
        {
            renewed.push(Auth::Oauth);
        }
        self.slots.set_limit(record.concurrent);
        self.new_tokens(token);
        self.build_lanes(Default::default());
        turn.publish();
        for auth in renewed {
            self.revive_lane(auth, turn);
        }
        self.renew_if_due(turn);
    }

    /// Tokens of a login or an import; else those that stand, for other settings.
    fn new_tokens(&mut self, seed: Option<TokenSeed>) {
        let Some(settings) = &self.record.oauth else {
            self.tokens = None;
            return;
        };
        match (&mut self.tokens, seed) {
            (Some(tokens), Some(seed)) => {
                if let Some(token) = seed.token {
                    self.stats.renewal(RenewalEntry {
                        at_ms: self.now.unix_ms,
                        outcome: "login".into(),
                        generation: token.generation,
                        why: None,
                    });
                    tokens.accept(token);
                }
            }
            (Some(tokens), None) => tokens.regrant(settings.grant),
            (none, seed) => {
                let seed = seed.unwrap_or_default();
                *none = Some(Tokens::new(settings.grant, seed, self.record.id));
            }
        }
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
        let Some(lane) = self.lane(auth) else {
            return;
        };
        lane.probes.restart();
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
