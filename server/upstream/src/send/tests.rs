//! Over real sockets: each test is also the upstream.

use std::time::{Duration, Instant};

use actix_http::{
    header::{self, HeaderName, HeaderValue},
    uri::PathAndQuery,
};
use bytes::Bytes;
use futures_util::StreamExt as _;

use self::upstream::{Peer, Upstream};
use super::*;
use crate::{base_url::BaseUrl, client::Settings, error::BodyError};

mod bodies;
mod connections;
mod early;
mod faults;
mod proxies;
pub(crate) mod proxy;
pub(crate) mod tls;
pub(crate) mod upstream;

const PROMPT: Duration = Duration::from_millis(100);

fn client() -> UpstreamClient {
    UpstreamClient::new(Settings::default())
}

fn request(base: &str, method: Method, body: Body) -> UpstreamRequest {
    let path = PathAndQuery::from_static("/v1/messages?beta=true");
    UpstreamRequest {
        method,
        target: BaseUrl::parse(base).unwrap().join(&path).unwrap(),
        headers: HeaderLines::default(),
        body,
        network: Network::direct(),
        owner: crate::headers::Owner::Account,
    }
}

fn post(base: &str) -> UpstreamRequest {
    request(base, Method::POST, Body::Bytes(Bytes::from_static(b"{}")))
}

async fn read_all(answer: UpstreamAnswer) -> Result<Vec<u8>, BodyError> {
    let mut body = answer.body;
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        read.extend_from_slice(&chunk?);
    }
    Ok(read)
}

/// Waits until so many bytes lie unread in the client's socket.
async fn arrived(answer: &UpstreamAnswer, bytes: usize) {
    let tcp = answer.body.tcp().unwrap();
    let mut seen = vec![0; bytes];
    while tcp.peek(&mut seen).await.unwrap() < bytes {
        tokio::task::yield_now().await;
    }
}

/// One exchange: the upstream reads the request and replies with these bytes.
async fn exchange(
    client: &UpstreamClient,
    upstream: &Upstream,
    reply: &[u8],
) -> (Result<UpstreamAnswer, SendError>, Peer) {
    let serve = async {
        let mut peer = upstream.accept().await;
        peer.request().await;
        peer.write(reply).await;
        peer
    };
    tokio::join!(send(client, post(&upstream.base)), serve)
}
