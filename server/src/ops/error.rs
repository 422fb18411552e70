//! Why an operation was not done, in one line that says what to do.

use serde::{Deserialize, Serialize};
use troupe_core::port::StoreError;
use troupe_storage::crypt::CryptError;

/// What went wrong, for programs. Open: a newer gateway may know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request itself is wrong.
    Invalid,
    /// Right, but of a later version.
    NotAvailable,
    NotFound,
    /// A name or a secret is taken, or the row changed meanwhile.
    Conflict,
    /// The configuration file owns it.
    Declared,
    /// Another user's gateway.
    Forbidden,
    /// Web sessions are not switched on, or their terms not acknowledged.
    Terms,
    /// Only a running gateway does it.
    NotRunning,
    /// Something upstream said no, or nothing.
    Upstream,
    /// The store did not take it; nothing was changed.
    StoreUnavailable,
    /// The audit trail cannot be written; nothing was changed.
    AuditUnavailable,
    /// The store failed while writing; the change may be there.
    Unknown,
    #[serde(other)]
    Internal,
}

/// An operation that was not done (or, with [`ErrorCode::Unknown`], perhaps done).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct OpError {
    pub code: ErrorCode,
    pub message: String,
}

impl OpError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    /// With what [`Operation::when_unknown`](super::Operation::when_unknown) says, where it is about that.
    #[must_use]
    pub fn advised(mut self, when_unknown: Option<String>) -> Self {
        if let Some(advice) = when_unknown.filter(|_| self.code == ErrorCode::Unknown) {
            self.message = format!("{}; {advice}", self.message);
        }
        self
    }

    /// The exit code of a command that ends with it (CONTRACT §2).
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self.code {
            ErrorCode::Invalid | ErrorCode::NotAvailable => 2,
            _ => 1,
        }
    }
}

impl From<StoreError> for OpError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Conflict(_) => Self::new(ErrorCode::Conflict, error.to_string()),
            StoreError::Unavailable(_) => Self::new(
                ErrorCode::StoreUnavailable,
                format!("{error}; try again when it answers"),
            ),
            StoreError::Unknown(_) => Self::new(
                ErrorCode::Unknown,
                format!("{error}; look whether it is before you do it again"),
            ),
            StoreError::Corrupt(_) => Self::new(ErrorCode::Internal, error.to_string()),
        }
    }
}

impl From<CryptError> for OpError {
    fn from(error: CryptError) -> Self {
        match error {
            CryptError::Store(error) => error.into(),
            other => Self::new(ErrorCode::Internal, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_store_says_what_to_do() {
        for (error, told) in [
            (
                StoreError::Unavailable("PostgreSQL: timeout".into()),
                "store unavailable: PostgreSQL: timeout; try again when it answers",
            ),
            (
                StoreError::Unknown("PostgreSQL: timeout".into()),
                "store failed, the change may be there: PostgreSQL: timeout; look whether it is before you do it again",
            ),
        ] {
            assert_eq!(OpError::from(error).message, told);
        }
    }
}
