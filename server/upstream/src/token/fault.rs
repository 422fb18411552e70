//! How an exchange can fail, and what that says about the fate of the grant.
//!
//! Invariant: a fault that is not [`TokenFault::Unknown`] left the grant as it was; no text holds a secret.

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Certainly not processed: no connection came about, or a file that belongs to the grant cannot be read now.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Certainly refused, by the error envelope of RFC 6749 §5.2. The grant will not be accepted later either.
    #[error("refused with status {status}: {error}{}", after_colon(.description))]
    Refused {
        status: u16,
        /// Such as `invalid_grant`.
        error: String,
        description: Option<String>,
    },
    /// Too many requests; not processed. The pause is the endpoint's wish, at most an hour.
    #[error("the token endpoint is busy{}", pause(*.retry_after_ms))]
    Busy { retry_after_ms: Option<u64> },
    /// The request may have been processed: a single-use grant may be spent, and its successor lost.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Not sent, and will not be before an operator acts.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
}

impl TokenFault {
    /// May the grant have been spent?
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

fn after_colon(text: &Option<String>) -> String {
    text.as_ref()
        .map(|text| format!(": {text}"))
        .unwrap_or_default()
}

fn pause(ms: Option<u64>) -> String {
    ms.map(|ms| format!("; it asks for a pause of {} s", ms.div_ceil(1000)))
        .unwrap_or_default()
}
