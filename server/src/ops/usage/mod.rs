//! Who spent what. Index: [`report`], its rows in [`line`], days in `days`, names in `names`.
//!
//! Invariant: nothing is changed; what has ended is in a report, also when it is not written yet.

mod days;
mod line;
mod names;
mod report;
#[cfg(test)]
mod tests;

pub use self::line::{UsageFigures, UsageLine, UsageTokens};
pub use self::report::{LIMIT_MAX, ReportUsage, UsageReport};
