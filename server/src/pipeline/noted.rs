//! What a request that was kept out leaves in the audit trail.
//!
//! Invariant: nothing here waits, and nothing that is noted is a secret: of a key that is not known only how it would be
//! shown.

use actix_web::HttpRequest;
use troupe_core::limit::Why;

use super::exchange::Exchange;
use super::{address, key};
use crate::audit::Exceeded;
use crate::error::{Problem, Refusal};
use crate::plan::Plan;

fn id(exchange: &Exchange) -> String {
    String::from_utf8_lossy(&exchange.id().text()).into_owned()
}

/// The caller has no key that may be used.
pub fn sign_in_failed(exchange: &Exchange, request: &HttpRequest, plan: &Plan, problem: &Problem) {
    if !matches!(problem, Problem::Credential(_)) {
        return;
    }
    let gateway = &exchange.worker.gateway;
    let prefix = key::shown(gateway, request.headers());
    let remote = address::remote(request, plan).map(|address| address.to_string());
    let at_ms = exchange.record.at_ms;
    let audit = &gateway.audit;
    audit.sign_in_failed(at_ms, prefix.as_deref(), remote.as_deref(), id(exchange));
}

/// A limit has nothing left for the caller in its window. What only reservations keep out has not exceeded it.
pub(super) fn quota_exceeded(exchange: &Exchange, refusal: &Refusal) {
    let short = refusal.shortage();
    if !matches!(short.why, Why::Spent | Why::TooLittle) {
        return;
    }
    let gateway = &exchange.worker.gateway;
    let entry = exchange
        .record
        .key
        .and_then(|id| gateway.directory.key_by_id(id));
    let record = entry.as_ref().map(|entry| entry.record());
    let exceeded = Exceeded {
        key: exchange.record.key,
        name: record.as_ref().map(|record| record.name.as_str()),
        limit_id: short.scope.limit_id(short.models.as_ref(), short.name),
        limit: short.name.to_string(),
        scope: &short.label,
        capacity: short.capacity,
        used: short.used,
        end_ms: short.span.end_ms,
        request_id: id(exchange),
    };
    gateway
        .audit
        .quota_exceeded(exchange.record.at_ms, &exceeded);
}
