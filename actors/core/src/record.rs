//! One request as the log sees it. Filled by the pipeline, settled once, written by the recorder.

mod clip;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::{Auth, Unavailable};
use crate::id::{AccountId, KeyId, RequestId};
use crate::price::Tier;
use crate::routing::Choice;

pub use self::clip::{ERROR_BYTES_MAX, NAME_BYTES_MAX, clip_error, clip_name};

/// Tokens by class and paid calls, as the upstream reported them (or estimated, see [`RequestRecord::estimated`]).
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
    /// Calls of the server-side web search.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub web_searches: u64,
}

/// The log leaves out what is nothing: most rows of most classes.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none_more(count: &u32) -> bool {
    *count == 0
}

impl TokenUsage {
    pub fn add(&mut self, other: &Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write_5m = self.cache_write_5m.saturating_add(other.cache_write_5m);
        self.cache_write_1h = self.cache_write_1h.saturating_add(other.cache_write_1h);
        self.web_searches = self.web_searches.saturating_add(other.web_searches);
    }

    /// The length of the prompt: input, cache reads and cache writes.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        [
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
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
    /// When it began, and how long it took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub began_us: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub took_us: u64,
}

/// An account that could not take a request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub account: Arc<str>,
    /// One of [`Unavailable::WORDS`]; a newer version may know more.
    pub why: Cow<'static, str>,
    /// When that ends by itself (ms since the Unix epoch).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until_ms: Option<u64>,
}

impl PassedOver {
    #[must_use]
    pub fn new(account: &Arc<str>, why: &Unavailable) -> Self {
        Self {
            account: Arc::clone(account),
            why: Cow::Borrowed(why.word()),
            until_ms: why.until_ms(),
        }
    }
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
    /// The person and the team that the key belonged to at that time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<AccountId>,
    /// Name of the account, for people and for metric labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account_name: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<Arc<str>>,
    /// The model that the client asked for, where a limit had another one asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub downgraded_from: Option<Arc<str>>,
    /// Which of the account's credentials.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth: Option<Auth>,
    /// Why this account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub choice: Option<Choice>,
    /// Why not the others: those that could not take the last attempt, or any. Nobody where the session's own account
    /// took it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// So many more than `passed_over` names.
    #[serde(default, skip_serializing_if = "is_none_more")]
    pub passed_over_more: u32,
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
    /// Absent for the standard tier and where none was told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service_tier: Option<Tier>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_micro_usd: u64,
    /// What the key and its group were charged, where that is not the cost: their multiplier is not 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub charged_micro_usd: Option<u64>,
    /// The model whose prices the cost is at, where the upstream says that it answered and `model` has other prices.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub priced_as: Option<Arc<str>>,
    /// Nobody knows the model's prices: the cost is what the dearest known one would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpriced: bool,
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
            owner: None,
            group: None,
            account: None,
            account_name: None,
            session: None,
            model: None,
            downgraded_from: None,
            auth: None,
            choice: None,
            passed_over: Vec::new(),
            passed_over_more: 0,
            attempts: 0,
            failed: Vec::new(),
            moved_tokens: None,
            usage: TokenUsage::default(),
            estimated: false,
            service_tier: None,
            cost_micro_usd: 0,
            charged_micro_usd: None,
            priced_as: None,
            unpriced: false,
            first_event_us: None,
            gateway_us: 0,
            duration_us: 0,
            upstream_status: None,
            upstream_request_id: None,
            error: None,
        }
    }
}
