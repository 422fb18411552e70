//! Tokens that a login or an import brought, into the store: a new generation, whatever a renewal does meanwhile.

use secrecy::SecretString;
use troupe_core::AccountId;
use troupe_core::account::{Auth, DEFAULT_LIFE_MS, TokenRow};
use troupe_core::event::EventKind;
use troupe_core::port::{Expect, StoreError};

use super::super::credential::{self, SealedTokens};
use super::super::secret_json::SecretText;
use super::super::{OpError, Operations, now_ms};
use super::settings::BroughtTokens;

/// A renewal may write twice beside it: its intent and its outcome.
const TRIES: usize = 5;

/// Tokens with their times.
#[derive(Debug)]
pub(in super::super) struct NewTokens {
    tokens: SealedTokens,
    obtained_ms: u64,
    expires_ms: u64,
}

impl NewTokens {
    pub fn brought(brought: &BroughtTokens, now_ms: u64) -> Self {
        let secret = |text: &Option<SecretText>| text.as_ref().map(|text| text.0.clone());
        let access_token = secret(&brought.access_token);
        let life_ms = match &access_token {
            None => 0,
            Some(_) => brought
                .expires_in_s
                .map_or(DEFAULT_LIFE_MS, |seconds| seconds.saturating_mul(1_000)),
        };
        Self {
            tokens: SealedTokens {
                access_token: access_token.unwrap_or_default(),
                refresh_token: secret(&brought.refresh_token),
                declared: None,
            },
            obtained_ms: now_ms,
            expires_ms: brought
                .expires_at_ms
                .unwrap_or_else(|| now_ms.saturating_add(life_ms)),
        }
    }

    pub fn exchanged(
        access_token: SecretString,
        refresh_token: Option<SecretString>,
        expires_in_s: Option<u64>,
    ) -> Self {
        let obtained_ms = now_ms();
        let life_ms = expires_in_s.map_or(DEFAULT_LIFE_MS, |s| s.saturating_mul(1_000));
        Self {
            tokens: SealedTokens {
                access_token,
                refresh_token,
                declared: None,
            },
            obtained_ms,
            expires_ms: obtained_ms.saturating_add(life_ms),
        }
    }
}

impl Operations {
    /// The generation of the running account's token; it is ahead of the store's where the store could not take a
    /// renewal. 0 without one.
    fn serving(&self, id: AccountId) -> u64 {
        let active = self.directory.as_ref().and_then(|d| d.account(id));
        active.map_or(0, |active| {
            let view = active.view.load();
            let token = view.lane(Auth::Oauth).and_then(|lane| lane.token.as_ref());
            token.map_or(0, |token| token.generation)
        })
    }

    /// Stores `new` as the next generation of the account's tokens, with its event.
    pub(in super::super) async fn put_tokens(
        &self,
        id: AccountId,
        name: &str,
        new: &NewTokens,
    ) -> Result<TokenRow, OpError> {
        let mut last = None;
        for _ in 0..TRIES {
            let stands = self.stores.accounts.token(id).await?;
            let (stored, expect) = match &stands {
                Some(row) => (row.generation, Expect::Version(row.version)),
                None => (0, Expect::Absent),
            };
            let generation = stored.max(self.serving(id)) + 1;
            // A box that does not open must not stand in the way of new tokens.
            let old = stands.and_then(|row| credential::open_tokens(&self.vault, &row).ok());
            let tokens = SealedTokens {
                declared: old.and_then(|tokens| tokens.declared),
                ..new.tokens.clone()
            };
            let row = TokenRow {
                account: id,
                generation,
                obtained_ms: new.obtained_ms,
                expires_ms: new.expires_ms,
                sealed: credential::seal_tokens(&self.vault, id, generation, &tokens)?,
                intent: None,
                needs_login: None,
                version: 0,
            };
            let event = self.event(EventKind::AccountLoggedIn {
                id,
                name: name.to_owned(),
                generation,
            });
            match self
                .stores
                .accounts
                .put_token(row, expect, Some(event))
                .await
            {
                Err(StoreError::Conflict(why)) => last = Some(StoreError::Conflict(why)),
                done => return Ok(done?),
            }
        }
        Err(last
            .unwrap_or(StoreError::Unavailable("not tried".into()))
            .into())
    }
}
