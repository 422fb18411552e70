//! What is outside `/v1`: health, metrics, the probes of clients, the way to the admin.
//!
//! Invariant: no answer here needs a credential, and none tells more than names of checks and their states; metrics go
//! to loopback only, and not through a proxy that stands there.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use troupe_admin_api::{CheckState, Health, Readiness, ReadyState};

use troupe_core::account::Want;
use troupe_storage::StoreHealth;

use crate::error::Problem;
use crate::gateway::{Gateway, Phase};
use crate::pipeline::{Exchange, answer};
use crate::plan::Plan;
use crate::spa;

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4";

/// Answers a path that is not below `/v1`.
pub(super) fn answer(
    mut exchange: Box<Exchange>,
    request: &HttpRequest,
    path: &str,
    plan: &Plan,
) -> HttpResponse {
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/" if request.method() == Method::HEAD => {
            answer::whole(&mut exchange, StatusCode::OK, JSON, "")
        }
        "/" if read => {
            let mut response = answer::whole(&mut exchange, StatusCode::FOUND, "text/plain", "");
            response
                .headers_mut()
                .insert(LOCATION, HeaderValue::from_static("/admin"));
            response
        }
        "/api/hello" if read => answer::whole(&mut exchange, StatusCode::OK, JSON, ""),
        "/healthz" | "/health" if read => {
            let health = Health::ok(env!("CARGO_PKG_VERSION"));
            json(&mut exchange, StatusCode::OK, &health, plan)
        }
        "/readyz" if read => {
            let (status, readiness) = readiness(&exchange.worker.gateway);
            json(&mut exchange, status, &readiness, plan)
        }
        "/metrics" if read && plan.metrics => metrics(exchange, request, plan),
        "/" | "/api/hello" | "/healthz" | "/health" | "/readyz" | "/metrics" if !read => {
            answer::problem(&mut exchange, &Problem::Method { allow: "GET, HEAD" }, plan)
        }
        _ if read && spa::is_below(path) => spa::answer(&mut exchange, request, path, plan),
        _ => answer::problem(
            &mut exchange,
            &Problem::NotFound("no such path".into()),
            plan,
        ),
    }
}

/// State of the process, and the status that says it.
#[must_use]
pub fn readiness(gateway: &Gateway) -> (StatusCode, Readiness) {
    let checks = BTreeMap::from([
        ("accounts".into(), accounts_state(gateway)),
        ("store".into(), store_state(gateway)),
        ("audit".into(), audit_state(gateway)),
    ]);
    let all_well = checks.values().all(|state| *state == CheckState::Ok);
    let status = match gateway.phase() {
        Phase::Starting => ReadyState::Starting,
        _ if gateway.directory.tree().is_lost() => ReadyState::Draining,
        Phase::Ready if all_well => ReadyState::Ready,
        Phase::Ready => ReadyState::Degraded,
        Phase::Draining | Phase::Stopping => ReadyState::Draining,
    };
    let code = if status.serves() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Readiness { status, checks })
}

/// Degraded while its server is away: requests go on, and what they leave is told later.
fn store_state(gateway: &Gateway) -> CheckState {
    let well = |store: &Arc<StoreHealth>| {
        store.is_up() && store.spooled_bytes() == 0 && store.dirty_rows() == 0
    };
    match &gateway.store {
        Some(store) if !well(store) => CheckState::Degraded,
        _ => CheckState::Ok,
    }
}

/// Degraded while the trail cannot be written: operations are refused, requests go on.
fn audit_state(gateway: &Gateway) -> CheckState {
    match gateway.audit.figures().is_broken {
        true => CheckState::Degraded,
        false => CheckState::Ok,
    }
}

fn accounts_state(gateway: &Gateway) -> CheckState {
    let accounts = gateway.directory.accounts();
    let want = Want {
        is_message: true,
        web: gateway.plan.load().web.is_some(),
        unix_ms: gateway.directory.clock().now().unix_ms,
        ..Want::default()
    };
    match accounts
        .iter()
        .filter(|a| a.view.load().fit(&want).is_ok())
        .count()
    {
        0 => CheckState::Failed,
        usable if usable < accounts.len() => CheckState::Degraded,
        _ => CheckState::Ok,
    }
}

/// Loopback only. A request that a proxy on this machine forwards comes from loopback too, and says so.
fn metrics(mut exchange: Box<Exchange>, request: &HttpRequest, plan: &Plan) -> HttpResponse {
    let local = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip", "via"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    if !local || forwarded {
        let problem = Problem::Forbidden(
            "metrics are for this machine only; telemetry.metrics.bind opens a port of its own"
                .into(),
        );
        return answer::problem(&mut exchange, &problem, plan);
    }
    let text = exchange.worker.gateway.metrics_text();
    answer::whole(&mut exchange, StatusCode::OK, PROMETHEUS, text)
}

fn json(
    exchange: &mut Exchange,
    status: StatusCode,
    value: &impl serde::Serialize,
    plan: &Plan,
) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(body) => answer::whole(exchange, status, JSON, body),
        Err(error) => answer::problem(exchange, &Problem::Store(error.to_string()), plan),
    }
}
