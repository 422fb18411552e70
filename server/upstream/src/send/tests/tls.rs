//! The same over TLS.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::ring};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

pub(crate) struct Secure {
    pub(crate) upstream: Upstream,
    pub(crate) acceptor: TlsAcceptor,
    client: UpstreamClient,
    network: Network,
    pub(crate) base: String,
    pub(crate) ca_pem: String,
}

impl Secure {
    pub(crate) async fn start() -> Self {
        Self::offering(&["h2", "http/1.1"]).await
    }

    pub(crate) async fn offering(protocols: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let ca_pem = crate::network::tests::pem("CERTIFICATE", made.cert.der());
        let upstream = Upstream::start().await;
        let base = upstream
            .base
            .replace("http://127.0.0.1", "https://localhost");
        Self {
            upstream,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            client: client(),
            network: Network::new(None, Some(ca_pem.as_bytes())).unwrap(),
            base,
            ca_pem,
        }
    }

    pub(crate) async fn accept(&self) -> Peer<TlsStream<TcpStream>> {
        let tcp = self.upstream.accept().await.stream;
        let stream = self.acceptor.accept(tcp).await.unwrap();
        Peer {
            stream,
            unread: Vec::new(),
        }
    }

    fn post(&self) -> UpstreamRequest {
        UpstreamRequest {
            network: self.network.clone(),
            ..post(&self.base)
        }
    }

    async fn exchange(&self, reply: &[u8]) -> (UpstreamAnswer, Peer<TlsStream<TcpStream>>) {
        let serve = async {
            let mut peer = self.accept().await;
            peer.request().await;
            peer.write(reply).await;
            peer
        };
        let (answer, peer) = tokio::join!(send(&self.client, self.post()), serve);
        (answer.unwrap(), peer)
    }
}

#[actix_rt::test]
async fn http_1_is_spoken_and_connections_are_reused() {
    let secure = Secure::start().await;
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (answer, mut peer) = secure.exchange(reply).await;
    assert_eq!(
        peer.stream.get_ref().1.alpn_protocol(),
        Some(&b"http/1.1"[..])
    );
    assert_eq!(read_all(answer).await.unwrap(), b"ok");
    let serve = async {
        peer.request().await;
        peer.write(reply).await;
    };
    let (answer, ()) = tokio::join!(send(&secure.client, secure.post()), serve);
    assert!(answer.unwrap().reused);
}

#[actix_rt::test]
async fn a_dropped_answer_closes_at_once() {
    let secure = Secure::start().await;
    let (answer, mut peer) = secure
        .exchange(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    drop(answer);
    let took = peer.closed().await;
    assert!(took < PROMPT, "{took:?}");
}

#[actix_rt::test]
async fn truncation_is_seen_behind_an_orderly_goodbye_too() {
    for orderly in [true, false] {
        let secure = Secure::start().await;
        let reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
        let (answer, mut peer) = secure.exchange(reply).await;
        if orderly {
            peer.stream.shutdown().await.unwrap();
        }
        drop(peer);
        assert_eq!(
            read_all(answer).await.unwrap_err(),
            BodyError::Truncated,
            "{orderly}"
        );
    }
}

#[actix_rt::test]
async fn an_end_with_the_connection_is_whole() {
    let secure = Secure::start().await;
    let reply = b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let (answer, mut peer) = secure.exchange(reply).await;
    peer.stream.shutdown().await.unwrap();
    drop(peer);
    assert_eq!(read_all(answer).await.unwrap(), b"ok");
}

#[actix_rt::test]
async fn resets_of_reused_connections_are_told() {
    let secure = Secure::start().await;
    let (answer, mut peer) = secure
        .exchange(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    read_all(answer).await.unwrap();
    let serve = async move {
        peer.request().await;
        peer.stream.shutdown().await.unwrap();
    };
    let (answer, ()) = tokio::join!(send(&secure.client, secure.post()), serve);
    assert_eq!(
        answer.unwrap_err(),
        SendError::ResetBeforeHead { reused: true }
    );
}

#[actix_rt::test]
async fn an_unknown_certificate_is_refused() {
    let (secure, other) = (Secure::start().await, Secure::start().await);
    let serve = async {
        let tcp = secure.upstream.accept().await.stream;
        assert!(secure.acceptor.accept(tcp).await.is_err());
    };
    let strange = UpstreamRequest {
        network: other.network.clone(),
        ..secure.post()
    };
    let (answer, ()) = tokio::join!(send(&other.client, strange), serve);
    let err = answer.unwrap_err();
    assert!(matches!(err, SendError::Tls(_)), "{err:?}");
}

#[actix_rt::test]
async fn no_tls_on_the_other_side() {
    let secure = Secure::start().await;
    let serve = async {
        let mut peer = secure.upstream.accept().await;
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let (answer, ()) = tokio::join!(send(&secure.client, secure.post()), serve);
    let err = answer.unwrap_err();
    assert!(matches!(err, SendError::Tls(_)), "{err:?}");
}

#[actix_rt::test]
async fn large_bodies_and_bursts() {
    /// What TLS 1.3 adds to a piece: the record's head, its type and its tag (RFC 8446 §5.2).
    const RECORD_BYTES: usize = 5 + 1 + 16;
    let secure = Secure::start().await;
    let large: Bytes = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let serve = async {
        let mut peer = secure.accept().await;
        let (_, body) = peer.request().await;
        assert!(body == large);
        peer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        peer
    };
    let sent = UpstreamRequest {
        body: Body::Bytes(large.clone()),
        ..secure.post()
    };
    let (answer, mut peer) = tokio::join!(send(&secure.client, sent), serve);
    let answer = answer.unwrap();
    let event = b"10\r\nevent: x\ndata: \n\r\n";
    // Each in a record of its own.
    for _ in 0..64 {
        peer.write(event).await;
    }
    arrived(&answer, 64 * (event.len() + RECORD_BYTES)).await;
    let mut body = answer.body;
    let (mut pieces, mut bytes) = (0, 0);
    while bytes < 64 * 16 {
        bytes += body.next().await.unwrap().unwrap().len();
        pieces += 1;
    }
    assert!(pieces <= 4, "{pieces}");
    peer.write(b"0\r\n\r\n").await;
    assert!(body.next().await.is_none());
}
