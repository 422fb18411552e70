//! Rows of the request log into series, held by minute until they are written.
//!
//! Invariant: every request is at one point of each dimension, so that each dimension sums up to the same; what is held and
//! how many values a day tells apart are bounded, whatever comes and however long the store is away.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::{Grain, OTHER, SeriesKey, SeriesOf, SeriesRow, UsageSums};
use crate::record::RequestRecord;

/// Values of one dimension that are told apart in a day. More are [`OTHER`].
pub const MAX_VALUES: usize = 5_000;
/// Points held: from here on new values are [`OTHER`], and from twice as many on, nothing gets a minute of its own.
const MAX_HELD: usize = 20_000;

/// Cheap to make of a row; told as text when it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Value {
    Nobody,
    Id(Uuid),
    Text(Arc<str>),
    Status(u16),
}

impl Value {
    fn of_text(text: Option<&Arc<str>>) -> Self {
        text.map_or(Self::Nobody, |text| Self::Text(Arc::clone(text)))
    }

    fn of_id(id: Option<Uuid>) -> Self {
        id.map_or(Self::Nobody, Self::Id)
    }

    fn of_status(status: u16) -> Self {
        match status {
            100..=999 => Self::Status(status),
            _ => Self::Text(OTHER.into()),
        }
    }

    fn told(self) -> Arc<str> {
        match self {
            Self::Nobody => "".into(),
            Self::Id(id) => id.to_string().into(),
            Self::Text(text) => text,
            Self::Status(status) => status.to_string().into(),
        }
    }
}

type Of = (SeriesOf, Value);

/// What has been counted and not been taken yet.
#[derive(Debug, Default)]
pub(super) struct SeriesFold {
    /// Minutes in their order; nearly always one or two.
    held: HashMap<Of, Vec<(u32, UsageSums)>>,
    points: usize,
    /// Values that have a place on `day`.
    known: HashMap<SeriesOf, HashSet<Value>>,
    day: u32,
    /// The last minute that got a place.
    last_minute: u32,
}

impl SeriesFold {
    /// `model` is what the fold of usage calls the row's.
    pub(super) fn add(&mut self, row: &RequestRecord, model: Option<&Arc<str>>, sums: &UsageSums) {
        self.begin_day(Grain::Day.point(row.at_ms));
        let minute = Grain::Minute.point(row.at_ms);
        for of in SeriesOf::ALL {
            let value = match of {
                SeriesOf::All => Value::Nobody,
                SeriesOf::Owner => Value::of_text(row.owner.as_ref()),
                SeriesOf::Group => Value::of_text(row.group.as_ref()),
                SeriesOf::Key => Value::of_id(row.key.map(|id| id.0)),
                SeriesOf::Account => Value::of_id(row.account.map(|id| id.0)),
                SeriesOf::Model => Value::of_text(model),
                SeriesOf::Status => Value::of_status(row.status),
            };
            self.count((of, value), minute, sums);
        }
    }

    /// Rows of the day before still come after midnight, and a clock may step back further.
    fn begin_day(&mut self, day: u32) {
        if day > self.day || day.saturating_add(1) < self.day {
            self.known.clear();
            self.day = day;
        }
    }

    fn count(&mut self, of: Of, minute: u32, sums: &UsageSums) {
        if let Some(held) = self.held.get_mut(&of)
            && let Ok(at) = place_of(held, minute)
        {
            return held[at].1.merge(sums);
        }
        let (of, minute) = self.place(of, minute);
        let held = self.held.entry(of).or_default();
        match place_of(held, minute) {
            Ok(at) => held[at].1.merge(sums),
            Err(at) => {
                if held.is_empty() {
                    held.reserve_exact(1);
                }
                held.insert(at, (minute, sums.clone()));
                self.points += 1;
            }
        }
    }

    /// Where something new is counted.
    fn place(&mut self, (of, value): Of, minute: u32) -> (Of, u32) {
        let known = self.known.entry(of).or_default();
        let has_room = known.len() < MAX_VALUES || known.contains(&value);
        let value = if value == Value::Nobody {
            value
        } else if has_room && self.points < MAX_HELD {
            known.insert(value.clone());
            value
        } else {
            Value::Text(OTHER.into())
        };
        if self.points < 2 * MAX_HELD {
            self.last_minute = minute;
        }
        ((of, value), self.last_minute)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Everything since the last time, by each grain; no two rows have the same key. Models that are not `real` are
    /// [`OTHER`].
    pub(super) fn take(&mut self, real: &HashSet<Arc<str>>) -> Vec<SeriesRow> {
        self.give_up_models(real);
        let mut rows = Vec::with_capacity(Grain::ALL.len() * self.points);
        for ((of, value), held) in self.held.drain() {
            let value = value.told();
            for grain in Grain::ALL {
                rolled_up(grain, of, &value, &held, &mut rows);
            }
        }
        self.points = 0;
        rows
    }

    fn give_up_models(&mut self, real: &HashSet<Arc<str>>) {
        let is_invented = |of: &Of| match of {
            (SeriesOf::Model, Value::Text(model)) => **model != *OTHER && !real.contains(model),
            _ => false,
        };
        let invented = self.held.extract_if(|of, _| is_invented(of));
        let invented: Vec<_> = invented.flat_map(|(_, held)| held).collect();
        self.points -= invented.len();
        for (minute, sums) in invented {
            self.count((SeriesOf::Model, Value::Text(OTHER.into())), minute, &sums);
        }
    }
}

/// Where the minute is, or belongs.
fn place_of(held: &[(u32, UsageSums)], minute: u32) -> Result<usize, usize> {
    held.binary_search_by_key(&minute, |(at, _)| *at)
}

/// Minutes in their order, summed by the points of `grain`.
fn rolled_up(
    grain: Grain,
    of: SeriesOf,
    value: &Arc<str>,
    held: &[(u32, UsageSums)],
    rows: &mut Vec<SeriesRow>,
) {
    let point = |minute: u32| grain.point(u64::from(minute) * Grain::Minute.length_ms());
    for same in held.chunk_by(|a, b| point(a.0) == point(b.0)) {
        let Some(((minute, first), more)) = same.split_first() else {
            continue;
        };
        let mut sums = first.clone();
        more.iter().for_each(|(_, more)| sums.merge(more));
        let key = SeriesKey {
            grain,
            of,
            point: point(*minute),
            value: Arc::clone(value),
        };
        rows.push(SeriesRow { key, sums });
    }
}

#[cfg(test)]
mod tests;
