//! Usage on sled. A row's place begins with its day, so that days are read and dropped as a range; at the day alone
//! stands how many rows it has.
//!
//! Invariant: a batch, its series, the days' counts and the batch's number are written in one transaction.

mod place;

use std::collections::HashMap;

use ::sled::transaction::TransactionalTree;
use ::sled::{Batch, Transactional, Tree};
use troupe_core::port::{PortFuture, StoreError, UsageStore};
use troupe_core::usage::{
    Grain, SeriesQuery, SeriesRow, UsageBatch, UsageGroups, UsageQuery, UsageRow,
};

pub(super) use self::place::place;

use self::place::may_match;
use super::engine::Engine;
use super::series;
use super::transact::{Step, abort, failed, outcome, perhaps};
use super::trees::{SERIES, Trees, USAGE};
use crate::codec::{decode, encode};

const ROW: &str = "usage row";
const COUNT: &str = "count of usage rows";
/// In `meta`: the number of the last batch, u64 big-endian.
pub(super) const LAST_BATCH: &str = "usage_batch";
/// Rows that are dropped at once.
const DROPPED: usize = 1_000;

impl UsageStore for Engine {
    fn add(&self, batch: UsageBatch) -> PortFuture<'_, ()> {
        Box::pin(self.write(USAGE, move |trees| add(trees, &batch)))
    }

    fn query(&self, query: UsageQuery) -> PortFuture<'_, Vec<UsageRow>> {
        Box::pin(self.read(move |trees| {
            let mut groups = UsageGroups::new(&query);
            let first = query.from_day.to_be_bytes();
            for found in trees.usage.range(first..) {
                let (place, bytes) = found.map_err(failed)?;
                if place[..] >= after(query.to_day)[..] {
                    break;
                }
                if !is_count(&place) && may_match(&query.filter, &place, &bytes) {
                    groups.add(&decode(ROW, &bytes)?);
                }
            }
            Ok(groups.finish())
        }))
    }

    fn prune(&self, before_day: u32) -> PortFuture<'_, usize> {
        Box::pin(self.write(USAGE, move |trees| prune(trees, before_day)))
    }

    fn days(&self) -> PortFuture<'_, Vec<u32>> {
        Box::pin(self.read(|trees| days(&trees.usage)))
    }

    fn series(&self, query: SeriesQuery) -> PortFuture<'_, Vec<SeriesRow>> {
        Box::pin(self.read(move |trees| series::find(&trees.series, &query)))
    }

    fn prune_series(&self, grain: Grain, before: u32) -> PortFuture<'_, usize> {
        Box::pin(self.write(SERIES, move |trees| {
            series::prune(&trees.series, grain, before)
        }))
    }
}

/// From each day's count to the next one's.
fn days(usage: &Tree) -> Result<Vec<u32>, StoreError> {
    let (mut days, mut from) = (Vec::new(), Vec::new());
    while let Some(found) = usage.range(from..).keys().next() {
        let place = found.map_err(failed)?;
        let day = place.first_chunk().copied().map(u32::from_be_bytes);
        let day =
            day.ok_or_else(|| StoreError::Corrupt(format!("{ROW} has a place that is none")))?;
        days.push(day);
        from = after(day);
    }
    Ok(days)
}

fn add(t: &Trees, batch: &UsageBatch) -> Result<(), StoreError> {
    let number = batch.number.to_be_bytes();
    outcome(
        (&t.usage, &t.series, &t.meta).transaction(|(usage, series, meta)| {
            let last = meta.insert(LAST_BATCH, &number)?;
            if last.is_some_and(|last| last == number) {
                return Ok(());
            }
            let mut counts = HashMap::new();
            for row in &batch.rows {
                add_row(usage, row, &mut counts)?;
            }
            for (day, count) in counts {
                usage.insert(&u32::to_be_bytes(day), abort(encode(&count))?)?;
            }
            batch
                .series
                .iter()
                .try_for_each(|row| series::add(series, row))
        }),
    )
}

/// `counts`: rows of the days that were met, this batch's included.
fn add_row(
    usage: &TransactionalTree,
    row: &UsageRow,
    counts: &mut HashMap<u32, usize>,
) -> Step<()> {
    let day = row.key.day;
    let mut held = match counts.get(&day) {
        Some(held) => *held,
        None => {
            let stands = usage.get(day.to_be_bytes())?;
            let stands = stands.map(|bytes| decode(COUNT, &bytes)).transpose();
            abort(stands)?.unwrap_or_default()
        }
    };
    for (key, room) in row.key.places() {
        let place = place(&key);
        let stands = usage.get(&place)?;
        if stands.is_none() && held >= room {
            continue;
        }
        held += usize::from(stands.is_none());
        let stands: Option<UsageRow> = abort(stands.map(|bytes| decode(ROW, &bytes)).transpose())?;
        let mut sum = stands.unwrap_or_else(|| UsageRow::empty(key));
        sum.merge(row);
        usage.insert(place, abort(encode(&sum))?)?;
        break;
    }
    counts.insert(day, held);
    Ok(())
}

fn prune(t: &Trees, before_day: u32) -> Result<usize, StoreError> {
    let mut gone = 0;
    loop {
        let old = t.usage.range(..before_day.to_be_bytes()).keys();
        let (mut batch, mut dropped) = (Batch::default(), 0);
        for place in old.take(DROPPED) {
            let place = place.map_err(failed)?;
            gone += usize::from(!is_count(&place));
            batch.remove(place);
            dropped += 1;
        }
        if dropped == 0 {
            return Ok(gone);
        }
        t.usage.apply_batch(batch).map_err(perhaps)?;
    }
}

pub(super) fn is_count(place: &[u8]) -> bool {
    place.len() == size_of::<u32>()
}

/// Behind every place of the day.
fn after(day: u32) -> Vec<u8> {
    match day.checked_add(1) {
        Some(next) => next.to_be_bytes().to_vec(),
        None => vec![u8::MAX; size_of::<u32>() + 1],
    }
}
