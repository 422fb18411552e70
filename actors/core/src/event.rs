//! What happened, once, in the past tense: the row that audit, webhooks, the live feed and other nodes read.
//!
//! Invariant: an event is written in the same transaction as the change it tells, and never carries a secret.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, KeyId};

/// One change, written to the outbox with the change itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainEvent {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who caused it: `cli`, `config`, `system`, later `user:NAME`.
    pub actor: String,
    pub kind: EventKind,
}

/// The open list of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    AccountCreated {
        id: AccountId,
        name: String,
    },
    AccountUpdated {
        id: AccountId,
        name: String,
    },
    AccountRemoved {
        id: AccountId,
        name: String,
    },
    AccountStateChanged {
        id: AccountId,
        from: String,
        to: String,
    },
    /// Somebody logged in, or an import brought tokens.
    AccountLoggedIn {
        id: AccountId,
        name: String,
        generation: u64,
    },
    TokenRenewed {
        id: AccountId,
        generation: u64,
    },
    /// Another node had renewed it.
    TokenAdopted {
        id: AccountId,
        generation: u64,
    },
    TokenRenewalFailed {
        id: AccountId,
        /// `refused`, `postponed`, `unknown`.
        outcome: String,
        reason: String,
    },
    KeyCreated {
        id: KeyId,
        name: String,
    },
    KeyUpdated {
        id: KeyId,
        name: String,
    },
    KeyRotated {
        id: KeyId,
        name: String,
    },
    KeyRevoked {
        id: KeyId,
        name: String,
    },
}
