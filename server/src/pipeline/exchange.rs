//! One request from its head to its settlement: its row, its timeline, and everything it has taken.
//!
//! Invariant: settled once, on [`Exchange::finish`] or on drop (the client went away); what was taken is given back then.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::HeaderValue;
use troupe_actors::account::ActiveAccount;
use troupe_actors::key::ActiveKey;
use troupe_actors::session::ActiveSession;
use troupe_core::RequestId;
use troupe_core::account::{Report, Verdict};
use troupe_core::gate::{EntryGuard, SlotGuard};
use troupe_core::key::{KeyTotals, Settlement};
use troupe_core::record::{Outcome, RequestRecord, Route};
use troupe_core::session::SessionTell;

use crate::load::RequestPermit;
use crate::worker::Worker;

/// A place at a key's gate.
#[derive(Debug)]
pub struct Seat {
    pub key: Arc<ActiveKey>,
    pub hold: EntryGuard,
    /// Absent for what is not counted (count_tokens, models).
    pub slot: Option<SlotGuard>,
}

/// A place at an account's gate.
#[derive(Debug)]
pub struct Lease {
    pub account: Arc<ActiveAccount>,
    pub slot: SlotGuard,
}

/// Phases and attempts of one request.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    pub started: Instant,
    /// Waiting for upstreams so far, in µs.
    pub upstream_us: u64,
    /// When the head of the answer was ready.
    pub head_us: Option<u64>,
}

impl Timeline {
    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Exchange {
    pub worker: Rc<Worker>,
    pub record: RequestRecord,
    pub timeline: Timeline,
    seat: Option<Seat>,
    lease: Option<Lease>,
    session: Option<(Arc<ActiveSession>, Option<EntryGuard>)>,
    /// The account was already told how its attempt ended.
    settled: bool,
    _permit: Option<RequestPermit>,
}

impl Exchange {
    /// Begins a request. `permit` is what load shed gave it; probes of the process itself have none.
    #[must_use]
    pub fn begin(worker: Rc<Worker>, route: Route, permit: Option<RequestPermit>) -> Self {
        let at_ms = worker.gateway.directory.clock().now().unix_ms;
        let record = RequestRecord::begin(RequestId(uuid::Uuid::now_v7()), at_ms, route);
        let timeline = Timeline {
            started: Instant::now(),
            upstream_us: 0,
            head_us: None,
        };
        Self {
            worker,
            record,
            timeline,
            seat: None,
            lease: None,
            session: None,
            settled: false,
            _permit: permit,
        }
    }

    #[must_use]
    pub fn id(&self) -> RequestId {
        self.record.id
    }

    pub fn sit(&mut self, seat: Seat) {
        self.seat = Some(seat);
    }

    /// The session the request belongs to, and the guard that keeps its actor while the request runs.
    pub fn attend(&mut self, session: Arc<ActiveSession>, hold: EntryGuard) {
        self.session = Some((session, Some(hold)));
    }

    /// Begins an attempt on an account.
    pub fn lease(&mut self, lease: Lease) {
        self.record.attempts = self.record.attempts.saturating_add(1);
        self.record.account = Some(lease.account.id);
        self.record.account_name = Some(Arc::clone(&lease.account.name));
        self.record.upstream_status = None;
        self.record.upstream_request_id = None;
        self.lease = Some(lease);
    }

    #[must_use]
    pub fn account(&self) -> Option<&Arc<ActiveAccount>> {
        self.lease.as_ref().map(|lease| &lease.account)
    }

    /// Ends the attempt: the slot goes back, the account hears how it went.
    pub fn release(&mut self, verdict: Verdict) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        let model = self.record.model.clone();
        self.worker
            .outbox
            .report(&lease.account, Report { model, verdict });
    }

    /// `server-timing` as of now (ms): `gateway` is everything but waiting for upstreams.
    #[must_use]
    pub fn server_timing(&self) -> HeaderValue {
        let total = self
            .timeline
            .head_us
            .unwrap_or_else(|| self.timeline.elapsed_us());
        let (gateway, upstream) = (
            total.saturating_sub(self.timeline.upstream_us),
            self.timeline.upstream_us,
        );
        let mut text = Vec::with_capacity(48);
        text.extend_from_slice(b"gateway;dur=");
        milliseconds(&mut text, gateway);
        text.extend_from_slice(b", upstream;dur=");
        milliseconds(&mut text, upstream);
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .unwrap_or(HeaderValue::from_static("gateway;dur=0"))
    }

    /// The head of the answer is ready.
    pub fn head_ready(&mut self) {
        self.timeline
            .head_us
            .get_or_insert(self.timeline.elapsed_us());
    }

    /// The upstream's first event (or the head of a JSON answer) is there. From now on the session is at home with this
    /// account, whose prompt cache is warm, even if the client leaves before the end.
    pub fn first_event(&mut self) {
        self.record
            .first_event_us
            .get_or_insert(self.timeline.elapsed_us());
        let (Some(lease), Some((session, hold))) = (&self.lease, &mut self.session) else {
            return;
        };
        let now_ms = self.worker.streams.now_ms();
        if session.view.load().preferred(now_ms) != Some(lease.account.id) {
            session.handle.tell(SessionTell::Placed {
                account: lease.account.id,
                hold: hold.take(),
            });
        }
    }

    /// Settles the request with what is in its row.
    pub fn finish(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        self.release(if outcome == Outcome::Completed {
            Verdict::Success
        } else {
            Verdict::Unknown
        });
        self.session = None;
        self.record.outcome = outcome;
        self.record.duration_us = self.timeline.elapsed_us();
        let head_us = self.timeline.head_us.unwrap_or(self.record.duration_us);
        self.record.gateway_us = head_us.saturating_sub(self.timeline.upstream_us);
        if let Some(Seat { key, hold, slot }) = self.seat.take() {
            let counted = slot.is_some();
            drop(slot);
            let used = KeyTotals {
                requests: u64::from(counted),
                usage: self.record.usage,
                last_used_ms: self.record.at_ms,
            };
            self.worker.outbox.settle(
                key,
                Settlement {
                    hold: Some(hold),
                    used,
                },
            );
        }
        let row = RequestRecord::begin(self.record.id, self.record.at_ms, self.record.route);
        self.worker
            .outbox
            .record(std::mem::replace(&mut self.record, row));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.settled {
            // 499 is the log's customary word for a client that went away before an answer.
            if self.record.status == 0 {
                self.record.status = 499;
            }
            self.finish(Outcome::Cancelled);
        }
    }
}

/// Microseconds as milliseconds with three decimals.
fn milliseconds(text: &mut Vec<u8>, us: u64) {
    let mut digits = itoa::Buffer::new();
    text.extend_from_slice(digits.format(us / 1_000).as_bytes());
    let fraction = us % 1_000;
    text.extend_from_slice(&[
        b'.',
        b'0' + (fraction / 100) as u8,
        b'0' + (fraction / 10 % 10) as u8,
        b'0' + (fraction % 10) as u8,
    ]);
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn microseconds_are_written_as_milliseconds() {
        for (us, text) in [
            (0, "0.000"),
            (7, "0.007"),
            (1_234, "1.234"),
            (60_000_050, "60000.050"),
        ] {
            let mut out = Vec::new();
            milliseconds(&mut out, us);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
