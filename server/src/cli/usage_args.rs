//! What can be typed after `troupe usage`.

use clap::{Args, ValueEnum};
use troupe_core::usage::UsageBy;

use crate::ops::usage::{LIMIT_MAX, ReportUsage};

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// One row for each
    #[arg(long, value_enum, default_value_t = By::Key)]
    by: By,
    /// The first day (UTC): a date, or how long ago
    #[arg(long, value_name = "DAY", default_value = "30d")]
    since: String,
    /// The last day [default: today]
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
    Day,
}

impl UsageArgs {
    pub fn question(&self) -> ReportUsage {
        let by = match self.by {
            By::Owner => UsageBy::Owner,
            By::Group => UsageBy::Group,
            By::Key => UsageBy::Key,
            By::Account => UsageBy::Account,
            By::Model => UsageBy::Model,
            By::Day => UsageBy::Day,
        };
        ReportUsage {
            by,
            since: Some(self.since.clone()),
            until: self.until.clone(),
            key: self.key.clone(),
            owner: self.owner.clone(),
            group: self.group.clone(),
            account: self.account.clone(),
            model: self.model.clone(),
            limit: Some(LIMIT_MAX),
        }
    }
}
