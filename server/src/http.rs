//! The HTTP listener and its product settings.
//!
//! Invariant: a client that leaves is noticed at once (`h1_allow_half_closed(false)`), small writes are not delayed,
//! a peer that is gone does not hold a connection (`TCP_USER_TIMEOUT`), and only HTTP/1.1 is spoken.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};

use crate::gateway::Gateway;
use crate::routes;
use crate::worker::Worker;

const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// For the request's head: slower is answered 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// For a client to read an answer to a body it has not finished sending.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Unacknowledged for this long, a connection is dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);
const MAX_CONNECTIONS: usize = 25_000;

/// Starts the workers on `listener`.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    gateway: &Arc<Gateway>,
    listener: TcpListener,
    threads: usize,
) -> std::io::Result<Server> {
    let gateway = Arc::clone(gateway);
    let server = HttpServer::new(move || {
        let worker = Worker::start(Arc::clone(&gateway));
        App::new().default_service(web::to(move |request, payload| {
            routes::edge(std::rc::Rc::clone(&worker), request, payload)
        }))
    })
    .workers(threads)
    .max_connections(MAX_CONNECTIONS)
    .backlog(2_048)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    .on_connect(|connection, _| {
        if let Some(stream) = connection.downcast_ref::<TcpStream>() {
            let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(DEAD_AFTER));
        }
    })
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?;
    Ok(server.run())
}

/// Serves Prometheus text to everyone on a port of its own.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_metrics(gateway: &Arc<Gateway>, listener: TcpListener) -> std::io::Result<Server> {
    let gateway = Arc::clone(gateway);
    let server = HttpServer::new(move || {
        let gateway = Arc::clone(&gateway);
        App::new().route(
            "/metrics",
            web::get().to(move || std::future::ready(gateway.metrics_text())),
        )
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?;
    Ok(server.run())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_size<A, B, C, F, R>(_: F) -> usize
    where
        F: Fn(A, B, C) -> R,
    {
        size_of::<R>()
    }

    /// actix-web boxes the handler's future for each request: what it holds is allocated each time.
    #[test]
    fn the_future_of_a_request_stays_small() {
        let size = future_size(routes::edge);
        assert!(size <= 4_096, "{size} bytes");
    }
}
