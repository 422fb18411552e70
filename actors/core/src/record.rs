//! One request as the log sees it. Filled by the pipeline, settled once, written by the recorder.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::Auth;
use crate::id::{AccountId, KeyId, RequestId};
use crate::routing::Choice;

/// Tokens by class, as the upstream reported them (or estimated, see [`RequestRecord::estimated`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_5m: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
}

/// The log leaves out what is nothing: most rows of most classes.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl TokenUsage {
    pub fn add(&mut self, other: &Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write_5m = self.cache_write_5m.saturating_add(other.cache_write_5m);
        self.cache_write_1h = self.cache_write_1h.saturating_add(other.cache_write_1h);
    }

    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// Which door a request came through; the label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    Messages,
    CountTokens,
    Models,
    Relay,
    Other,
}

impl Route {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Models => "models",
            Self::Relay => "relay",
            Self::Other => "other",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream's answer was delivered whole (whatever its status).
    Completed,
    /// Refused by the gateway before any upstream call.
    Refused,
    /// No upstream answered usefully.
    Failed,
    /// The answer began and the upstream cut it.
    Truncated,
    /// The client went away.
    Cancelled,
}

impl Outcome {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Truncated => "truncated",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An attempt that another one followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    pub account: Arc<str>,
    pub auth: Auth,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    pub error: String,
}

/// One row of the request log. Durations in microseconds, times in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    pub id: RequestId,
    pub at_ms: u64,
    pub route: Route,
    pub status: u16,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<AccountId>,
    /// Name of the account, for people and for metric labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account_name: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<Arc<str>>,
    /// Which of the account's credentials.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth: Option<Auth>,
    /// Why this account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub choice: Option<Choice>,
    pub attempts: u8,
    /// Attempts that failed before the one that `account` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedAttempt>,
    /// The session came from another account, where it had so many tokens cached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub moved_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "TokenUsage::is_zero")]
    pub usage: TokenUsage,
    /// The usage is an estimate, because the upstream's final count never came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_micro_usd: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_event_us: Option<u64>,
    /// Time spent in the gateway itself before the first upstream call and between attempts.
    pub gateway_us: u64,
    pub duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub upstream_request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

impl RequestRecord {
    /// The row of a request that has just begun; what is never filled in stays as it is here: a client that went away.
    #[must_use]
    pub fn begin(id: RequestId, at_ms: u64, route: Route) -> Self {
        Self {
            id,
            at_ms,
            route,
            status: 0,
            outcome: Outcome::Cancelled,
            stream: false,
            key: None,
            account: None,
            account_name: None,
            session: None,
            model: None,
            auth: None,
            choice: None,
            attempts: 0,
            failed: Vec::new(),
            moved_tokens: None,
            usage: TokenUsage::default(),
            estimated: false,
            cost_micro_usd: 0,
            first_event_us: None,
            gateway_us: 0,
            duration_us: 0,
            upstream_status: None,
            upstream_request_id: None,
            error: None,
        }
    }
}
