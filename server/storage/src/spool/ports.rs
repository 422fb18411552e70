//! The ports: writes go through the spool, everything else to the store.

use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;
use troupe_core::log::{LogFound, LogPage, LogQuery, LogSearch};
use troupe_core::port::{BodyStore, LogStore, PortFuture, UsageStore};
use troupe_core::record::RequestRecord;
use troupe_core::usage::{Grain, SeriesQuery, SeriesRow, UsageBatch, UsageQuery, UsageRow};

use super::{Item, Spooled};

impl LogStore for Spooled {
    fn append(&self, rows: Vec<RequestRecord>) -> PortFuture<'_, ()> {
        Box::pin(self.tell(Item::Rows(rows)))
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        self.inner.log.retain(oldest_ms)
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<RequestRecord>> {
        self.inner.log.find(id)
    }

    fn tail(&self, query: LogQuery) -> PortFuture<'_, LogPage> {
        self.inner.log.tail(query)
    }

    fn search(&self, search: LogSearch) -> PortFuture<'_, LogFound> {
        self.inner.log.search(search)
    }
}

impl BodyStore for Spooled {
    fn append(&self, bodies: Vec<StoredBodies>) -> PortFuture<'_, ()> {
        Box::pin(self.tell(Item::Bodies(bodies)))
    }

    fn find(&self, id: RequestId) -> PortFuture<'_, Option<StoredBodies>> {
        self.inner.bodies.find(id)
    }

    fn retain(&self, oldest_ms: u64) -> PortFuture<'_, usize> {
        self.inner.bodies.retain(oldest_ms)
    }

    fn bound(&self, max_bytes: u64) {
        self.inner.bodies.bound(max_bytes);
    }

    /// Of the store: what waits here is not counted.
    fn of_day(&self, at_ms: u64) -> PortFuture<'_, u64> {
        self.inner.bodies.of_day(at_ms)
    }
}

impl UsageStore for Spooled {
    fn add(&self, batch: UsageBatch) -> PortFuture<'_, ()> {
        Box::pin(self.tell(Item::Usage(batch)))
    }

    fn query(&self, query: UsageQuery) -> PortFuture<'_, Vec<UsageRow>> {
        self.inner.usage.query(query)
    }

    fn prune(&self, before_day: u32) -> PortFuture<'_, usize> {
        self.inner.usage.prune(before_day)
    }

    fn days(&self) -> PortFuture<'_, Vec<u32>> {
        self.inner.usage.days()
    }

    fn series(&self, query: SeriesQuery) -> PortFuture<'_, Vec<SeriesRow>> {
        self.inner.usage.series(query)
    }

    fn prune_series(&self, grain: Grain, before: u32) -> PortFuture<'_, usize> {
        self.inner.usage.prune_series(grain, before)
    }
}
