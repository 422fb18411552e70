//! The client-facing door: which path is what, and who may come in.
//!
//! One handler takes every request that is not the admin's, so that paths are matched once, decoded and normalised, and
//! the order of checks is the contract's: credential, size, path and method, JSON, model, limits.
//!
//! Invariant: nothing below `/v1` is answered to an unknown key, not even that it does not exist.

mod count_tokens;
mod messages;
mod models;
mod ops;
mod relay;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::{ConnectionType, Method};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use troupe_actors::key::KeyEntry;
use troupe_core::key::KeyRecord;
use troupe_core::record::Route;
use troupe_wire::path;

use crate::error::Problem;
use crate::gateway::Phase;
use crate::pipeline::capture::Capture;
use crate::pipeline::{Exchange, address, answer, body, key, noted};
use crate::plan::Plan;
use crate::worker::Worker;

/// A request below `/v1` with a good key.
pub(crate) struct Call<'a> {
    /// In a box: it is handed on through every layer, and each would keep a copy of it.
    pub exchange: Box<Exchange>,
    pub request: &'a HttpRequest,
    /// Taken by whoever reads it.
    pub payload: Option<Payload>,
    pub entry: Arc<KeyEntry>,
    /// It goes up with the caller's own credential.
    pub own: bool,
    pub plan: Arc<Plan>,
    /// Normalised.
    pub path: &'a str,
}

impl Call<'_> {
    /// The size of the body is checked before path and method.
    pub fn size_first(&self, other: Problem) -> Problem {
        let limit_bytes = self.plan.body_limit_bytes;
        match body::declared_length(self.request.headers()) {
            Some(length) if length > limit_bytes => Problem::BodyTooLarge { limit_bytes },
            _ => other,
        }
    }

    /// Answers with an error of the gateway's own.
    pub fn fail(mut self, problem: &Problem) -> HttpResponse {
        answer::problem(&mut self.exchange, problem, &self.plan)
    }
}

/// Takes any request. While the process drains, its connection is the client's last one here.
pub async fn edge(worker: Rc<Worker>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let gateway = Arc::clone(&worker.gateway);
    let mut response = route(worker, request, payload).await;
    if gateway.phase() >= Phase::Draining {
        // Not as a header: actix writes this one itself.
        response
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    response
}

async fn route(worker: Rc<Worker>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let plan = worker.gateway.plan.load_full();
    let permit = worker.gateway.load.enter();
    let full = permit.is_none();
    let mut exchange = Box::new(Exchange::begin(Rc::clone(&worker), Route::Other, permit));
    if full {
        return answer::problem(&mut exchange, &Problem::Overloaded("requests"), &plan);
    }
    let path = match path::normalise(request.uri().path()) {
        Ok(path) => path,
        Err(error) => return refuse_path(exchange, &request, &plan, &error.to_string()),
    };
    if path == "/v1" || path.starts_with("/v1/") {
        return below_v1(exchange, &request, payload, &path, plan).await;
    }
    ops::answer(exchange, &request, &path, &plan)
}

fn refuse_path(
    mut exchange: Box<Exchange>,
    request: &HttpRequest,
    plan: &Plan,
    why: &str,
) -> HttpResponse {
    let admitted = key::identify(&exchange.worker.gateway, request.headers(), plan)
        .and_then(|caller| address::check(request, &caller.entry.record(), plan));
    let problem = match admitted {
        Err(problem) if request.uri().path().starts_with("/v1") => {
            noted::sign_in_failed(&exchange, request, plan, &problem);
            problem
        }
        _ => Problem::NotFound(why.to_owned()),
    };
    answer::problem(&mut exchange, &problem, plan)
}

async fn below_v1(
    mut exchange: Box<Exchange>,
    request: &HttpRequest,
    payload: Payload,
    path: &str,
    plan: Arc<Plan>,
) -> HttpResponse {
    let identified = key::identify(&exchange.worker.gateway, request.headers(), &plan);
    let key::Caller { entry, own } = match identified {
        Ok(caller) => caller,
        Err(problem) => {
            noted::sign_in_failed(&exchange, request, &plan, &problem);
            return answer::problem(&mut exchange, &problem, &plan);
        }
    };
    if let Err(problem) = known(&mut exchange, request, &entry.record(), &plan) {
        return answer::problem(&mut exchange, &problem, &plan);
    }
    let payload = Some(payload);
    let call = Call {
        exchange,
        request,
        payload,
        entry,
        own,
        plan,
        path,
    };
    let method = request.method();
    match path {
        "/v1/messages" => {
            when(
                method == Method::POST,
                "POST",
                Route::Messages,
                call,
                messages::answer,
            )
            .await
        }
        "/v1/messages/count_tokens" => {
            when(
                method == Method::POST,
                "POST",
                Route::CountTokens,
                call,
                count_tokens::answer,
            )
            .await
        }
        "/v1/models" => {
            when(
                is_read(method),
                "GET, HEAD",
                Route::Models,
                call,
                models::list,
            )
            .await
        }
        _ if models::is_one(path) => {
            when(
                is_read(method),
                "GET, HEAD",
                Route::Models,
                call,
                models::one,
            )
            .await
        }
        _ => relay::answer(call).await,
    }
}

/// Whose request it is is known: the row says so, and the key may have to be used from somewhere else.
fn known(
    exchange: &mut Exchange,
    request: &HttpRequest,
    key: &KeyRecord,
    plan: &Plan,
) -> Result<(), Problem> {
    exchange.is_of(key);
    let captured = Capture::begin(
        &exchange.worker,
        plan,
        &exchange.record,
        key,
        request.headers(),
    );
    exchange.capture(captured);
    address::check(request, key, plan)
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Calls the route's handler, or says which method the path takes.
async fn when<'a, F: Future<Output = HttpResponse>>(
    right: bool,
    allow: &'static str,
    route: Route,
    mut call: Call<'a>,
    handler: impl FnOnce(Call<'a>) -> F,
) -> HttpResponse {
    call.exchange.record.route = route;
    if right {
        return handler(call).await;
    }
    let problem = call.size_first(Problem::Method { allow });
    call.fail(&problem)
}
