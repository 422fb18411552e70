//! Accounts' credentials between the store (sealed) and the actors (open).
//!
//! Invariant: the associated data of a box is the row's id, so a box that was moved to another row does not open.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use troupe_actors::directory::AccountSeed;
use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, AccountState, Credential};
use troupe_storage::crypt::{CryptError, Vault};

use super::{ErrorCode, OpError};

/// # Errors
/// No random bytes.
pub fn seal(vault: &Vault, id: AccountId, secret: &SecretString) -> Result<Vec<u8>, CryptError> {
    vault.seal(id.0.as_bytes(), secret.expose_secret().as_bytes())
}

/// What an actor starts from: `record` with its credential opened.
///
/// # Errors
/// The box is damaged or sealed under another master key; the account is named.
pub fn seed(
    vault: &Vault,
    record: AccountRecord,
    state: Option<AccountState>,
) -> Result<AccountSeed, OpError> {
    let broken = |why: &dyn std::fmt::Display| {
        let message = format!(
            "the credential of account {} does not open: {why}",
            record.name
        );
        OpError::new(ErrorCode::Internal, message)
    };
    let opened = vault
        .open(record.id.0.as_bytes(), &record.sealed)
        .map_err(|error| broken(&error))?;
    let secret = std::str::from_utf8(&opened).map_err(|_| broken(&"not text"))?;
    let credential = Arc::new(Credential {
        scheme: record.auth,
        secret: SecretString::from(secret),
    });
    Ok(AccountSeed {
        record,
        credential,
        state,
    })
}
