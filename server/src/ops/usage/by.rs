//! By what a report is told, and in which order.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use troupe_core::usage::{Grain, UsageBy};

use super::line::{UsageFigures, UsageLine};

/// One row for each of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportBy {
    Owner,
    Group,
    #[default]
    Key,
    Account,
    Model,
    /// The status that clients were answered with.
    Status,
    Day,
    Hour,
    Minute,
}

/// What sums up the answer.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// Days: rows of usage, which tell who used what together, or series that tell the same.
    Rows(UsageBy),
    Statuses,
    Points(Grain),
}

impl ReportBy {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Group => "group",
            Self::Key => "key",
            Self::Account => "account",
            Self::Model => "model",
            Self::Status => "status",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    pub(super) fn source(self) -> Source {
        match self {
            Self::Owner => Source::Rows(UsageBy::Owner),
            Self::Group => Source::Rows(UsageBy::Group),
            Self::Key => Source::Rows(UsageBy::Key),
            Self::Account => Source::Rows(UsageBy::Account),
            Self::Model => Source::Rows(UsageBy::Model),
            Self::Day => Source::Rows(UsageBy::Day),
            Self::Status => Source::Statuses,
            Self::Hour => Source::Points(Grain::Hour),
            Self::Minute => Source::Points(Grain::Minute),
        }
    }

    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Hour | Self::Minute)
    }
}

/// What comes first: the most of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSort {
    #[default]
    Cost,
    Requests,
    Tokens,
    Errors,
    /// By the 95th percentile of durations.
    Latency,
}

impl UsageSort {
    /// The first is what is asked for, the rest breaks ties.
    pub(super) fn weight(self, figures: &UsageFigures) -> (u64, u64, u64, u64) {
        let tokens = &figures.tokens;
        let first = match self {
            Self::Cost => figures.cost_micro_usd,
            Self::Requests => figures.requests,
            Self::Tokens => [
                tokens.input,
                tokens.output,
                tokens.cache_read,
                tokens.cache_write_5m,
                tokens.cache_write_1h,
            ]
            .into_iter()
            .fold(0, u64::saturating_add),
            Self::Errors => figures.errors,
            Self::Latency => figures.p95_ms.unwrap_or(0),
        };
        (
            first,
            figures.cost_micro_usd,
            figures.requests,
            figures.refused,
        )
    }

    pub(super) fn sort(self, rows: &mut [UsageLine]) {
        rows.sort_by(|a, b| {
            let order = |line: &UsageLine| Reverse(self.weight(&line.figures));
            order(a)
                .cmp(&order(b))
                .then_with(|| (&a.name, &a.id).cmp(&(&b.name, &b.id)))
        });
    }
}
