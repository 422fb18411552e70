//! The first refresh token of a declared account: taken from the configuration while the store has none. From then on the
//! store's rotates, and the configuration's is spent.

use secrecy::SecretString;
use troupe_core::account::TokenRow;
use troupe_core::port::{Expect, StoreError};

use super::credential::{self, SealedTokens};
use super::declared::DeclaredAccount;
use super::{OpError, Operations};

impl Operations {
    /// Stores the first tokens of `accounts` where there are none; returns the rows that were made.
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
            if self.stores.accounts.token(id).await?.is_some() {
                continue;
            }
            let tokens = SealedTokens {
                access_token: SecretString::default(),
                refresh_token: Some(refresh_token.clone()),
            };
            let row = TokenRow {
                account: id,
                generation: 0,
                obtained_ms: 0,
                expires_ms: 0,
                sealed: credential::seal_tokens(&self.vault, id, 0, &tokens)?,
                intent: None,
                needs_login: None,
                version: 0,
            };
            match self.stores.accounts.put_token(row, Expect::Absent, None).await {
                Ok(row) => made.push(row),
                // Somebody was faster, with tokens of a login.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(made)
    }
}
