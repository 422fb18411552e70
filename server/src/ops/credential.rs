//! Accounts' secrets between the store (sealed) and the actors (open).
//!
//! Invariant: a box opens only at the place it was sealed for; an error names the account, never a secret.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use troupe_actors::directory::AccountSeed;
use troupe_core::AccountId;
use troupe_core::account::{
    AccountRecord, AccountState, Credential, Reach, Scheme, SecretName, Secrets, Token, TokenRow,
    TokenSeed,
};
use troupe_storage::crypt::{CryptError, Vault, aad};
use zeroize::Zeroizing;

use super::{ErrorCode, OpError, secret_json};

/// Largest file of certificates.
const CA_MAX_BYTES: u64 = 1 << 20;

/// What is sealed of an account's tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealedTokens {
    #[serde(with = "secret_json::required")]
    pub access_token: SecretString,
    #[serde(default, with = "secret_json::optional")]
    pub refresh_token: Option<SecretString>,
    /// A keyed hash of the configuration's refresh token that was taken last, which is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
}

/// # Errors
/// No random bytes.
pub fn seal(vault: &Vault, id: AccountId, secret: &SecretString) -> Result<Vec<u8>, CryptError> {
    vault.seal(&aad::api_key(id), secret.expose_secret().as_bytes())
}

/// # Errors
/// No random bytes.
pub fn seal_named(
    vault: &Vault,
    id: AccountId,
    name: SecretName,
    secret: &SecretString,
) -> Result<Vec<u8>, CryptError> {
    vault.seal(&aad::secret(id, name), secret.expose_secret().as_bytes())
}

/// # Errors
/// No random bytes.
pub fn seal_tokens(
    vault: &Vault,
    id: AccountId,
    generation: u64,
    tokens: &SealedTokens,
) -> Result<Vec<u8>, CryptError> {
    let text = Zeroizing::new(serde_json::to_vec(tokens).unwrap_or_default());
    vault.seal(&aad::token(id, generation), &text)
}

/// # Errors
/// The box is damaged or sealed under another master key.
pub fn open_tokens(vault: &Vault, row: &TokenRow) -> Result<SealedTokens, OpError> {
    let opened = vault
        .open(&aad::token(row.account, row.generation), &row.sealed)
        .map_err(|error| broken("tokens", &row.account.to_string(), &error))?;
    serde_json::from_slice(&opened)
        .map_err(|_| broken("tokens", &row.account.to_string(), &"not tokens"))
}

/// A row's token, as requests present it. A row without an access token was written before its first renewal.
///
/// # Errors
/// As [`open_tokens`].
pub fn open_token(vault: &Vault, row: &TokenRow) -> Result<Option<Token>, OpError> {
    let opened = open_tokens(vault, row)?;
    Ok(token_of(row, opened.access_token))
}

/// The token of a row whose box is known.
#[must_use]
pub fn token_of(row: &TokenRow, access_token: SecretString) -> Option<Token> {
    (!access_token.expose_secret().is_empty()).then(|| Token {
        generation: row.generation,
        obtained_ms: row.obtained_ms,
        expires_ms: row.expires_ms,
        credential: Arc::new(Credential {
            scheme: Scheme::Bearer,
            secret: access_token,
        }),
    })
}

/// What an actor starts from.
///
/// # Errors
/// As [`open_tokens`].
pub fn token_seed(vault: &Vault, row: &TokenRow) -> Result<TokenSeed, OpError> {
    Ok(TokenSeed {
        token: open_token(vault, row)?,
        unconcluded: row.intent.as_ref().map(|intent| intent.last),
        needs_login: row.needs_login.clone(),
    })
}

/// What an actor starts from: `record` with its secrets opened.
///
/// # Errors
/// A box is damaged or sealed under another master key, or a file of certificates cannot be read; the account is named.
pub fn seed(
    vault: &Vault,
    record: AccountRecord,
    token: Option<&TokenRow>,
    state: Option<AccountState>,
) -> Result<AccountSeed, OpError> {
    Ok(AccountSeed {
        secrets: secrets(vault, &record)?,
        token: token.map(|row| token_seed(vault, row)).transpose()?,
        record,
        state,
    })
}

fn secrets(vault: &Vault, record: &AccountRecord) -> Result<Secrets, OpError> {
    let open = |aad: &[u8], sealed: &[u8]| {
        let opened = vault
            .open(aad, sealed)
            .map_err(|error| broken("credential", &record.name, &error))?;
        let text = std::str::from_utf8(&opened)
            .map_err(|_| broken("credential", &record.name, &"not text"))?;
        Ok::<_, OpError>(SecretString::from(text))
    };
    let named = |name: SecretName| {
        let sealed = record.secrets.get(&name);
        sealed
            .map(|sealed| open(&aad::secret(record.id, name), sealed))
            .transpose()
    };
    let api_key = (!record.sealed.is_empty())
        .then(|| open(&aad::api_key(record.id), &record.sealed))
        .transpose()?;
    Ok(Secrets {
        api_key,
        web_cookie: named(SecretName::WebCookie)?,
        client_secret: named(SecretName::ClientSecret)?,
        reach: reach(
            &record.name,
            named(SecretName::Proxy)?,
            record.ca_file.as_deref(),
        )?,
    })
}

/// # Errors
/// The file of certificates cannot be read.
pub fn reach(
    account: &str,
    proxy: Option<SecretString>,
    ca_file: Option<&str>,
) -> Result<Arc<Reach>, OpError> {
    let ca_pem = ca_file
        .map(|file| read_ca(Path::new(file)))
        .transpose()
        .map_err(|error| broken("certificate authority", account, &error))?;
    Ok(Arc::new(Reach { proxy, ca_pem }))
}

fn read_ca(path: &Path) -> std::io::Result<Vec<u8>> {
    let length = std::fs::metadata(path)?.len();
    if length > CA_MAX_BYTES {
        return Err(std::io::Error::other("the file is larger than 1 MiB"));
    }
    std::fs::read(path)
}

fn broken(what: &str, account: &str, why: &dyn std::fmt::Display) -> OpError {
    let message = format!("the {what} of account {account} cannot be used: {why}");
    OpError::new(ErrorCode::Internal, message)
}
