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
    /// What the change met, for the audit trail: one JSON object, made of a view that can hold no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the change left, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl DomainEvent {
    /// An event that tells nothing of before and after.
    #[must_use]
    pub fn new(at_ms: u64, actor: impl Into<String>, kind: EventKind) -> Self {
        Self {
            at_ms,
            actor: actor.into(),
            kind,
            before: None,
            after: None,
        }
    }

    /// With what the change met and what it left.
    #[must_use]
    pub fn with(mut self, before: Option<String>, after: Option<String>) -> Self {
        self.before = before;
        self.after = after;
        self
    }
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

impl EventKind {
    /// Noun and verb, as the audit trail names it.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::AccountCreated { .. } => "account.created",
            Self::AccountUpdated { .. } => "account.updated",
            Self::AccountRemoved { .. } => "account.removed",
            Self::AccountStateChanged { .. } => "account.state_changed",
            Self::AccountLoggedIn { .. } => "account.logged_in",
            Self::TokenRenewed { .. } => "account.token_renewed",
            Self::TokenAdopted { .. } => "account.token_adopted",
            Self::TokenRenewalFailed { .. } => "account.token_renewal_failed",
            Self::KeyCreated { .. } => "key.created",
            Self::KeyUpdated { .. } => "key.updated",
            Self::KeyRotated { .. } => "key.rotated",
            Self::KeyRevoked { .. } => "key.revoked",
        }
    }
}
