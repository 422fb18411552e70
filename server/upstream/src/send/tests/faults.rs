//! What goes wrong, and how it is told.

use super::*;
use crate::error::{ConnectFault, Fate};

#[actix_rt::test]
async fn nobody_listens() {
    let upstream = Upstream::start().await;
    let base = upstream.base.clone();
    drop(upstream);
    let err = send(&client(), post(&base)).await.unwrap_err();
    assert!(
        matches!(err, SendError::Connect(ConnectFault::Io(_))),
        "{err:?}"
    );
    assert_eq!(err.fate(), Fate::NotSent);
    let err = send(&client(), post("http://nobody.invalid"))
        .await
        .unwrap_err();
    assert!(
        matches!(err, SendError::Connect(ConnectFault::Name(_))),
        "{err:?}"
    );
}

#[actix_rt::test]
async fn a_reset_says_whether_the_connection_was_reused() {
    let (client, upstream) = (client(), Upstream::start().await);
    let (answer, mut peer) = exchange(
        &client,
        &upstream,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    read_all(answer.unwrap()).await.unwrap();
    let serve = async move {
        peer.request().await;
        drop(peer);
    };
    let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
    let err = answer.unwrap_err();
    assert_eq!(err, SendError::ResetBeforeHead { reused: true });
    assert_eq!(err.retry(), crate::Retry::SameAccountOnce);

    // Closed in order, and with a reset.
    for linger in [None, Some(Duration::ZERO)] {
        let serve = async {
            let mut peer = upstream.accept().await;
            peer.request().await;
            if linger.is_some() {
                socket2::SockRef::from(&peer.stream)
                    .set_linger(linger)
                    .unwrap();
            }
        };
        let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
        let err = answer.unwrap_err();
        assert_eq!(err, SendError::ResetBeforeHead { reused: false });
        assert_eq!(err.fate(), Fate::Unknown);
    }
}

#[actix_rt::test]
async fn an_answer_cut_short_is_an_error() {
    for (reply, read) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"[..], "ok"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", "ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok", "ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nok\r\n0\r\n", "ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", ""),
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let (answer, peer) = exchange(&client, &upstream, reply).await;
        drop(peer);
        let mut body = answer.unwrap().body;
        let mut got = Vec::new();
        let err = loop {
            match body.next().await {
                Some(Ok(chunk)) => got.extend_from_slice(&chunk),
                Some(Err(err)) => break err,
                None => panic!("ended as if whole: {}", String::from_utf8_lossy(reply)),
            }
        };
        assert_eq!((got.as_slice(), err), (read.as_bytes(), BodyError::Truncated));
        assert!(body.next().await.is_none());
    }
}

#[actix_rt::test]
async fn whole_answers_whose_connection_ends_are_whole() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let (answer, peer) = exchange(&client, &upstream, reply).await;
        drop(peer);
        assert_eq!(read_all(answer.unwrap()).await.unwrap(), b"ok");
    }
}

#[actix_rt::test]
async fn answers_that_would_blend_with_the_next_are_refused() {
    for reply in [
        &b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let (answer, mut peer) = exchange(&client, &upstream, reply).await;
        let err = answer.unwrap_err();
        assert!(matches!(err, SendError::InvalidResponse(_)), "{err:?}");
        // Nothing of it is left for the next request, though it comes late.
        let next = async {
            let mut other = upstream.accept().await;
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nleak")
                .await;
            other.request().await;
            other
                .write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine")
                .await;
            other
        };
        let (answer, _other) = tokio::join!(send(&client, post(&upstream.base)), next);
        let answer = answer.unwrap();
        assert!(!answer.reused);
        assert_eq!(read_all(answer).await.unwrap(), b"mine");
    }
}

#[actix_rt::test]
async fn what_comes_behind_an_answer_ends_its_connection() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP",
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP",
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let (answer, mut peer) = exchange(&client, &upstream, reply).await;
        read_all(answer.unwrap()).await.unwrap();
        assert!(peer.closed().await < PROMPT);
    }
}

#[actix_rt::test]
async fn a_broken_framing_is_malformed() {
    let (client, upstream) = (client(), Upstream::start().await);
    let reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nno\r\n";
    let (answer, mut peer) = exchange(&client, &upstream, reply).await;
    let mut body = answer.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "ok");
    let err = body.next().await.unwrap().unwrap_err();
    assert_eq!(err, BodyError::Malformed);
    assert!(body.next().await.is_none());
    assert!(peer.closed().await < PROMPT);
}

#[actix_rt::test]
async fn an_upload_is_as_long_as_was_said() {
    for said in [2, 9] {
        let (client, upstream) = (client(), Upstream::start().await);
        let pieces = futures_util::stream::iter([Ok(Bytes::from_static(b"first"))]);
        let body = Body::Stream {
            stream: Box::pin(pieces),
            length: Some(said),
        };
        let err = send(&client, request(&upstream.base, Method::POST, body))
            .await
            .unwrap_err();
        assert!(matches!(err, SendError::RequestBody(_)), "{err:?}");
    }
}

#[actix_rt::test]
async fn what_is_no_answer() {
    for reply in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbroken",
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let serve = async {
            let mut peer = upstream.accept().await;
            peer.request().await;
            peer.write(reply).await;
        };
        let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
        let err = answer.unwrap_err();
        assert!(matches!(err, SendError::InvalidResponse(_)), "{err:?}");
    }
}

#[actix_rt::test]
async fn redirects_are_answers() {
    let (client, upstream) = (client(), Upstream::start().await);
    let reply = format!(
        "HTTP/1.1 307 Go\r\nlocation: {}/else\r\ncontent-length: 0\r\n\r\n",
        upstream.base
    );
    let (answer, _peer) = exchange(&client, &upstream, reply.as_bytes()).await;
    assert_eq!(answer.unwrap().status, StatusCode::TEMPORARY_REDIRECT);
    assert!(upstream.is_quiet());
}

#[actix_rt::test]
async fn a_failing_upload_is_the_clients_fault() {
    let (client, upstream) = (client(), Upstream::start().await);
    let broken =
        futures_util::stream::iter([Ok(Bytes::from_static(b"first")), Err("client left".into())]);
    let body = Body::Stream {
        stream: Box::pin(broken),
        length: Some(10),
    };
    let serve = async {
        let mut peer = upstream.accept().await;
        peer.closed().await
    };
    let (answer, took) = tokio::join!(
        send(&client, request(&upstream.base, Method::POST, body)),
        serve
    );
    assert_eq!(
        answer.unwrap_err(),
        SendError::RequestBody("client left".into())
    );
    assert!(took < PROMPT);
}
