//! From a snapshot to rows.
//!
//! Invariant: kinds come in their order, so what the tree of facts holds of other kinds waits for its turn; a row of the
//! log that stands twice, because a crash came between it and the knowledge that it was written, is told once.

use std::collections::{HashSet, VecDeque};
use std::io;

use troupe_core::audit::AuditAnchor;
use troupe_core::port::{QuotaRow, StoreError};
use troupe_core::usage::SeriesRow;
use troupe_core::{KeyId, RequestId};
use uuid::Uuid;

use super::super::audit::ANCHOR_PREFIX;
use super::super::transact::{LAST_EVENT, sequence};
use super::super::usage::{LAST_BATCH, is_count};
use super::super::{FORMAT_KEY, series};
use super::snapshot::{Pair, Snapshot};
use crate::archive::port::FILLING;
use crate::archive::row::{self, Counter, EventRow, Fact, Kind, Row, TotalsRow};
use crate::archive::stream::{Ended, Sender};
use crate::codec::decode;

/// Rows of the log behind which a second one of the same request is recognised.
const NEAR: usize = 65_536;

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Failed(StoreError::Unavailable(format!("segments: {error}")))
    }
}

pub(super) fn tell(mut from: Snapshot, to: &mut Sender) -> Result<(), Ended> {
    let (mut counters, mut anchors) = (Vec::new(), Vec::new());
    let mut at = Kind::Fact;
    while let Some(pair) = from.trees.next()? {
        if pair.0 != at {
            turn(at, pair.0, &mut from, &mut counters, to)?;
            at = pair.0;
        }
        match told(&mut from, pair)? {
            None => {}
            Some(Row::Counter(row)) => counters.push(row),
            Some(Row::Anchor(row)) => anchors.push(row),
            Some(row) => to.blocking_push(row)?,
        }
    }
    turn(at, Kind::Anchor, &mut from, &mut counters, to)?;
    for anchor in anchors {
        to.blocking_push(anchor)?;
    }
    tell_segments(from, to)
}

/// What is told between two trees.
fn turn(
    from: Kind,
    next: Kind,
    snapshot: &mut Snapshot,
    counters: &mut Vec<Counter>,
    to: &mut Sender,
) -> Result<(), Ended> {
    if from <= Kind::Fact && next > Kind::Fact {
        for counter in counters.drain(..) {
            to.blocking_push(counter)?;
        }
    }
    if from <= Kind::Quota && next > Kind::Quota {
        // Windows that were never saved.
        for row in std::mem::take(&mut snapshot.counters).into_values() {
            to.blocking_push(row)?;
        }
    }
    Ok(())
}

/// The row of a pair; nothing of what is made anew from rows.
fn told(from: &mut Snapshot, (kind, place, value): Pair) -> Result<Option<Row>, StoreError> {
    let odd = || StoreError::Corrupt(format!("a row of {} has a place that is none", kind.name()));
    let told = match kind {
        Kind::Fact => return fact(&place, value),
        Kind::Account => Row::Account(decode(kind.name(), &value)?),
        Kind::State => Row::State(decode(kind.name(), &value)?),
        Kind::Token => Row::Token(decode(kind.name(), &value)?),
        Kind::Key => Row::Key(decode(kind.name(), &value)?),
        Kind::Totals => Row::Totals(TotalsRow {
            key: KeyId(Uuid::from_slice(&place).map_err(|_| odd())?),
            totals: decode(kind.name(), &value)?,
        }),
        Kind::Session => Row::Session(decode(kind.name(), &value)?),
        Kind::Quota => {
            let mut stored: QuotaRow = decode(kind.name(), &value)?;
            if let Some(counted) = from.counters.remove(&(stored.limit, stored.start_ms)) {
                stored.charged = stored.charged.max(counted.charged);
            }
            stored.into()
        }
        Kind::Resource => Row::Resource(decode(kind.name(), &value)?),
        Kind::Event => Row::Event(EventRow {
            seq: sequence(&place)?,
            event: decode(kind.name(), &value)?,
        }),
        Kind::Usage if is_count(&place) => return Ok(None),
        Kind::Usage => Row::Usage(decode(kind.name(), &value)?),
        Kind::Series => Row::Series(SeriesRow {
            key: series::key_of(&place).ok_or_else(odd)?,
            sums: decode(kind.name(), &value)?,
        }),
        Kind::Audit => Row::Audit(decode(kind.name(), &value)?),
        Kind::Counter | Kind::Anchor | Kind::Request | Kind::Bodies => return Ok(None),
    };
    Ok(Some(told))
}

fn fact(place: &[u8], value: Vec<u8>) -> Result<Option<Row>, StoreError> {
    let name = std::str::from_utf8(place)
        .map_err(|_| StoreError::Corrupt("a fact has a name that is none".into()))?;
    let counter = |name: &str, value: &[u8]| {
        let (name, value) = (name.to_owned(), sequence(value)?);
        Ok(Some(Row::Counter(Counter { name, value })))
    };
    match name {
        FORMAT_KEY | FILLING => Ok(None),
        LAST_EVENT => counter(row::LAST_EVENT, &value),
        LAST_BATCH => counter(row::LAST_BATCH, &value),
        _ if name.starts_with(ANCHOR_PREFIX) => {
            let anchor: AuditAnchor = decode(Kind::Anchor.name(), &value)?;
            Ok(Some(Row::Anchor(anchor)))
        }
        _ => Ok(Some(Row::Fact(Fact {
            name: name.to_owned(),
            value,
        }))),
    }
}

fn tell_segments(from: Snapshot, to: &mut Sender) -> Result<(), Ended> {
    let mut lost = 0;
    if let Some(log) = from.log {
        let mut near = Near::default();
        lost += log.each(|row| {
            if near.is_new(row.id) {
                to.blocking_push(row)?;
            }
            Ok::<_, Ended>(())
        })?;
    }
    if let Some(bodies) = from.bodies {
        let mut near = Near::default();
        lost += bodies.each(|row| {
            if near.is_new(row.id) {
                to.blocking_push(row)?;
            }
            Ok::<_, Ended>(())
        })?;
    }
    if lost > 0 {
        tracing::warn!(
            rows = lost,
            "rows of the request log are damaged or of a newer version: they are in no archive"
        );
    }
    Ok(())
}

/// The last ids that were told.
#[derive(Default)]
struct Near {
    ids: HashSet<RequestId>,
    order: VecDeque<RequestId>,
}

impl Near {
    fn is_new(&mut self, id: RequestId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > NEAR
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
