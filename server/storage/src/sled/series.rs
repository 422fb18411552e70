//! Series of usage on sled. A row's place is its grain, what it is of, its point and its value, so that a chart of
//! everything is one range; a few values are looked up point by point.
//!
//! Invariant: places never change their form: a grain and what a series is of have a fixed byte each.

use std::sync::Arc;

use ::sled::transaction::TransactionalTree;
use ::sled::{Batch, Tree};
use troupe_core::port::StoreError;
use troupe_core::usage::{Grain, SeriesKey, SeriesOf, SeriesQuery, SeriesRow, UsageSums};

use super::transact::{Step, abort, failed, perhaps};
use crate::codec::{decode, encode};

const ROW: &str = "series row";
/// Look-ups instead of which a range is read: one costs about ten rows that are passed over.
const LOOK_UPS: u64 = 20_000;
/// Rows that are dropped at once.
const DROPPED: usize = 1_000;

pub(super) fn add(series: &TransactionalTree, row: &SeriesRow) -> Step<()> {
    let key = &row.key;
    let place = place(key.grain, key.of, key.point, &key.value);
    let sums = match series.get(&place)? {
        None => encode(&row.sums),
        Some(stands) => decode(ROW, &stands).and_then(|mut sums: UsageSums| {
            sums.merge(&row.sums);
            encode(&sums)
        }),
    };
    series.insert(place, abort(sums)?)?;
    Ok(())
}

pub(super) fn find(series: &Tree, query: &SeriesQuery) -> Result<Vec<SeriesRow>, StoreError> {
    if query.from > query.to {
        return Ok(Vec::new());
    }
    match &query.values {
        Some(values) if look_ups(query, values.len()) <= LOOK_UPS => look_up(series, query, values),
        _ => scan(series, query),
    }
}

fn look_ups(query: &SeriesQuery, values: usize) -> u64 {
    (u64::from(query.to - query.from) + 1).saturating_mul(values as u64)
}

fn look_up(
    series: &Tree,
    query: &SeriesQuery,
    values: &[Arc<str>],
) -> Result<Vec<SeriesRow>, StoreError> {
    let mut values: Vec<_> = values.iter().collect();
    values.sort_unstable();
    values.dedup();
    let mut found = Vec::new();
    for point in query.from..=query.to {
        for value in &values {
            let place = place(query.grain, query.of, point, value);
            if let Some(bytes) = series.get(place).map_err(failed)? {
                found.push(row(query, point, Arc::clone(value), &bytes)?);
            }
        }
    }
    Ok(found)
}

fn scan(series: &Tree, query: &SeriesQuery) -> Result<Vec<SeriesRow>, StoreError> {
    let first = place(query.grain, query.of, query.from, "");
    let mut found = Vec::new();
    for entry in series.range(first..) {
        let (place, bytes) = entry.map_err(failed)?;
        let Some((point, value)) = told(query, &place)? else {
            break;
        };
        let is_wanted = |values: &Vec<Arc<str>>| values.iter().any(|wanted| **wanted == *value);
        if query.values.as_ref().is_none_or(is_wanted) {
            found.push(row(query, point, value.into(), &bytes)?);
        }
    }
    Ok(found)
}

/// Point and value of a place; `None` of one behind what is asked for.
fn told<'a>(query: &SeriesQuery, place: &'a [u8]) -> Result<Option<(u32, &'a str)>, StoreError> {
    let damaged = || StoreError::Corrupt(format!("{ROW} has a place that is none"));
    let (head, value) = place.split_at_checked(HEAD).ok_or_else(damaged)?;
    let [grain, of, point @ ..] = head else {
        return Err(damaged());
    };
    let point = u32::from_be_bytes(point.try_into().map_err(|_| damaged())?);
    if (*grain, *of) != (grain_byte(query.grain), of_byte(query.of)) || point > query.to {
        return Ok(None);
    }
    let value = std::str::from_utf8(value).map_err(|_| damaged())?;
    Ok(Some((point, value)))
}

fn row(
    query: &SeriesQuery,
    point: u32,
    value: Arc<str>,
    bytes: &[u8],
) -> Result<SeriesRow, StoreError> {
    Ok(SeriesRow {
        key: SeriesKey {
            grain: query.grain,
            of: query.of,
            point,
            value,
        },
        sums: decode(ROW, bytes)?,
    })
}

pub(super) fn prune(series: &Tree, grain: Grain, before: u32) -> Result<usize, StoreError> {
    let mut gone = 0;
    for of in SeriesOf::ALL {
        loop {
            let old = place(grain, of, 0, "")..place(grain, of, before, "");
            let (mut batch, mut dropped) = (Batch::default(), 0);
            for place in series.range(old).keys().take(DROPPED) {
                batch.remove(place.map_err(failed)?);
                dropped += 1;
            }
            if dropped == 0 {
                break;
            }
            gone += dropped;
            series.apply_batch(batch).map_err(perhaps)?;
        }
    }
    Ok(gone)
}

/// Bytes before the value.
const HEAD: usize = 2 + size_of::<u32>();

pub(super) fn place(grain: Grain, of: SeriesOf, point: u32, value: &str) -> Vec<u8> {
    let mut place = Vec::with_capacity(HEAD + value.len());
    place.extend([grain_byte(grain), of_byte(of)]);
    place.extend(point.to_be_bytes());
    place.extend(value.as_bytes());
    place
}

/// What stands at a place; `None` when it is none.
pub(super) fn key_of(place: &[u8]) -> Option<SeriesKey> {
    let (head, value) = place.split_at_checked(HEAD)?;
    let [grain, of, point @ ..] = head else {
        return None;
    };
    let mut grains = Grain::ALL.into_iter();
    let mut ofs = SeriesOf::ALL.into_iter();
    Some(SeriesKey {
        grain: grains.find(|one| grain_byte(*one) == *grain)?,
        of: ofs.find(|one| of_byte(*one) == *of)?,
        point: u32::from_be_bytes(point.try_into().ok()?),
        value: std::str::from_utf8(value).ok()?.into(),
    })
}

fn grain_byte(grain: Grain) -> u8 {
    match grain {
        Grain::Minute => b'm',
        Grain::Hour => b'h',
        Grain::Day => b'd',
    }
}

fn of_byte(of: SeriesOf) -> u8 {
    match of {
        SeriesOf::All => b'*',
        SeriesOf::Owner => b'o',
        SeriesOf::Group => b'g',
        SeriesOf::Key => b'k',
        SeriesOf::Account => b'a',
        SeriesOf::Model => b'm',
        SeriesOf::Status => b's',
    }
}
