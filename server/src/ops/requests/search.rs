//! Requests from the newest back, a page at a time.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use troupe_core::log::{LogCursor, LogFilter, LogSearch, StatusFilter};
use troupe_core::port::StoreError;
use troupe_core::price::decimal;
use troupe_core::record::{Outcome, Route};

use super::super::{OpError, Operation, Operations, now_ms};
use super::RequestInfo;
use crate::config::HumanDuration;

/// Requests that one page has at most.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 50;

/// Requests that match every part that is set, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchRequests {
    /// Of the key of this name, revoked ones of it included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Served by the account of this name, or tried on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of keys that had this owner then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Of keys that had this group then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// The upstream's own id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// Its error contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Took at least so long: `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_duration: Option<String>,
    /// Cost at least so many dollars: `0.10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cost: Option<String>,
    /// Began then or later: a date, a time, or how long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Began before that; a date means the whole of its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Probes and pages too, which no key asked for and which went well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// At most 1 000; 50 when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<LogCursor>,
}

/// Fewer requests than were asked for do not mean that there are no more: `next` does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FoundRequests {
    pub requests: Vec<RequestInfo>,
    /// Where older ones are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<LogCursor>,
    /// Rows that this version cannot read.
    #[serde(default)]
    pub unreadable: u64,
}

impl Operation for SearchRequests {
    type Outcome = FoundRequests;
    const NAME: &'static str = "requests.search";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<FoundRequests, OpError> {
        let mut search = self.asked(now_ms())?;
        if let Some(name) = &self.key {
            search.filter.keys = ops.keys_named(name).await?;
        }
        if search.after.is_none() {
            ops.write_rows().await;
        }
        let found = ops.stores.log.search(search).await.map_err(refused)?;
        Ok(FoundRequests {
            requests: ops.told(found.rows).await?,
            next: found.next,
            unreadable: found.unreadable,
        })
    }
}

/// The only conflict is a cursor that is not the store's.
fn refused(error: StoreError) -> OpError {
    match error {
        StoreError::Conflict(reason) => OpError::invalid(reason),
        other => other.into(),
    }
}

impl SearchRequests {
    fn asked(&self, now_ms: u64) -> Result<LogSearch, OpError> {
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        let edge = |field, text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| moment(field, text, now_ms)).transpose()
        };
        Ok(LogSearch {
            filter: LogFilter {
                keys: Vec::new(),
                account: text(&self.account),
                status: self.status,
                api_only: !self.all,
                owner: text(&self.owner),
                group: text(&self.group),
                model: text(&self.model),
                route: self.route,
                outcome: self.outcome,
                session: self.session,
                stream: self.stream,
                min_duration_us: self.min_duration.as_deref().map(duration_us).transpose()?,
                min_cost_micro_usd: self.min_cost.as_deref().map(micro_usd).transpose()?,
                error: text(&self.error),
                upstream_request_id: text(&self.upstream_request_id),
            },
            from_ms: edge("since", &self.since)?.map(|(first, _)| first),
            to_ms: edge("until", &self.until)?.map(|(_, end)| end),
            limit: self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX),
            after: self.cursor.clone(),
        })
    }
}

fn duration_us(text: &str) -> Result<u64, OpError> {
    let time: HumanDuration = text.parse().map_err(OpError::invalid)?;
    Ok(u64::try_from(time.get().as_micros()).unwrap_or(u64::MAX))
}

fn micro_usd(text: &str) -> Result<u64, OpError> {
    let wrong = || OpError::invalid("min_cost is in dollars, such as 0.10");
    decimal::parse(text).ok_or_else(wrong)
}

/// When a text begins, and when it is over: they differ for a date.
fn moment(field: &str, text: &str, now_ms: u64) -> Result<(u64, u64), OpError> {
    if let Ok(ago) = text.parse::<HumanDuration>() {
        let ago_ms = u64::try_from(ago.get().as_millis()).unwrap_or(u64::MAX);
        let then = now_ms.saturating_sub(ago_ms);
        return Ok((then, then));
    }
    let at = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let edges = match text.parse::<Date>() {
        Ok(date) if !text.contains(':') => at(date).zip(date.tomorrow().ok().and_then(at)),
        _ => text.parse::<Timestamp>().ok().map(|time| (time, time)),
    };
    let ms = |time: Timestamp| u64::try_from(time.as_millisecond()).ok();
    edges
        .and_then(|(first, end)| ms(first).zip(ms(end)))
        .ok_or_else(|| {
            OpError::invalid(format!(
                "{field} is a date such as 2026-11-24, a time such as 2026-11-24T10:30Z, or how long ago, such as 2h"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;
    const NOW_MS: u64 = 20_000 * DAY_MS + 1;

    #[test]
    fn times_are_dates_times_or_so_long_ago() {
        let day = 19_999 * DAY_MS;
        for (text, first, end) in [
            ("2024-10-03", day, day + DAY_MS),
            ("2024-10-03T10:30Z", day + 37_800_000, day + 37_800_000),
            ("2024-10-03T12:30+02:00", day + 37_800_000, day + 37_800_000),
            ("1d", day + 1, day + 1),
        ] {
            assert_eq!(moment("since", text, NOW_MS), Ok((first, end)), "{text}");
        }
        for text in ["", "noon", "2024-13-01", "1800-01-01", "-1d"] {
            let error = moment("until", text, NOW_MS).unwrap_err();
            assert!(error.message.starts_with("until is a date"), "{error}");
        }
    }

    #[test]
    fn what_is_asked_is_what_is_searched() {
        let asked = SearchRequests {
            min_duration: Some("1500ms".into()),
            min_cost: Some("0.10".into()),
            since: Some("1d".into()),
            until: Some("2024-10-03".into()),
            error: Some("overloaded".into()),
            limit: Some(usize::MAX),
            ..SearchRequests::default()
        };
        let search = asked.asked(NOW_MS).unwrap();
        assert_eq!(search.filter.min_duration_us, Some(1_500_000));
        assert_eq!(search.filter.min_cost_micro_usd, Some(100_000));
        assert_eq!(search.filter.error.as_deref(), Some("overloaded"));
        assert!(search.filter.api_only);
        assert_eq!(search.from_ms, Some(19_999 * DAY_MS + 1));
        assert_eq!(search.to_ms, Some(20_000 * DAY_MS));
        assert_eq!(search.limit, LIMIT_MAX);
        let wrong = SearchRequests {
            min_cost: Some("ten".into()),
            ..SearchRequests::default()
        };
        assert!(wrong.asked(NOW_MS).is_err());
    }
}
