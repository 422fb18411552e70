//! Who spent what. Index: [`report`] and its rows in [`line`], [`series`] for charts; [`by`] what they are told by, `answers`
//! reads what a report sums up, from series where `whole` says that they tell all of it, `points` reads series, `days` and
//! `times` are days and times as people write them, names are in `names`.
//!
//! Invariant: nothing is changed; what has ended is in a report, also when it is not written yet.

mod answers;
mod by;
mod days;
mod line;
mod names;
mod points;
mod report;
mod series;
#[cfg(test)]
mod tests;
mod times;
mod whole;

pub use self::by::{ReportBy, UsageSort};
pub use self::line::{UsageFigures, UsageLine, UsageTokens};
pub use self::report::{LIMIT_MAX, ReportUsage, UsageReport};
pub use self::series::{ChartUsage, UsageChart, UsageCurve};
