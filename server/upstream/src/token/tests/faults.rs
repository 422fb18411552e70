use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use troupe_mock::Scenario;

use super::*;

/// What the fault says of the grant's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NotSent,
    Refused,
    Busy(Option<u64>),
    Unknown,
    Misconfigured,
}

fn fate(fault: &TokenFault) -> Fate {
    match fault {
        TokenFault::NotSent(_) => Fate::NotSent,
        TokenFault::Refused { .. } => Fate::Refused,
        TokenFault::Busy { retry_after_ms } => Fate::Busy(*retry_after_ms),
        TokenFault::Unknown(_) => Fate::Unknown,
        TokenFault::Misconfigured(_) => Fate::Misconfigured,
    }
}

#[tokio::test]
async fn every_fault_of_the_endpoint_by_one_request() {
    for (fault, expected, generation) in [
        ("500", Fate::Unknown, 1),
        ("500_after", Fate::Unknown, 2),
        ("503", Fate::Unknown, 1),
        ("503_after", Fate::Unknown, 2),
        ("429", Fate::Busy(None), 1),
        ("429_retry_7", Fate::Busy(Some(7_000)), 1),
        ("429_retry_1555200", Fate::Busy(Some(3_600_000)), 1),
        ("429_retry_soon", Fate::Busy(None), 1),
        ("invalid_grant", Fate::Refused, 1),
        ("html", Fate::Unknown, 1),
        ("html_after", Fate::Unknown, 2),
        ("redirect", Fate::Unknown, 1),
        ("redirect_after", Fate::Unknown, 2),
        ("huge", Fate::Unknown, 2),
        ("no_access_token", Fate::Unknown, 2),
        ("cut", Fate::Unknown, 2),
        ("reset", Fate::Unknown, 1),
        ("reset_after", Fate::Unknown, 2),
        ("close", Fate::Unknown, 1),
        ("close_after", Fate::Unknown, 2),
        ("not_http", Fate::Unknown, 1),
    ] {
        let server = mock().await;
        seed(&server);
        let endpoint = endpoint(&server, &format!("app~{fault}"));
        let got = exchange(&endpoint, refresh()).await.unwrap_err();
        assert_eq!(fate(&got), expected, "{fault}: {got}");
        let counted = facts(&server);
        assert_eq!(
            (counted.spends, counted.generation),
            (1, generation),
            "{fault}"
        );
        assert_eq!(server.journal().len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_and_a_late_one_is_unknown() {
    let server = mock().await;
    seed(&server);
    assert!(
        exchange(&endpoint(&server, "app~slow_100"), refresh())
            .await
            .is_ok()
    );
    for fault in ["slow_20000", "hang_after"] {
        seed(&server);
        let endpoint = endpoint(&server, &format!("app~{fault}"));
        let limit = Duration::from_secs(1);
        let late = exchange_within(&http(), &endpoint, refresh(), limit)
            .await
            .unwrap_err();
        assert!(
            matches!(&late, TokenFault::Unknown(said) if said.contains("timed out")),
            "{late}"
        );
        // The refresh was done, and nobody here knows its successor.
        let oauth = server.oauth();
        let done = oauth.wait_for(|families| families[0].generation == 2);
        done.await.unwrap();
        assert_eq!(facts(&server).spends, 1, "{fault}");
    }
}

#[tokio::test]
async fn where_nothing_was_sent_nothing_was_spent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let short = Duration::from_millis(300);
    let to = |url: String| TokenEndpoint::new(EndpointUrl::parse(&url).unwrap());

    // A listener that never speaks TLS: the connection is there, the request is not.
    let tls = to(format!("https://{place}/token"));
    let fault = exchange_within(&http(), &tls, refresh(), short)
        .await
        .unwrap_err();
    assert_eq!(fate(&fault), Fate::NotSent, "{fault}");

    drop(listener);
    for url in [
        format!("http://{place}/token"),
        format!("https://{place}/token"),
        // No such name (RFC 6761 §6.4).
        "https://token.invalid/".to_owned(),
    ] {
        let fault = exchange(&to(url.clone()), refresh()).await.unwrap_err();
        assert_eq!(fate(&fault), Fate::NotSent, "{url}: {fault}");
        assert!(!fault.to_string().contains("/token"), "{fault}");
    }

    let server = mock().await;
    let mut wrong = endpoint(&server, "app");
    wrong.extra = [("refresh_token".to_owned(), "x".to_owned())].into();
    let fault = exchange(&wrong, refresh()).await.unwrap_err();
    assert_eq!(fate(&fault), Fate::Misconfigured);
    assert!(server.journal().is_empty());
}

/// One connection that is answered with these bytes and closed; the rest of the requests are refused a connection.
async fn raw(answer: Vec<u8>) -> TokenFault {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(REFRESH) {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        }
        stream.write_all(&answer).await.unwrap();
    };
    let endpoint = TokenEndpoint::new(EndpointUrl::parse(&url).unwrap());
    let (got, ()) = tokio::join!(exchange(&endpoint, refresh()), serve);
    got.unwrap_err()
}

#[tokio::test]
async fn an_endpoint_that_repeats_the_secret_or_breaks_the_protocol() {
    let said = format!(
        r#"{{"error":"invalid_grant","error_description":"{REFRESH} {} was spent"}}"#,
        &REFRESH[..20]
    );
    let answer = |status: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    };
    let fault = raw(answer("400 Bad Request", &said)).await;
    let TokenFault::Refused { description, .. } = &fault else {
        panic!("{fault}");
    };
    assert_eq!(description.as_deref(), Some("… … was spent"));
    let fault = raw(answer("500 Oops", &said)).await;
    assert!(
        fault.is_unknown() && !fault.to_string().contains("rt-very"),
        "{fault}"
    );
    for bytes in [
        b"".to_vec(),
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access_token\":\"x\"}".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{\"access_token\":\"x\"}\r\n"
            .to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
        answer("200 OK", "\u{feff}{}"),
        vec![0xff; 300],
    ] {
        let fault = raw(bytes.clone()).await;
        assert_eq!(
            fate(&fault),
            Fate::Unknown,
            "{:?}: {fault}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[tokio::test]
async fn a_script_answers_one_request_and_no_second_is_made() {
    let server = mock().await;
    seed(&server);
    server.script([Scenario::named("token_reset").unwrap()]);
    let endpoint = endpoint(&server, "app");
    let http = http();
    // A connection that served before is not used again: its reset would be repeated by the client.
    for _ in 0..3 {
        let _ = http
            .get(format!("{}/v1/models", server.url()))
            .send()
            .await
            .unwrap();
    }
    let fault = super::super::exchange(&http, &endpoint, refresh())
        .await
        .unwrap_err();
    assert_eq!(fate(&fault), Fate::Unknown);
    assert_eq!((facts(&server).spends, server.scripted()), (1, 0));
}
