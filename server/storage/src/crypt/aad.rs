//! The associated data of boxes: which row and which place in it a secret was sealed for. A box that was moved to
//! another row, another field or another generation does not open.

use troupe_core::AccountId;
use troupe_core::account::SecretName;

/// Of an account's API key: the row's id.
#[must_use]
pub fn api_key(id: AccountId) -> Vec<u8> {
    id.0.as_bytes().to_vec()
}

/// Of another secret of an account: the row's id and the secret's name.
#[must_use]
pub fn secret(id: AccountId, name: SecretName) -> Vec<u8> {
    [id.0.as_bytes(), name.as_str().as_bytes()].concat()
}

/// Of an account's tokens: the account's id and the generation.
#[must_use]
pub fn token(id: AccountId, generation: u64) -> Vec<u8> {
    [&id.0.as_bytes()[..], &generation.to_le_bytes()].concat()
}
