//! What happens to the connection.

use super::*;

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[actix_rt::test]
async fn a_fully_read_answer_leaves_its_connection_for_the_next() {
    let (client, upstream) = (client(), Upstream::start().await);
    let (answer, mut peer) = exchange(&client, &upstream, WHOLE).await;
    let answer = answer.unwrap();
    assert!(!answer.reused);
    assert_eq!(read_all(answer).await.unwrap(), b"ok");
    for reply in [
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"[..],
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
        WHOLE,
    ] {
        let serve = async {
            peer.request().await;
            peer.write(reply).await;
        };
        let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
        let answer = answer.unwrap();
        assert!(answer.reused);
        read_all(answer).await.unwrap();
    }
    assert!(upstream.is_quiet());
}

#[actix_rt::test]
async fn a_dropped_answer_closes_its_connection_at_once() {
    for begun in [
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        // Also one whose end has arrived but was not read.
        WHOLE,
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let (answer, mut peer) = exchange(&client, &upstream, begun).await;
        let mut answer = answer.unwrap();
        assert_eq!(answer.body.next().await.unwrap().unwrap(), "ok");
        drop(answer);
        let took = peer.closed().await;
        assert!(took < PROMPT, "{took:?}");
        let (answer, _peer) = exchange(&client, &upstream, WHOLE).await;
        assert!(!answer.unwrap().reused);
    }
}

#[actix_rt::test]
async fn a_dropped_request_closes_its_connection_at_once() {
    let (client, upstream) = (client(), Upstream::start().await);
    let mut sending = Box::pin(send(&client, post(&upstream.base)));
    let serve = async {
        let mut peer = upstream.accept().await;
        peer.request().await;
        peer
    };
    let mut peer = tokio::select! {
        _ = &mut sending => panic!("answered"),
        peer = serve => peer,
    };
    drop(sending);
    let took = peer.closed().await;
    assert!(took < PROMPT, "{took:?}");
}

#[actix_rt::test]
async fn a_dropped_upload_closes_its_connection_at_once() {
    let (client, upstream) = (client(), Upstream::start().await);
    let endless = futures_util::stream::once(async { Ok(Bytes::from_static(b"first")) })
        .chain(futures_util::stream::pending());
    let body = Body::Stream {
        stream: Box::pin(endless),
        length: None,
    };
    let mut sending = Box::pin(send(&client, request(&upstream.base, Method::POST, body)));
    let serve = async {
        let mut peer = upstream.accept().await;
        while !peer.unread.ends_with(b"5\r\nfirst\r\n") {
            peer.more().await;
        }
        peer
    };
    let mut peer = tokio::select! {
        _ = &mut sending => panic!("answered"),
        peer = serve => peer,
    };
    drop(sending);
    let took = peer.closed().await;
    assert!(took < PROMPT, "{took:?}");
}

#[actix_rt::test]
async fn a_connection_the_upstream_closed_is_not_used() {
    let (client, upstream) = (client(), Upstream::start().await);
    let (answer, peer) = exchange(&client, &upstream, WHOLE).await;
    read_all(answer.unwrap()).await.unwrap();
    drop(peer);
    // The end of file is in the socket before the next request looks at it.
    while client.shared().pool.borrow_mut().counts() != (1, 0) {
        tokio::task::yield_now().await;
    }
    let (answer, _peer) = exchange(&client, &upstream, WHOLE).await;
    assert!(!answer.unwrap().reused);
}

#[actix_rt::test]
async fn an_idle_connection_grows_too_old() {
    let settings = Settings {
        idle: Duration::ZERO,
        ..Settings::default()
    };
    let (client, upstream) = (UpstreamClient::new(settings), Upstream::start().await);
    let (answer, mut peer) = exchange(&client, &upstream, WHOLE).await;
    read_all(answer.unwrap()).await.unwrap();
    let (answer, _peer) = exchange(&client, &upstream, WHOLE).await;
    assert!(!answer.unwrap().reused);
    assert!(peer.closed().await < PROMPT);
}

#[actix_rt::test]
async fn connections_are_not_capped() {
    const MANY: usize = 150;
    let (client, upstream) = (client(), Upstream::start().await);
    let serve = async {
        let mut peers = Vec::new();
        for _ in 0..MANY {
            peers.push(upstream.accept().await);
        }
        for peer in &mut peers {
            peer.request().await;
            peer.write(WHOLE).await;
        }
        peers
    };
    let sending = (0..MANY).map(|_| send(&client, post(&upstream.base)));
    let (answers, _peers) = tokio::join!(futures_util::future::join_all(sending), serve);
    assert!(
        answers
            .into_iter()
            .all(|answer| answer.is_ok_and(|answer| !answer.reused))
    );
}
