//! Questions to the request log: which rows, and where to read on. [`LogQuery`] follows the log as it is written,
//! [`LogSearch`] goes back from the newest row.
//!
//! Invariant: a page is bounded by its query's `limit` and by what the store looks at; whoever reads on from a page's
//! position or cursor misses no row that matches, and sees none twice.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::KeyId;
use crate::record::{Outcome, RequestRecord, Route};

/// Statuses: one, or a class of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusFilter {
    Exact(u16),
    /// 4 is `4xx`.
    Class(u16),
}

impl StatusFilter {
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exact(wanted) => status == wanted,
            Self::Class(class) => status / 100 == class,
        }
    }
}

/// What is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status is written as 429, or as 4xx for all of a class")]
pub struct NoStatus;

impl FromStr for StatusFilter {
    type Err = NoStatus;

    fn from_str(text: &str) -> Result<Self, NoStatus> {
        let bytes = text.as_bytes();
        match bytes {
            [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                Ok(Self::Class(u16::from(class - b'0')))
            }
            [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => {
                text.parse().map(Self::Exact).map_err(|_| NoStatus)
            }
            _ => Err(NoStatus),
        }
    }
}

impl fmt::Display for StatusFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

impl Serialize for StatusFilter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusFilter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which rows; every part that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of one of these keys; of any, when there is none.
    pub keys: Vec<KeyId>,
    /// Served by the account of this name, or tried on it.
    pub account: Option<Arc<str>>,
    pub status: Option<StatusFilter>,
    /// No probes and pages: what is none of the API's, came without a key, and went well. `503` is what a gateway says that is not ready
    /// yet, and no failure.
    pub api_only: bool,
    pub owner: Option<Arc<str>>,
    pub group: Option<Arc<str>>,
    pub model: Option<Arc<str>>,
    pub route: Option<Route>,
    pub outcome: Option<Outcome>,
    pub session: Option<u64>,
    pub stream: Option<bool>,
    /// Took at least so long (µs).
    pub min_duration_us: Option<u64>,
    /// Cost at least so much (micro-USD).
    pub min_cost_micro_usd: Option<u64>,
    /// Its error contains this text.
    pub error: Option<Arc<str>>,
    /// The upstream's own id of the request.
    pub upstream_request_id: Option<Arc<str>>,
}

impl LogFilter {
    #[must_use]
    pub fn matches(&self, row: &RequestRecord) -> bool {
        let of_key = || row.key.is_some_and(|key| self.keys.contains(&key));
        let on_account = |name: &Arc<str>| {
            let tried = row.failed.iter().map(|attempt| &attempt.account);
            row.account_name.iter().chain(tried).any(|met| met == name)
        };
        let is_probe = || {
            // A gateway that says that it is not ready answers well.
            let went_well = row.status < 400 || row.status == 503;
            row.route == Route::Other && row.key.is_none() && went_well
        };
        !(self.api_only && is_probe())
            && (self.keys.is_empty() || of_key())
            && self.account.as_ref().is_none_or(on_account)
            && self.status.is_none_or(|status| status.matches(row.status))
            && self.matches_more(row)
    }

    fn matches_more(&self, row: &RequestRecord) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let error = |text: &Arc<str>| row.error.as_ref().is_some_and(|e| e.contains(&**text));
        let upstream_id = |id: &Arc<str>| row.upstream_request_id.as_deref() == Some(&**id);
        is(self.owner.as_ref(), row.owner.as_ref())
            && is(self.group.as_ref(), row.group.as_ref())
            && is(self.model.as_ref(), row.model.as_ref())
            && is(self.route.as_ref(), Some(&row.route))
            && is(self.outcome.as_ref(), Some(&row.outcome))
            && is(self.session.as_ref(), row.session.as_ref())
            && is(self.stream.as_ref(), Some(&row.stream))
            && self.min_duration_us.is_none_or(|us| row.duration_us >= us)
            && self
                .min_cost_micro_usd
                .is_none_or(|c| row.cost_micro_usd >= c)
            && self.error.as_ref().is_none_or(error)
            && self.upstream_request_id.as_ref().is_none_or(upstream_id)
    }
}

/// Where a search reads on. Only the store that gave it understands it; for others it is opaque.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogCursor(pub String);

/// What to look for, from the newest row back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSearch {
    pub filter: LogFilter,
    /// Requests that began in this time (ms since the Unix epoch), the end excluded; `None` is open.
    pub from_ms: Option<u64>,
    pub to_ms: Option<u64>,
    /// Rows at most.
    pub limit: usize,
    /// `None`: from the newest.
    pub after: Option<LogCursor>,
}

impl LogSearch {
    /// Is this time in what is looked for?
    #[must_use]
    pub fn covers(&self, at_ms: u64) -> bool {
        self.from_ms.is_none_or(|from| at_ms >= from) && self.to_ms.is_none_or(|to| at_ms < to)
    }
}

/// Rows that match, the newest first: by when they began where the store keeps that order, else by when they ended, to a
/// few minutes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogFound {
    pub rows: Vec<RequestRecord>,
    /// Where older rows are. Without one there are none. A page may have fewer rows than were asked for and still have a
    /// cursor: the store has looked at as much as it looks at for one search.
    pub next: Option<LogCursor>,
    /// Rows that could not be understood.
    pub unreadable: u64,
}

/// How far a reader has read: of the newest parts of the log, how much. Only the store that gave it understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogPosition(pub BTreeMap<String, u64>);

/// What to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    pub filter: LogFilter,
    /// Rows at most.
    pub limit: usize,
    /// `None`: the last rows. Else the first ones written since.
    pub after: Option<LogPosition>,
}

/// Rows in the order in which they were written: that in which requests ended, to a few milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    pub rows: Vec<RequestRecord>,
    /// Behind the last row that was looked at; without `after`, behind the last row of the log.
    pub position: LogPosition,
    /// The store has looked at as much as it looks at for one query: without `after` there may be older rows, with it
    /// newer ones.
    pub cut: bool,
    /// Lines that could not be understood.
    pub unreadable: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Auth;
    use crate::id::RequestId;
    use crate::record::FailedAttempt;
    use uuid::Uuid;

    #[test]
    fn statuses_are_read_strictly() {
        for (text, hits, misses) in [
            ("429", &[429][..], &[428, 400, 0][..]),
            ("4xx", &[400, 429, 499], &[399, 500, 0]),
            ("5XX", &[503], &[499]),
        ] {
            let filter: StatusFilter = text.parse().unwrap();
            assert!(hits.iter().all(|&s| filter.matches(s)), "{text}");
            assert!(!misses.iter().any(|&s| filter.matches(s)), "{text}");
            assert_eq!(filter.to_string(), text.to_lowercase());
        }
        for text in [
            "", "4", "4x", "xx4", "6xx", "0xx", "4000", "-42", "+42", "٤٢٩",
        ] {
            assert_eq!(text.parse::<StatusFilter>(), Err(NoStatus), "{text}");
        }
    }

    #[test]
    fn every_part_of_a_filter_must_match() {
        let key = KeyId::declared("k");
        let mut row = RequestRecord::begin(RequestId(Uuid::nil()), 0, Route::Messages);
        row.status = 429;
        row.key = Some(key);
        row.account_name = Some("b".into());
        row.failed.push(FailedAttempt {
            account: "a".into(),
            auth: Auth::ApiKey,
            status: None,
            error: String::new(),
            began_us: 0,
            took_us: 0,
        });
        let filter = |keys: &[KeyId], account: Option<&str>, status: Option<&str>| LogFilter {
            keys: keys.to_vec(),
            account: account.map(Into::into),
            status: status.map(|text| text.parse().unwrap()),
            ..LogFilter::default()
        };
        let other = KeyId::declared("other");
        for (wanted, matches) in [
            (filter(&[], None, None), true),
            (filter(&[other, key], None, None), true),
            (filter(&[other], None, None), false),
            (filter(&[], Some("a"), None), true),
            (filter(&[], Some("b"), Some("4xx")), true),
            (filter(&[], Some("c"), None), false),
            (filter(&[key], Some("a"), Some("500")), false),
        ] {
            assert_eq!(wanted.matches(&row), matches, "{wanted:?}");
        }
        row.key = None;
        assert!(!filter(&[key], None, None).matches(&row));
        let api = LogFilter {
            api_only: true,
            ..LogFilter::default()
        };
        assert!(api.matches(&row));
        row.route = Route::Other;
        assert!(api.matches(&row), "a failure is told");
        row.status = 503;
        assert!(!api.matches(&row), "not ready is no failure");
        row.status = 200;
        assert!(!api.matches(&row) && LogFilter::default().matches(&row));
    }
}
