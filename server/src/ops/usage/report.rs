//! Sums of some time by owner, group, key, account, model or status, or by day, hour or minute.

use serde::{Deserialize, Serialize};
use troupe_core::usage::{Grain, UsageFilter};

use super::super::{ErrorCode, OpError, Operation, Operations, now_ms};
use super::answers::Asked;
use super::by::{ReportBy, Source, UsageSort};
use super::line::{UsageFigures, UsageLine};
use super::names::Names;
use super::times::{self, Points};

/// Rows that one report has at most.
pub const LIMIT_MAX: usize = 10_000;
const LIMIT: usize = 1_000;

/// Who spent what: the most expensive first, times in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReportUsage {
    #[serde(default)]
    pub by: ReportBy,
    /// The first day: a date, or how long ago; 30d when not said. Days are UTC, and whole. By hour and by minute a time
    /// may be said, and 24h or 1h is meant when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The last day or time, today or now when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Of the key of this name, revoked ones of it included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of keys that had this owner then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Of keys that had this group then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Served by the account of this name, or tried last on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What comes first; times are in their order when it is not said, everything else by cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<UsageSort>,
    /// At most 10 000; 1 000 when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    pub by: ReportBy,
    /// The first and the last day, hour or minute, both included.
    pub since: String,
    pub until: String,
    pub rows: Vec<UsageLine>,
    /// So many more rows than `rows` has; they are in the total.
    pub left_out: usize,
    pub total: UsageFigures,
}

impl Operation for ReportUsage {
    type Outcome = UsageReport;
    const NAME: &'static str = "usage.report";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<UsageReport, OpError> {
        let (grain, since) = self.grain();
        let (from, to) = (self.since.as_deref(), self.until.as_deref());
        let range = Points::parse(grain, from, since, to, now_ms())?;
        ops.write_rows().await;
        let names = Names::read(ops).await?;
        let filter = self.filter(&names);
        let asked = Asked {
            range,
            filter: &filter,
        };
        let (mut rows, total) = asked.answer(ops, names, self.by.source()).await?;
        if rows.is_empty() {
            self.check_names(&filter)?;
        }
        match self.sort {
            Some(sort) => sort.sort(&mut rows),
            None if self.by.is_time() => {}
            None => UsageSort::default().sort(&mut rows),
        }
        let limit = self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
        let left_out = rows.len().saturating_sub(limit);
        rows.truncate(limit);
        Ok(UsageReport {
            by: self.by,
            since: times::written(grain, range.from),
            until: times::written(grain, range.to),
            rows,
            left_out,
            total: UsageFigures::from(&total),
        })
    }
}

impl ReportUsage {
    fn grain(&self) -> (Grain, &'static str) {
        match self.by.source() {
            Source::Points(Grain::Minute) => (Grain::Minute, "1h"),
            Source::Points(Grain::Hour) => (Grain::Hour, "24h"),
            _ => (Grain::Day, "30d"),
        }
    }

    fn filter(&self, names: &Names) -> UsageFilter {
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        UsageFilter {
            key: self.key.as_deref().map(|name| names.keys_named(name)),
            account: self
                .account
                .as_deref()
                .map(|name| names.accounts_named(name)),
            owner: text(&self.owner),
            group: text(&self.group),
            model: text(&self.model),
        }
    }

    /// Nothing was found: is that for a name that nothing has?
    fn check_names(&self, filter: &UsageFilter) -> Result<(), OpError> {
        let gone = |message| Err(OpError::new(ErrorCode::NotFound, message));
        if let Some(key) = filter.key.as_ref().filter(|key| key.ids.is_empty()) {
            let name = &key.name;
            return gone(format!(
                "there is no key {name}; see `troupe key list --revoked`"
            ));
        }
        if let Some(account) = filter.account.as_ref().filter(|a| a.ids.is_empty()) {
            let name = &account.name;
            return gone(format!(
                "there is no account {name}; see `troupe account list`"
            ));
        }
        Ok(())
    }
}
