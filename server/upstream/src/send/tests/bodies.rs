//! What goes over the wire, byte for byte, in both directions.

use std::io::Write as _;

use super::*;

#[actix_rt::test]
async fn the_head_is_what_was_given() {
    let (client, upstream) = (client(), Upstream::start().await);
    let mut sent = request(
        &format!("{}/prefix/", upstream.base),
        Method::POST,
        Body::Bytes(Bytes::from_static(b"{\"a\" :1}")),
    );
    for value in ["a", "b , c"] {
        sent.headers.append(
            &HeaderName::from_static("anthropic-beta"),
            &HeaderValue::from_static(value),
        );
    }
    // Framing is never the caller's.
    for name in [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
    ] {
        sent.headers.append(&name, &HeaderValue::from_static("7"));
    }
    let serve = async {
        let mut peer = upstream.accept().await;
        let request = peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
        request
    };
    let (answer, (head, body)) = tokio::join!(send(&client, sent), serve);
    answer.unwrap();
    let host = upstream.base.trim_start_matches("http://");
    let expected = format!(
        "POST /prefix/v1/messages?beta=true HTTP/1.1\r\nhost: {host}\r\nanthropic-beta: a\r\n\
         anthropic-beta: b , c\r\ncontent-length: 8\r\n\r\n"
    );
    assert_eq!(head, expected);
    assert_eq!(body, b"{\"a\" :1}");
}

#[actix_rt::test]
async fn request_bodies_arrive_whole() {
    let large: Bytes = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let stream = |of: &Bytes| {
        let pieces: Vec<_> = of
            .chunks(7_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Box::pin(futures_util::stream::iter(pieces))
    };
    for (body, framing) in [
        (Body::Bytes(large.clone()), "content-length: 300000"),
        (
            Body::Stream {
                stream: stream(&large),
                length: Some(300_000),
            },
            "content-length: 300000",
        ),
        (
            Body::Stream {
                stream: stream(&large),
                length: None,
            },
            "transfer-encoding: chunked",
        ),
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let serve = async {
            let mut peer = upstream.accept().await;
            let request = peer.request().await;
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
            request
        };
        let sent = request(&upstream.base, Method::PUT, body);
        let (answer, (head, body)) = tokio::join!(send(&client, sent), serve);
        answer.unwrap();
        assert!(head.contains(framing), "{head}");
        if framing.starts_with("content") {
            assert_eq!(body, large);
        } else {
            assert!(body.len() > large.len());
        }
    }
}

#[actix_rt::test]
async fn methods_without_bodies() {
    for (method, body, reply) in [
        (
            Method::GET,
            &b"ok"[..],
            &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..],
        ),
        (
            Method::HEAD,
            b"",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
        ),
        (Method::DELETE, b"", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let (client, upstream) = (client(), Upstream::start().await);
        let serve = async {
            let mut peer = upstream.accept().await;
            let (head, _) = peer.request().await;
            peer.write(reply).await;
            assert!(
                !head.contains("content-length") && !head.contains("transfer-encoding"),
                "{head}"
            );
            peer
        };
        let sent = request(&upstream.base, method, Body::Empty);
        let (answer, _peer) = tokio::join!(send(&client, sent), serve);
        assert_eq!(read_all(answer.unwrap()).await.unwrap(), body);
    }
}

#[actix_rt::test]
async fn an_encoded_answer_is_decoded() {
    let plain = b"event: ping\ndata: {}\n\n".repeat(500);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&plain).unwrap();
    let zlib = zlib.finish().unwrap();
    for (coding, coded) in [("gzip", &gzip), ("deflate", &zlib)] {
        let (client, upstream) = (client(), Upstream::start().await);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            coded.len()
        );
        let (answer, _peer) =
            exchange(&client, &upstream, &[head.as_bytes(), coded].concat()).await;
        let answer = answer.unwrap();
        assert!(answer.headers.is_empty());
        assert_eq!(answer.facts.content_length, None);
        assert_eq!(read_all(answer).await.unwrap(), plain);

        let (client, upstream) = (self::client(), Upstream::start().await);
        let cut = &coded[..coded.len() / 2];
        let (answer, peer) = exchange(&client, &upstream, &[head.as_bytes(), cut].concat()).await;
        drop(peer);
        assert_eq!(
            read_all(answer.unwrap()).await.unwrap_err(),
            BodyError::Truncated
        );
    }
    let (client, upstream) = (client(), Upstream::start().await);
    let unknown = b"HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: 2\r\n\r\nok";
    let (answer, _peer) = exchange(&client, &upstream, unknown).await;
    assert!(matches!(answer.unwrap_err(), SendError::InvalidResponse(_)));
}

#[actix_rt::test]
async fn chunks_are_handed_over_as_they_come() {
    let (client, upstream) = (client(), Upstream::start().await);
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let (answer, mut peer) = exchange(&client, &upstream, head).await;
    let mut answer = answer.unwrap();
    assert!(answer.facts.is_event_stream());
    for text in ["one", "two"] {
        peer.write(format!("3\r\n{text}\r\n").as_bytes()).await;
        let started = Instant::now();
        assert_eq!(answer.body.next().await.unwrap().unwrap(), text);
        assert!(started.elapsed() < PROMPT);
    }
    peer.write(b"0\r\n\r\n").await;
    assert!(answer.body.next().await.is_none());
    assert!(answer.body.next().await.is_none());
}

#[actix_rt::test]
async fn a_burst_comes_in_one_piece() {
    let (client, upstream) = (client(), Upstream::start().await);
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let (answer, mut peer) = exchange(&client, &upstream, head).await;
    let burst = b"10\r\nevent: x\ndata: \n\r\n".repeat(64);
    peer.write(&burst).await;
    let answer = answer.unwrap();
    arrived(&answer, burst.len()).await;
    let mut body = answer.body;
    assert_eq!(body.next().await.unwrap().unwrap().len(), 64 * 16);
}

#[actix_rt::test]
async fn a_large_answer_comes_whole() {
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut coded = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in large.chunks(7_000) {
        write!(coded, "{:x}\r\n", piece.len()).unwrap();
        coded.extend_from_slice(piece);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    let mut sized = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    sized.extend_from_slice(&large);
    let mut closed = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    closed.extend_from_slice(&large);
    for reply in [coded, sized, closed] {
        let (client, upstream) = (client(), Upstream::start().await);
        let serve = async {
            let mut peer = upstream.accept().await;
            peer.request().await;
            peer.write(&reply).await;
        };
        let read = async { read_all(send(&client, post(&upstream.base)).await.unwrap()).await };
        let (got, ()) = tokio::join!(read, serve);
        assert!(got.unwrap() == large);
    }
}
