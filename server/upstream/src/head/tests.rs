use proptest::prelude::*;

use super::*;

fn read(input: &[u8]) -> Result<Option<(Head, Bytes)>, HeadError> {
    HeadReader::default().feed(input)
}

/// As if each byte came alone.
fn drip(input: &[u8]) -> Result<Option<(Head, Bytes)>, HeadError> {
    let mut reader = HeadReader::default();
    for (at, byte) in input.iter().enumerate() {
        if let Some((head, rest)) = reader.feed(&[*byte])? {
            assert!(rest.is_empty());
            return Ok(Some((head, Bytes::copy_from_slice(&input[at + 1..]))));
        }
    }
    Ok(None)
}

fn with(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n").into_bytes()
}

#[test]
fn framings_are_read() {
    use Framing::{Chunked, Length};
    for (lines, framing, keep_alive) in [
        ("", None, true),
        ("content-length: 0\r\n", Some(Length(0)), true),
        ("Content-Length:  12 \r\n", Some(Length(12)), true),
        (
            "content-length: 5, 5\r\ncontent-length: 5\r\n",
            Some(Length(5)),
            true,
        ),
        (
            "content-length: 18446744073709551615\r\n",
            Some(Length(u64::MAX)),
            true,
        ),
        ("transfer-encoding: chunked\r\n", Some(Chunked), true),
        ("Transfer-Encoding: Chunked\r\n", Some(Chunked), true),
        ("connection: close\r\n", None, false),
        (
            "connection: keep-alive, Close\r\ncontent-length: 1\r\n",
            Some(Length(1)),
            false,
        ),
        ("connection: x-close\r\n", None, true),
    ] {
        for read in [read(&with(lines)), drip(&with(lines))] {
            let (head, _) = read.unwrap().unwrap();
            assert_eq!(
                (head.framing, head.keep_alive),
                (framing, keep_alive),
                "{lines}"
            );
            assert_eq!(head.close_delimits, !keep_alive, "{lines}");
        }
    }
}

#[test]
fn http_1_0_closes_unless_it_says_otherwise() {
    for (lines, keep_alive) in [
        ("", false),
        ("content-length: 2\r\n", false),
        ("connection: keep-alive\r\ncontent-length: 2\r\n", true),
        ("connection: keep-alive, close\r\n", false),
    ] {
        let input = format!("HTTP/1.0 200 OK\r\n{lines}\r\n");
        let (head, _) = read(input.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (head.keep_alive, head.close_delimits),
            (keep_alive, true),
            "{lines}"
        );
    }
}

#[test]
fn two_readings_of_the_bodys_end_are_an_error() {
    for lines in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 1, 2\r\n",
        "content-length: \r\n",
        "content-length: +5\r\n",
        "content-length: -5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "content-length: 5,\r\n",
        "content-length: 1e3\r\n",
        "content-length: 18446744073709551616\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding:\x0bchunked\r\n",
        "transfer-encoding: \"chunked\"\r\n",
        "transfer-encoding: chunked;q=1\r\n",
        // Names and lines that another reader may take for a header.
        "content-length : 5\r\n",
        "content-length: 5\r\n transfer-encoding: chunked\r\n",
        " content-length: 5\r\n",
        "x: a\r\n\tb\r\n",
        "x: a\rcontent-length: 5\r\n",
        "x\0: a\r\n",
        "x: a\0b\r\n",
        "no colon\r\n",
        ": no name\r\n",
    ] {
        assert!(read(&with(lines)).is_err(), "{lines:?}");
        assert!(drip(&with(lines)).is_err(), "{lines:?}");
    }
    let old = b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert!(read(old).is_err());
}

#[test]
fn what_is_no_head() {
    for input in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        "<html>\r\n\r\n",
    ] {
        assert!(read(input.as_bytes()).is_err(), "{input:?}");
        assert!(drip(input.as_bytes()).is_err(), "{input:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let near = with(&format!("x: {}\r\n", "a".repeat(HEAD_MAX_BYTES - 100)));
    assert!(read(&near).unwrap().is_some());
    let over = with(&format!("x: {}\r\n", "a".repeat(HEAD_MAX_BYTES)));
    assert_eq!(read(&over).unwrap_err(), HeadError::TooLarge);
    let mut reader = HeadReader::default();
    let endless = (0..100).try_for_each(|_| reader.feed(&[b'\n'; 1024]).map(|_| ()));
    assert_eq!(endless.unwrap_err(), HeadError::TooLarge);
    let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(HEAD_MAX_BYTES / 20);
    assert_eq!(read(&interim).unwrap_err(), HeadError::TooLarge);
    for (count, fits) in [(120, true), (200, false)] {
        let lines: String = (0..count).map(|at| format!("x-{at}: {at}\r\n")).collect();
        assert_eq!(read(&with(&lines)).is_ok(), fits, "{count}");
    }
    // A body is no part of it.
    let mut large = with("content-length: 100000\r\n");
    large.extend(vec![b'b'; 100_000]);
    assert_eq!(read(&large).unwrap().unwrap().1.len(), 100_000);
}

#[test]
fn a_body_behind_204_is_a_contradiction() {
    for (line, contradicts) in [
        ("", false),
        ("content-length: 0\r\n", false),
        ("content-length: 5\r\n", true),
        ("transfer-encoding: chunked\r\n", true),
    ] {
        let input = format!("HTTP/1.1 204 No Content\r\n{line}\r\n");
        let (head, _) = read(input.as_bytes()).unwrap().unwrap();
        assert_eq!(head.contradicts_itself(), contradicts, "{line}");
    }
}

const WHOLE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
    HTTP/1.1 429 Slow Down\r\nX-A: one\r\nx-a:\r\nx-b: t\xf6o \r\ncontent-length: 4\r\n\r\nbody";

proptest! {
    #[test]
    fn cuts_change_nothing(mut cuts in prop::collection::vec(0..=WHOLE.len(), 0..6)) {
        cuts.push(WHOLE.len());
        cuts.sort_unstable();
        let mut reader = HeadReader::default();
        let (mut start, mut found) = (0, None);
        for cut in cuts {
            match &mut found {
                None => found = reader.feed(&WHOLE[start..cut]).unwrap(),
                Some((_, rest)) => *rest = [&rest[..], &WHOLE[start..cut]].concat().into(),
            }
            start = cut;
        }
        let (head, rest) = found.unwrap();
        prop_assert_eq!(head.status, StatusCode::TOO_MANY_REQUESTS);
        let values: Vec<_> = head.headers.get_all(&HeaderName::from_static("x-a")).map(HeaderValue::as_bytes).collect();
        prop_assert_eq!(values, [&b"one"[..], b""]);
        let x_b = HeaderName::from_static("x-b");
        prop_assert_eq!(head.headers.get_all(&x_b).next().unwrap().as_bytes(), b"t\xf6o");
        prop_assert_eq!(head.headers.get_all(&actix_http::header::LINK).count(), 0);
        prop_assert_eq!(&rest[..], b"body");
    }

    #[test]
    fn nothing_makes_it_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&input);
        let _ = read(&[b"HTTP/1.1 200 OK\r\n", &input[..]].concat());
        let _ = drip(&[b"HTTP/1.1 200 OK\r\n", &input[..], b"\r\n\r\n"].concat());
    }
}
