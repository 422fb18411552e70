//! The first refresh token of a declared account: taken from the configuration while the store has none, and again where
//! the account needs a login and the configuration has got another one. From then on the store's rotates, and the
//! configuration's is spent.
//!
//! Invariant: a token of the configuration is taken once, and never in the place of one that may still serve.

use secrecy::{ExposeSecret, SecretString};
use troupe_core::account::{Auth, Health, TokenRow};
use troupe_core::port::{Expect, StoreError};

use super::credential::{self, SealedTokens};
use super::declared::DeclaredAccount;
use super::{OpError, Operations};

impl Operations {
    /// Stores the first tokens of `accounts` that are to be taken; returns the rows that were made.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn first_tokens(
        &self,
        accounts: &[DeclaredAccount],
    ) -> Result<Vec<TokenRow>, OpError> {
        let mut made = Vec::new();
        for account in accounts {
            let id = account.record.id;
            let Some(refresh_token) = &account.refresh_token else {
                continue;
            };
            let print = self.print(&[refresh_token.expose_secret()]);
            let stands = self.stores.accounts.token(id).await?;
            let (generation, expect) = match &stands {
                None => (0, Expect::Absent),
                Some(row) if self.is_taken(account, row, &print) => continue,
                Some(row) => (row.generation + 1, Expect::Version(row.version)),
            };
            let tokens = SealedTokens {
                access_token: SecretString::default(),
                refresh_token: Some(refresh_token.clone()),
                declared: Some(print),
            };
            let row = TokenRow {
                account: id,
                generation,
                obtained_ms: 0,
                expires_ms: 0,
                sealed: credential::seal_tokens(&self.vault, id, generation, &tokens)?,
                intent: None,
                needs_login: None,
                version: 0,
            };
            match self.stores.accounts.put_token(row, expect, None).await {
                Ok(row) => made.push(row),
                // Somebody was faster, with tokens of a login.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(made)
    }

    /// Is it the token that the account began with, or does the account not need it?
    fn is_taken(&self, account: &DeclaredAccount, row: &TokenRow, print: &str) -> bool {
        let known = credential::open_tokens(&self.vault, row)
            .ok()
            .and_then(|tokens| tokens.declared);
        if known.as_deref() == Some(print) {
            return true;
        }
        let needs_login = row.needs_login.is_some() || self.is_refused(account);
        if !needs_login && known.is_some() {
            tracing::warn!(
                account.name = account.record.name,
                "the configuration has another refresh_token, which is not used: the account has tokens that serve"
            );
        }
        !needs_login
    }

    fn is_refused(&self, account: &DeclaredAccount) -> bool {
        let directory = self.directory.as_ref();
        let active = directory.and_then(|directory| directory.account(account.record.id));
        active.is_some_and(|active| {
            let view = active.view.load();
            let lane = view.lane(Auth::Oauth);
            lane.is_some_and(|lane| matches!(lane.health, Health::NeedsLogin { .. }))
        })
    }
}
