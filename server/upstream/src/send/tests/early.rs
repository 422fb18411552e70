//! What comes before the answer, or before the request was sent.

use tokio::io::AsyncReadExt as _;

use super::*;

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// More than the buffers of both sockets hold.
const LARGE: usize = 32 * 1024 * 1024;

fn large() -> Body {
    Body::Bytes(vec![b'x'; LARGE].into())
}

fn endless() -> Body {
    let first = futures_util::stream::once(async { Ok(Bytes::from_static(b"first")) });
    Body::Stream {
        stream: Box::pin(first.chain(futures_util::stream::pending())),
        length: None,
    }
}

#[actix_rt::test]
async fn interim_answers_are_passed_over() {
    let (client, upstream) = (client(), Upstream::start().await);
    let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let (answer, mut peer) = exchange(&client, &upstream, &[interim, WHOLE].concat()).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers.get_all(&header::LINK).count(), 0);
    assert_eq!(read_all(answer).await.unwrap(), b"ok");
    // Also when the answer comes after they were read.
    client.shared().scratch.borrow_mut().fill(0);
    let serve = async {
        peer.request().await;
        peer.write(interim).await;
        while !client.shared().scratch.borrow().starts_with(interim) {
            tokio::task::yield_now().await;
        }
        peer.write(WHOLE).await;
    };
    let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
    let answer = answer.unwrap();
    assert!(answer.reused);
    assert_eq!(read_all(answer).await.unwrap(), b"ok");
    // Nothing is known of a request whose answer had begun.
    let serve = async {
        peer.request().await;
        peer.write(interim).await;
        drop(peer);
    };
    let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
    let err = answer.unwrap_err();
    assert!(matches!(err, SendError::InvalidResponse(_)), "{err:?}");
}

#[actix_rt::test]
async fn a_refusal_ends_the_upload() {
    for (body, closes) in [(large(), false), (endless(), false), (large(), true)] {
        let (client, upstream) = (client(), Upstream::start().await);
        let serve = async {
            let mut peer = upstream.accept().await;
            peer.stream.read_u8().await.unwrap();
            peer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
                .await;
            // With much unread: the other side sees a reset.
            (!closes).then_some(peer)
        };
        let sending = send(&client, request(&upstream.base, Method::POST, body));
        let (answer, peer) = tokio::join!(sending, serve);
        let answer = answer.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        if let Some(mut peer) = peer {
            assert_eq!(read_all(answer).await.unwrap(), b"no");
            assert!(peer.closed().await < Duration::from_secs(1));
        }
        // Its connection carries nothing else.
        let (answer, _peer) = exchange(&client, &upstream, WHOLE).await;
        assert!(!answer.unwrap().reused);
    }
}

#[actix_rt::test]
async fn an_early_success_waits_for_the_upload() {
    let (client, upstream) = (client(), Upstream::start().await);
    let serve = async {
        let mut peer = upstream.accept().await;
        peer.stream.read_u8().await.unwrap();
        peer.write(WHOLE).await;
        let mut rest = vec![0; LARGE];
        peer.stream.read_exact(&mut rest).await.unwrap();
        peer
    };
    let sending = send(&client, request(&upstream.base, Method::POST, large()));
    let (answer, mut peer) = tokio::join!(sending, serve);
    assert_eq!(read_all(answer.unwrap()).await.unwrap(), b"ok");
    // Sent to its end, so the connection is fit for another.
    let head_rest = peer.stream.read(&mut [0; 4096]).await.unwrap();
    assert!(head_rest > 0);
    let serve = async {
        peer.request().await;
        peer.write(WHOLE).await;
    };
    let (answer, ()) = tokio::join!(send(&client, post(&upstream.base)), serve);
    assert!(answer.unwrap().reused);
}

#[actix_rt::test]
async fn head_and_small_body_leave_together() {
    let (client, upstream) = (client(), Upstream::start().await);
    let serve = async {
        let mut peer = upstream.accept().await;
        let mut first = [0; 64 * 1024];
        let count = peer.stream.read(&mut first).await.unwrap();
        assert!(first[..count].ends_with(b"\r\n\r\n{}"));
        peer.write(WHOLE).await;
        peer
    };
    let (answer, _peer) = tokio::join!(send(&client, post(&upstream.base)), serve);
    answer.unwrap();
}
