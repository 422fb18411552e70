//! One request from its head to its settlement: its row, its timeline, and everything it has taken.
//!
//! Invariant: settled once, on [`Exchange::finish`] or on drop (the client went away); what was taken is given back then.

mod counting;
mod timing;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::HeaderValue;
use secrecy::ExposeSecret;
use troupe_actors::account::ActiveAccount;
use troupe_actors::key::KeyEntry;
use troupe_actors::quota::ActiveQuota;
use troupe_actors::session::ActiveSession;
use troupe_core::RequestId;
use troupe_core::account::{AccountTell, AccountView, AttemptFacts, Auth, Report, Verdict, Window};
use troupe_core::gate::{EntryGuard, SlotGuard};
use troupe_core::key::{KeyRecord, KeyTotals};
use troupe_core::limit::Hold;
use troupe_core::quota::Settlement;
use troupe_core::record::{Outcome, RequestRecord, Route, clip_error, clip_name};
use troupe_core::routing::Choice;
use troupe_upstream::breaker::{Outcome as HostOutcome, Permit};

use super::capture::Capture;
use super::limits::Held;
use super::observe;
use crate::gateway::KeyWrite;
use crate::load::RequestPermit;
use crate::worker::{AccountRoute, Worker};
use timing::milliseconds;

/// A place at a key's gate.
#[derive(Debug)]
pub struct Seat {
    pub key: Arc<ActiveQuota>,
    pub hold: EntryGuard,
    /// False for what is not (count_tokens, models).
    pub is_counted: bool,
    /// Absent where nothing limits it.
    pub held: Option<Box<Held>>,
}

/// A place at an account's gate, and the credential that is used there.
#[derive(Debug)]
pub struct Lease {
    pub account: Arc<ActiveAccount>,
    pub auth: Auth,
    /// Of the credential that is presented.
    pub generation: u64,
    pub view: Arc<AccountView>,
    pub route: Rc<AccountRoute>,
    pub slot: SlotGuard,
    /// After a pause this request goes ahead of all others.
    pub trial: Option<SlotGuard>,
    /// What it holds of the account's limits.
    pub quota: Option<Hold>,
    pub permit: Option<Permit>,
    pub choice: Choice,
}

impl Lease {
    /// What an upstream said, without the credential that it was shown: careless ones repeat it.
    fn without_secret(&self, said: String) -> String {
        let credential = self
            .view
            .lane(self.auth)
            .and_then(|lane| lane.credential.as_ref());
        match credential {
            Some(credential) => {
                troupe_upstream::token::hide(&said, credential.secret.expose_secret())
            }
            None => said,
        }
    }
}

/// Phases and attempts of one request.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    pub started: Instant,
    /// When the attempt that runs, or ran last, began.
    pub attempt: Instant,
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
    /// Length of the message that is asked.
    pub asked_bytes: usize,
    seat: Option<Seat>,
    lease: Option<Lease>,
    /// What the last answer said about the account's windows.
    windows: Vec<Window>,
    /// See [`troupe_core::account::Want::betas`].
    betas: u64,
    session: Option<(Arc<ActiveSession>, Option<EntryGuard>)>,
    /// Output tokens at which limits look at a stream again.
    next_look: u64,
    /// The account was already told how its attempt ended.
    settled: bool,
    /// Where its bodies are kept.
    capture: Option<Box<Capture>>,
    _permit: Option<RequestPermit>,
}

impl Exchange {
    /// Begins a request. `permit` is what load shed gave it; probes of the process itself have none.
    #[must_use]
    pub fn begin(worker: Rc<Worker>, route: Route, permit: Option<RequestPermit>) -> Self {
        let at_ms = worker.gateway.directory.clock().now().unix_ms;
        let record = RequestRecord::begin(RequestId(uuid::Uuid::now_v7()), at_ms, route);
        let now = Instant::now();
        let timeline = Timeline {
            started: now,
            attempt: now,
            upstream_us: 0,
            head_us: None,
        };
        Self {
            worker,
            record,
            timeline,
            asked_bytes: 0,
            seat: None,
            lease: None,
            windows: Vec::new(),
            betas: 0,
            session: None,
            next_look: 0,
            settled: false,
            capture: None,
            _permit: permit,
        }
    }

    #[must_use]
    pub fn id(&self) -> RequestId {
        self.record.id
    }

    /// Whose request it is, for the row.
    pub fn is_of(&mut self, key: &KeyRecord) {
        self.record.key = Some(key.id);
        self.record.owner.clone_from(&key.owner);
        self.record.group.clone_from(&key.group);
    }

    /// Its bodies are kept, or not.
    pub fn capture(&mut self, capture: Option<Box<Capture>>) {
        self.capture = capture;
    }

    /// For whoever tells what is asked, or answered.
    pub fn capturing(&mut self) -> Option<&mut Capture> {
        self.capture.as_deref_mut()
    }

    /// The request was admitted: a key whose end counts from its first use begins to end.
    pub fn note_use(&self, key: &KeyEntry) {
        let record = key.record();
        if record.awaits_first_use() {
            let gateway = &self.worker.gateway;
            gateway.ask_key_write(KeyWrite::FirstUse {
                id: record.id,
                at_ms: self.record.at_ms,
            });
        }
    }

    pub fn sit(&mut self, seat: Seat) {
        for hold in seat.held.iter().flat_map(|held| held.holds()) {
            self.note_shadows(hold);
        }
        self.seat = Some(seat);
    }

    /// Shadow limits only count whom they would have refused.
    fn note_shadows(&self, hold: &Hold) {
        for name in hold.shadowed() {
            let telemetry = &self.worker.gateway.telemetry;
            telemetry.shadowed(name.as_str());
        }
    }

    /// The session the request belongs to, and the guard that keeps its actor while the request runs.
    pub fn attend(&mut self, session: Arc<ActiveSession>, hold: EntryGuard) {
        self.session = Some((session, Some(hold)));
    }

    /// A hash of the betas that the request asks for.
    pub fn set_betas(&mut self, betas: u64) {
        self.betas = betas;
    }

    /// Begins an attempt on an account.
    pub fn lease(&mut self, lease: Lease) {
        if let Some(hold) = &lease.quota {
            self.note_shadows(hold);
        }
        let record = &mut self.record;
        record.attempts = record.attempts.saturating_add(1);
        record.account = Some(lease.account.id);
        record.account_name = Some(Arc::clone(&lease.account.name));
        record.auth = Some(lease.auth);
        record.choice = Some(lease.choice);
        record.upstream_status = None;
        record.upstream_request_id = None;
        self.timeline.attempt = Instant::now();
        self.lease = Some(lease);
    }

    #[must_use]
    pub fn leased(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The attempt goes on with what the account shows now: its token was renewed.
    pub fn renew_lease(&mut self, view: Arc<AccountView>, route: Rc<AccountRoute>) {
        if let Some(lease) = &mut self.lease {
            lease.generation = view.lane(lease.auth).map_or(0, |lane| lane.generation);
            lease.view = view;
            lease.route = route;
            self.record.attempts = self.record.attempts.saturating_add(1);
            self.timeline.attempt = Instant::now();
        }
    }

    /// The model that is asked, as accounts are told of it.
    #[must_use]
    pub fn model_name(&self) -> Option<Arc<str>> {
        told_name(self.record.model.as_ref())
    }

    /// What an answer said about windows; told with the next report.
    pub fn note_windows(&mut self, windows: Vec<Window>) {
        self.windows = windows;
    }

    /// How the attempt failed, for the row.
    pub fn note_error(&mut self, error: Option<String>) {
        self.record.error = error.map(|error| {
            let mut error = match &self.lease {
                Some(lease) => lease.without_secret(error),
                None => error,
            };
            clip_error(&mut error);
            error
        });
    }

    /// The host's part in the attempt is known.
    pub fn host(&mut self, outcome: HostOutcome) {
        let now_ms = self.worker.streams.now_ms();
        if let Some(permit) = self.lease.as_mut().and_then(|lease| lease.permit.take()) {
            permit.conclude(outcome, now_ms);
        }
    }

    /// Ends the attempt: the slot goes back, the account hears how it went.
    pub fn release(&mut self, verdict: Verdict) {
        let Some((account, report)) = self.end_attempt(verdict) else {
            return;
        };
        self.worker.outbox.report(account, report);
    }

    /// Ends the attempt; the caller sees to it that the account hears.
    pub fn end_attempt(&mut self, verdict: Verdict) -> Option<(Arc<ActiveAccount>, Report)> {
        let mut lease = self.lease.take()?;
        if let Some(hold) = lease.quota.take() {
            match self.record.upstream_status {
                Some(_) => {
                    let now_ms = self.worker.gateway.directory.clock().now().unix_ms;
                    hold.settle(&self.amounts(), now_ms);
                }
                None => hold.give_back(),
            }
        }
        let since_ms = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let record = &self.record;
        let ended = verdict == Verdict::Success;
        let verdict = match verdict {
            Verdict::OutOfService { reason } => Verdict::OutOfService {
                reason: lease.without_secret(reason),
            },
            verdict => verdict,
        };
        let facts = AttemptFacts {
            status: record.upstream_status,
            duration_ms: Some(since_ms(self.timeline.attempt)).filter(|_| ended),
            first_event_ms: record.first_event_us.map(|us| us / 1_000).filter(|_| ended),
            usage: record.usage,
            cost_micro_usd: record.cost_micro_usd,
            error: record.error.clone(),
            moved_tokens: record.moved_tokens,
        };
        let report = Report {
            auth: lease.auth,
            generation: lease.generation,
            model: self.model_name(),
            betas: self.betas,
            verdict,
            windows: std::mem::take(&mut self.windows),
            facts,
        };
        Some((lease.account, report))
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
    /// account, whose prompt cache is warm, even if the client leaves before the end; and a pause is over.
    pub fn first_event(&mut self) {
        self.record
            .first_event_us
            .get_or_insert(self.timeline.elapsed_us());
        let Some(lease) = &mut self.lease else {
            return;
        };
        if lease.trial.take().is_some() {
            lease.account.handle.tell(AccountTell::Recovered {
                auth: lease.auth,
                model: told_name(self.record.model.as_ref()),
            });
        }
        let Some((session, hold)) = &mut self.session else {
            return;
        };
        let gateway = &self.worker.gateway;
        let (id, unix_ms) = (lease.account.id, gateway.directory.clock().now().unix_ms);
        let view = **session.view.load();
        let home = view.preferred(unix_ms);
        if home.is_some_and(|home| home != id) {
            self.record.moved_tokens = Some(session.leave_cached_tokens());
        }
        if view.must_tell(id, gateway.directory.affinity_ttl_ms(), unix_ms) {
            session.place(
                id,
                unix_ms + gateway.directory.affinity_ttl_ms(),
                hold.take(),
            );
        }
    }

    /// The usage is known: what it cost, and what the session has cached with the account.
    pub fn priced(&mut self) {
        let record = &mut self.record;
        if record.usage.is_zero() {
            return;
        }
        let plan = self.worker.gateway.plan.load();
        observe::price(record, &plan.prices);
        if let Some((session, _)) = &self.session {
            let used = &record.usage;
            session.set_cached_tokens(used.cache_read + used.cache_write_5m + used.cache_write_1h);
            let home = session
                .view
                .load()
                .affinity
                .map(|affinity| affinity.account);
            if let Some(home) = home.filter(|home| Some(*home) == record.account)
                && session.must_tell_tokens()
            {
                let directory = &self.worker.gateway.directory;
                let until_ms = directory.clock().now().unix_ms + directory.affinity_ttl_ms();
                session.place(home, until_ms, None);
            }
        }
    }

    /// What the request holds of limits, while it is counted.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        self.seat.as_ref()?.held.as_deref()
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
        if let Some(seat) = self.seat.take() {
            let Seat {
                key,
                hold,
                is_counted,
                held,
            } = seat;
            self.record.charged_micro_usd = counting::charged(&key, self.record.cost_micro_usd);
            if let Some(held) = held {
                self.settle(held);
            }
            let used = KeyTotals {
                requests: u64::from(is_counted),
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
        self.record.clip();
        if let Some(capture) = self.capture.take() {
            capture.finish(&self.record, &self.worker);
        }
        let row = RequestRecord::begin(self.record.id, self.record.at_ms, self.record.route);
        self.worker
            .outbox
            .record(std::mem::replace(&mut self.record, row));
    }
}

fn told_name(model: Option<&Arc<str>>) -> Option<Arc<str>> {
    let mut model = model.cloned();
    model.iter_mut().for_each(clip_name);
    model
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
