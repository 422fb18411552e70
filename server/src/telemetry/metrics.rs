//! Metrics, counted from the rows that requests leave behind, off the request path.
//!
//! Invariant: no label takes a value that a client chose: routes, outcomes and statuses are closed sets, `model` is a
//! known model or `other`, accounts are few.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use troupe_core::record::{Outcome, RequestRecord, Route};

use super::costs::Costs;
use super::unpriced::Unpriced;

/// Seconds: from half a millisecond (the gateway's own share) to ten minutes (a long stream).
const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 120.0, 300.0, 600.0,
];

/// The registry and the handles into it.
pub struct Telemetry {
    handle: Option<PrometheusHandle>,
    process: metrics_process::Collector,
    cached: Mutex<Cached>,
    known_models: BTreeSet<String>,
    streams_open: Gauge,
}

#[derive(Default)]
struct Cached {
    requests: HashMap<(Route, u16, Outcome), Counter>,
    durations: HashMap<Route, [Histogram; 2]>,
    tokens: HashMap<String, [Counter; 4]>,
    upstream: HashMap<(Arc<str>, u16), Counter>,
    upstream_took: HashMap<Arc<str>, Histogram>,
    first_event: Option<Histogram>,
    costs: Costs,
    unpriced: Unpriced,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}

impl Telemetry {
    /// Installs the recorder; the second of a process (tests run many gateways in one) renders nothing.
    #[must_use]
    pub fn start(known_models: impl IntoIterator<Item = String>) -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS);
        let handle = builder.ok().and_then(|b| b.install_recorder().ok());
        describe();
        let process = metrics_process::Collector::default();
        process.describe();
        gauge!("troupe_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        for outcome in ["applied", "rejected"] {
            counter!("troupe_config_reloads_total", "outcome" => outcome).absolute(0);
        }
        counter!("troupe_limit_rejections_total", "limit" => "concurrent").absolute(0);
        Self {
            handle,
            process,
            cached: Mutex::default(),
            known_models: known_models.into_iter().collect(),
            streams_open: gauge!("troupe_streams_open"),
        }
    }

    /// Counts finished requests.
    pub fn observe(&self, rows: &[RequestRecord]) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            cached.observe(row, &self.known_models);
        }
    }

    pub fn stream_opened(&self) {
        self.streams_open.increment(1.0);
    }

    pub fn stream_closed(&self) {
        self.streams_open.decrement(1.0);
    }

    /// A request was refused by this limit.
    pub fn refused(&self, limit: &'static str) {
        counter!("troupe_limit_rejections_total", "limit" => limit).increment(1);
    }

    /// This limit would have refused a request, and only counts.
    pub fn shadowed(&self, limit: &'static str) {
        counter!("troupe_limit_shadow_total", "limit" => limit).increment(1);
    }

    /// Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        let mut text = self
            .handle
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default();
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.costs.render(&mut text);
        text
    }

    /// Folds histogram samples; call every few seconds, or they pile up.
    pub fn upkeep(&self) {
        if let Some(handle) = &self.handle {
            handle.run_upkeep();
        }
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

impl Cached {
    fn observe(&mut self, row: &RequestRecord, known_models: &BTreeSet<String>) {
        let labels = (row.route, row.status, row.outcome);
        let counted = self.requests.entry(labels).or_insert_with(|| {
            counter!("troupe_requests_total", "route" => row.route.as_str(), "status" => row.status.to_string(), "outcome" => row.outcome.as_str())
        });
        counted.increment(1);
        let [duration, overhead] = self.durations.entry(row.route).or_insert_with(|| {
            let route = row.route.as_str();
            [
                histogram!("troupe_request_duration_seconds", "route" => route),
                histogram!("troupe_gateway_overhead_seconds", "route" => route),
            ]
        });
        duration.record(seconds(row.duration_us));
        overhead.record(seconds(row.gateway_us));
        if let Some(us) = row.first_event_us {
            self.first_event
                .get_or_insert_with(|| histogram!("troupe_time_to_first_event_seconds"))
                .record(seconds(us));
        }
        if let (Some(account), Some(status)) = (&row.account_name, row.upstream_status) {
            let counted = self.upstream.entry((account.clone(), status)).or_insert_with(|| {
                counter!("troupe_upstream_requests_total", "account" => account.to_string(), "status" => status.to_string())
            });
            counted.increment(1);
        }
        if let (Some(account), true) = (&row.account_name, row.upstream_status.is_some()) {
            let took = self.upstream_took.entry(account.clone()).or_insert_with(
                || histogram!("troupe_upstream_duration_seconds", "account" => account.to_string()),
            );
            took.record(seconds(row.duration_us.saturating_sub(row.gateway_us)));
        }
        if let Some(tokens) = row.moved_tokens {
            counter!("troupe_session_moves_total").increment(1);
            counter!("troupe_session_moved_tokens_total").increment(tokens);
        }
        if row.attempts > 1 {
            counter!("troupe_retries_total", "reason" => "failover")
                .increment(u64::from(row.attempts) - 1);
        }
        if !row.usage.is_zero() {
            self.used(row, known_models);
        }
    }

    /// Tokens and dollars.
    fn used(&mut self, row: &RequestRecord, known_models: &BTreeSet<String>) {
        let model = row
            .model
            .as_deref()
            .filter(|m| known_models.contains(*m))
            .unwrap_or("other");
        self.costs.add(model, row.cost_micro_usd);
        self.unpriced.see(row);
        if !self.tokens.contains_key(model) {
            let counters = ["input", "output", "cache_read", "cache_write"].map(
                |kind| counter!("troupe_tokens_total", "type" => kind, "model" => model.to_owned()),
            );
            self.tokens.insert(model.to_owned(), counters);
        }
        if let Some([input, output, read, write]) = self.tokens.get(model) {
            input.increment(row.usage.input);
            output.increment(row.usage.output);
            read.increment(row.usage.cache_read);
            write.increment(row.usage.cache_write_5m + row.usage.cache_write_1h);
        }
    }
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "troupe_requests_total",
        "Requests finished, by route, status and outcome."
    );
    describe_histogram!(
        "troupe_request_duration_seconds",
        Unit::Seconds,
        "From the request's head to the answer's end."
    );
    describe_histogram!(
        "troupe_gateway_overhead_seconds",
        Unit::Seconds,
        "Time a request spent in the gateway itself before its answer began."
    );
    describe_histogram!(
        "troupe_time_to_first_event_seconds",
        Unit::Seconds,
        "From the request's head to the upstream's first event."
    );
    describe_gauge!("troupe_streams_open", "Answers being relayed now.");
    describe_counter!("troupe_tokens_total", "Tokens by class and model.");
    describe_counter!(
        "troupe_upstream_requests_total",
        "Final upstream answers, by account and status."
    );
    describe_histogram!(
        "troupe_upstream_duration_seconds",
        Unit::Seconds,
        "Time that requests spent with their account's upstream."
    );
    describe_counter!(
        "troupe_session_moves_total",
        "Sessions that went to another account than the one that had them cached."
    );
    describe_counter!(
        "troupe_session_moved_tokens_total",
        "Tokens that were cached with the account a session left."
    );
    describe_gauge!(
        "troupe_requests_waiting",
        "Requests that wait for room at any account."
    );
    describe_gauge!("troupe_sessions_active", "Sessions whose actors run.");
    describe_gauge!(
        "troupe_session_rows_unsaved",
        "Sessions whose account is on its way to the store."
    );
    describe_counter!(
        "troupe_session_rows_saved_total",
        "Times that a session's account was stored."
    );
    describe_counter!(
        "troupe_session_rows_dropped_total",
        "Sessions whose account was not stored, because the store was too slow."
    );
    describe_counter!(
        "troupe_token_refresh_total",
        "Renewals of accounts' tokens, by outcome."
    );
    describe_gauge!(
        "troupe_account_utilization",
        "Share used of an account's window, as its upstream says."
    );
    describe_counter!("troupe_retries_total", "Attempts beyond a request's first.");
    describe_counter!(
        "troupe_limit_rejections_total",
        "Requests that a limit refused."
    );
    describe_counter!(
        "troupe_limit_shadow_total",
        "Requests that a shadow limit would have refused."
    );
    describe_counter!(
        "troupe_config_reloads_total",
        "Reloads of the configuration, by outcome."
    );
    describe_counter!(
        "troupe_log_rows_dropped_total",
        "Rows of the request log that were dropped."
    );
    describe_counter!(
        "troupe_log_bodies_dropped_total",
        "Requests whose bodies were to be kept and are not, by why: memory, queue, day, store."
    );
    describe_gauge!(
        "troupe_log_bodies_held_bytes",
        "Memory of bodies that are captured and not yet written."
    );
    describe_counter!(
        "troupe_audit_rows_total",
        "Lines of the audit trail that this process wrote."
    );
    describe_counter!(
        "troupe_audit_notes_aggregated_total",
        "Lines of the audit trail that became part of a count, because there were too many at once."
    );
    describe_gauge!(
        "troupe_audit_rows_unmirrored",
        "Lines of the audit trail that the store does not have yet."
    );
    describe_gauge!(
        "troupe_audit_broken",
        "1 while the audit trail cannot be written."
    );
    describe_gauge!(
        "troupe_audit_damaged",
        "1 when the audit trail was not whole at the start."
    );
    describe_gauge!(
        "troupe_store_up",
        "1 when the store's server answered, the last time it was asked."
    );
    describe_gauge!(
        "troupe_store_rows_unsaved",
        "Rows held in memory until the store's server takes them."
    );
    describe_counter!(
        "troupe_store_failures_total",
        "Calls that the store's server did not answer, or refused."
    );
    describe_gauge!(
        "troupe_spool_bytes",
        "Traffic records on this node's disk that the store's server was not told yet."
    );
    describe_counter!(
        "troupe_spool_lost_total",
        "Batches of traffic records that found no room on this node's disk, or could not be told from there."
    );
    describe_gauge!(
        "troupe_account_state",
        "1 for the state that an account is in."
    );
    describe_gauge!(
        "troupe_actor_mailbox_depth",
        "Asks that wait in an actor, by kind."
    );
    describe_counter!(
        "troupe_actor_restarts_total",
        "Machines rebuilt after a panic."
    );
    describe_gauge!("troupe_cluster_nodes", "Live nodes, this one included.");
    describe_gauge!("troupe_build_info", "The running version.");
}
