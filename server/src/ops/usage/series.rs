//! Usage over time, for charts: a curve for each of the most used values, and one for the rest.
//!
//! Invariant: curves of one chart have the same points, zeros included, and sum up to everything; what is told is bounded.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use troupe_core::usage::{Grain, SeriesOf, UsageSums};

use super::super::{OpError, Operation, Operations, now_ms};
use super::by::UsageSort;
use super::line::{UsageFigures, UsageLine};
use super::names::Names;
use super::points::{self, Only};
use super::times::{self, Points};

const TOP: usize = 5;
const TOP_MAX: usize = 50;
/// Figures of one answer: points times curves.
const FIGURES_MAX: usize = 20_000;

/// A chart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChartUsage {
    pub grain: Grain,
    /// A curve for each; one of everything, when it is `all`.
    pub of: SeriesOf,
    /// A date, a time, or how long ago: 48h by the minute and 30d else, when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Now, when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// So many curves of their own, at most 50; 5 when not said. The rest is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// By what they are chosen. Whole hours or days that the chart touches are compared.
    #[serde(default)]
    pub sort: UsageSort,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageChart {
    pub grain: Grain,
    pub of: SeriesOf,
    /// When the first point begins (ms since the Unix epoch), and how long each is.
    pub from_ms: u64,
    pub step_ms: u64,
    /// The most used first, the rest last.
    pub curves: Vec<UsageCurve>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageCurve {
    /// What it is of, with the sums of all its points.
    #[serde(flatten)]
    pub line: UsageLine,
    /// Of everything that has no curve of its own.
    pub other: bool,
    pub points: Vec<UsageFigures>,
}

impl Operation for ChartUsage {
    type Outcome = UsageChart;
    const NAME: &'static str = "usage.series";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<UsageChart, OpError> {
        let since = match self.grain {
            Grain::Minute => "48h",
            Grain::Hour | Grain::Day => "30d",
        };
        let (from, to) = (self.since.as_deref(), self.until.as_deref());
        let range = Points::parse(self.grain, from, since, to, now_ms())?;
        let top = self.top.unwrap_or(TOP).clamp(1, TOP_MAX);
        if range.count().saturating_mul(top + 1) > FIGURES_MAX {
            return Err(OpError::invalid(
                "the chart has too many points; ask for less time, for fewer curves or for a coarser grain",
            ));
        }
        ops.write_rows().await;
        let mut rest = Curve::new(range);
        for row in points::of_values(ops, range, &Only::everything()).await? {
            rest.add(row.key.point, &row.sums);
        }
        let (mut curves, mut names) = (Vec::new(), Names::read(ops).await?);
        if self.of != SeriesOf::All {
            for (value, curve) in self.top_curves(ops, &mut names, range, top).await? {
                rest.take_away(&curve);
                curves.push(curve.told(names.value(self.of, &value), false));
            }
        }
        if self.of == SeriesOf::All || !rest.is_empty() {
            curves.push(rest.told(UsageLine::default(), self.of != SeriesOf::All));
        }
        Ok(UsageChart {
            grain: self.grain,
            of: self.of,
            from_ms: times::begin_ms(self.grain, range.from),
            step_ms: self.grain.length_ms(),
            curves,
        })
    }
}

impl ChartUsage {
    /// The most used values of the time, each with its curve.
    async fn top_curves(
        &self,
        ops: &Operations,
        names: &mut Names,
        range: Points,
        top: usize,
    ) -> Result<Vec<(Arc<str>, Curve)>, OpError> {
        let coarser = match self.grain {
            Grain::Minute => Grain::Hour,
            Grain::Hour | Grain::Day => Grain::Day,
        };
        let mut seen = points::by_value(ops, range.within(coarser), self.of).await?;
        let mut ranked: Vec<_> = seen
            .iter()
            .map(|(value, seen)| {
                let figures = UsageFigures::from(&seen.sums);
                (self.sort.weight(&figures), Arc::clone(value))
            })
            .collect();
        ranked.sort_unstable_by(|a, b| (Reverse(a.0), &a.1).cmp(&(Reverse(b.0), &b.1)));
        ranked.truncate(top);
        seen.retain(|value, _| ranked.iter().any(|(_, top)| top == value));
        names.recall(ops, self.of, &seen).await?;
        let only = Only {
            of: self.of,
            values: ranked.iter().map(|(_, value)| Arc::clone(value)).collect(),
        };
        let mut curves: HashMap<Arc<str>, Curve> = HashMap::new();
        for row in points::of_values(ops, range, &only).await? {
            let curve = curves.entry(row.key.value);
            let curve = curve.or_insert_with(|| Curve::new(range));
            curve.add(row.key.point, &row.sums);
        }
        let ranked = ranked.into_iter();
        let told = ranked.filter_map(|(_, value)| curves.remove_entry(&value));
        Ok(told.collect())
    }
}

/// Sums of each point from the first on.
struct Curve {
    from: u32,
    points: Vec<UsageSums>,
}

impl Curve {
    fn new(range: Points) -> Self {
        Self {
            from: range.from,
            points: vec![UsageSums::default(); range.count()],
        }
    }

    fn add(&mut self, point: u32, sums: &UsageSums) {
        let at = point.checked_sub(self.from).map(|at| at as usize);
        if let Some(stands) = at.and_then(|at| self.points.get_mut(at)) {
            stands.merge(sums);
        }
    }

    fn take_away(&mut self, other: &Self) {
        for (stands, less) in self.points.iter_mut().zip(&other.points) {
            stands.take_away(less);
        }
    }

    fn is_empty(&self) -> bool {
        let is_empty = |sums: &UsageSums| sums.requests == 0 && sums.refused == 0;
        self.points.iter().all(is_empty)
    }

    fn told(&self, line: UsageLine, other: bool) -> UsageCurve {
        let mut total = UsageSums::default();
        self.points.iter().for_each(|sums| total.merge(sums));
        UsageCurve {
            line: UsageLine {
                figures: UsageFigures::from(&total),
                ..line
            },
            other,
            points: self.points.iter().map(UsageFigures::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
