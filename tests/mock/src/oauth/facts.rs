//! What a test tells the authorization server, and what it is told.
//!
//! Invariant: facts hold hashes of tokens; tokens themselves are in a seed's answer only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the authorization server expects and gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OauthConfig {
    /// Life of access tokens; `expires_in` is told in whole seconds, at least 1.
    pub access_life_ms: u64,
    /// Client ids with their secrets, `""` for a public client; empty accepts every client.
    pub clients: BTreeMap<String, String>,
    /// Fields that an assertion's request must carry with these values.
    pub jwt_expected: BTreeMap<String, String>,
}

impl Default for OauthConfig {
    fn default() -> Self {
        Self {
            access_life_ms: 3_600_000,
            clients: BTreeMap::new(),
            jwt_expected: BTreeMap::new(),
        }
    }
}

/// A family to begin with; what is left out is made up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FamilySeed {
    pub family: String,
    /// The client whose tokens these are; without one any client may use them.
    pub client_id: Option<String>,
    pub access_token: Option<String>,
    pub refresh_token: Option<String>,
    /// Life of this first access token.
    pub expires_in_ms: Option<u64>,
    /// Life of the later ones.
    pub life_ms: Option<u64>,
    pub scope: Option<String>,
    pub organization_id: Option<String>,
    pub account_id: Option<String>,
    /// Keeps the refresh token at each use, instead of rotating it.
    pub keeps_refresh_token: bool,
}

/// The tokens of a seeded family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeededTokens {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in_ms: u64,
}

/// What became of a family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilyFacts {
    pub family: String,
    /// Counts the access tokens given out, from 1.
    pub generation: u64,
    /// Requests that brought one of its refresh tokens, whatever the answer.
    pub spends: u64,
    /// Those that brought one which an earlier request had brought, while the access token that came with it lived.
    pub repeats_while_live: u64,
    /// Those that brought one which was spent already.
    pub reuse_attempts: u64,
    pub revoked: bool,
    pub live_access_tokens: usize,
    /// Of the newest tokens, see [`fingerprint`](super::fingerprint).
    pub access_token_hash: Option<String>,
    pub refresh_token_hash: Option<String>,
}
