//! What can be typed after `troupe usage`.

use clap::{Args, ValueEnum};

use crate::ops::usage::{LIMIT_MAX, ReportBy, ReportUsage, UsageSort};

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// One row for each
    #[arg(long, value_enum, default_value_t = By::Key)]
    by: By,
    /// The first day (UTC): a date, or how long ago; by hour or minute also a time [default: 30d, 24h by hour, 1h by minute]
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// The last day or time [default: now]
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Of this key
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Of keys with this owner
    #[arg(long, value_name = "PERSON")]
    owner: Option<String>,
    /// Of keys with this group
    #[arg(long, value_name = "TEAM")]
    group: Option<String>,
    /// Served by this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Only the first so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub top: Option<u16>,
    /// The most of it first [default: cost; times in their order]
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// As comma-separated values, with exact costs
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Owner,
    Group,
    Key,
    Account,
    Model,
    Status,
    Day,
    Hour,
    Minute,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    Cost,
    Requests,
    Tokens,
    Errors,
    Latency,
}

impl UsageArgs {
    pub fn question(&self) -> ReportUsage {
        let by = match self.by {
            By::Owner => ReportBy::Owner,
            By::Group => ReportBy::Group,
            By::Key => ReportBy::Key,
            By::Account => ReportBy::Account,
            By::Model => ReportBy::Model,
            By::Status => ReportBy::Status,
            By::Day => ReportBy::Day,
            By::Hour => ReportBy::Hour,
            By::Minute => ReportBy::Minute,
        };
        let sort = self.sort.map(|sort| match sort {
            Sort::Cost => UsageSort::Cost,
            Sort::Requests => UsageSort::Requests,
            Sort::Tokens => UsageSort::Tokens,
            Sort::Errors => UsageSort::Errors,
            Sort::Latency => UsageSort::Latency,
        });
        ReportUsage {
            by,
            since: self.since.clone(),
            until: self.until.clone(),
            key: self.key.clone(),
            owner: self.owner.clone(),
            group: self.group.clone(),
            account: self.account.clone(),
            model: self.model.clone(),
            sort,
            limit: Some(self.top.map_or(LIMIT_MAX, usize::from)),
        }
    }
}
