//! Sums of some days by owner, group, key, account, model or day.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use troupe_core::usage::{UsageBy, UsageFilter, UsageQuery, UsageRow, UsageSums, day_of};

use super::super::{ErrorCode, OpError, Operation, Operations, now_ms};
use super::days;
use super::line::{UsageFigures, UsageLine};
use super::names::Names;

/// Rows that one report has at most.
pub const LIMIT_MAX: usize = 10_000;
const LIMIT: usize = 1_000;
const SINCE: &str = "30d";

/// Who spent what: the most expensive first, days in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReportUsage {
    #[serde(default)]
    pub by: UsageBy,
    /// The first day: a date, or how long ago; 30d when not said. Days are UTC, and whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The last day, today when not said.
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
    /// At most 10 000; 1 000 when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    pub by: UsageBy,
    /// The first and the last day, both included.
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
        let now_ms = now_ms();
        let from_day = days::parse("since", self.since.as_deref().unwrap_or(SINCE), now_ms)?;
        let to_day = match &self.until {
            Some(text) => days::parse("until", text, now_ms)?,
            None => day_of(now_ms),
        };
        if from_day > to_day {
            return Err(OpError::invalid("since is after until"));
        }
        ops.write_rows().await;
        let names = Names::read(ops).await?;
        let query = UsageQuery {
            by: self.by,
            from_day,
            to_day,
            filter: self.filter(&names),
        };
        let found = ops.stores.usage.query(query.clone()).await?;
        if found.is_empty() {
            self.check_names(&query.filter)?;
        }
        let mut total = UsageSums::default();
        found.iter().for_each(|row| total.merge(&row.sums));
        let mut rows: Vec<_> = found.iter().map(|row| line(self.by, row, &names)).collect();
        if self.by != UsageBy::Day {
            sort(&mut rows);
        }
        let limit = self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
        let left_out = rows.len().saturating_sub(limit);
        rows.truncate(limit);
        Ok(UsageReport {
            by: self.by,
            since: days::written(from_day),
            until: days::written(to_day),
            rows,
            left_out,
            total: UsageFigures::from(&total),
        })
    }
}

impl ReportUsage {
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

fn line(by: UsageBy, row: &UsageRow, names: &Names) -> UsageLine {
    let key = &row.key;
    let named = |name: Option<String>| UsageLine {
        name,
        ..UsageLine::default()
    };
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    let mut line = match by {
        UsageBy::Key => key.key.map(|id| names.key(id, row)).unwrap_or_default(),
        UsageBy::Account => key
            .account
            .map(|id| names.account(id, row))
            .unwrap_or_default(),
        UsageBy::Owner => named(text(&key.owner)),
        UsageBy::Group => named(text(&key.group)),
        UsageBy::Model => named(text(&key.model)),
        UsageBy::Day => named(Some(days::written(key.day))),
    };
    line.figures = UsageFigures::from(&row.sums);
    line
}

fn sort(rows: &mut [UsageLine]) {
    rows.sort_by(|a, b| {
        let order = |line: &UsageLine| {
            let figures = &line.figures;
            let used = (figures.cost_micro_usd, figures.requests, figures.refused);
            Reverse(used)
        };
        order(a)
            .cmp(&order(b))
            .then_with(|| (&a.name, &a.id).cmp(&(&b.name, &b.id)))
    });
}
