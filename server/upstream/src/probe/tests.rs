use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::USER_AGENT;

const SECRET: &str = "sk-very-secret";

/// One probe against this reply: what was found, and the head that was sent.
async fn probe(auth: AuthScheme, reply: &str) -> (Probe, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/p/", listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut head).await.unwrap();
        }
        stream.write_all(reply.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let (prober, network) = (Prober, Network::direct());
    let base = BaseUrl::parse(&base).unwrap();
    let secret = SecretString::from(SECRET);
    let extra = BTreeMap::from([("x-extra".to_owned(), "1".to_owned())]);
    let found = tokio::join!(prober.probe(&network, &base, auth, &secret, &extra), serve);
    assert!(!format!("{prober:?} {:?}", found.0).contains(SECRET));
    found
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nlocation: /other\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_question() {
    for (auth, line) in [
        (AuthScheme::XApiKey, "x-api-key: sk-very-secret\r\n"),
        (
            AuthScheme::Bearer,
            "authorization: Bearer sk-very-secret\r\n",
        ),
    ] {
        let (found, head) = probe(auth, &answer("200 OK", "{}")).await;
        assert!(matches!(found, Probe::Ok { .. }));
        assert!(
            head.starts_with("GET /p/v1/models?limit=1 HTTP/1.1\r\n"),
            "{head}"
        );
        for line in [line, "anthropic-version: 2023-06-01\r\n", "x-extra: 1\r\n"] {
            assert!(head.contains(line), "{head}");
        }
        assert!(
            head.contains(&format!("user-agent: {USER_AGENT}\r\n")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn the_answer() {
    let said = format!(r#"{{"error":{{"message":"invalid key {SECRET}"}}}}"#);
    for status in [401, 402, 403] {
        let (found, _) = probe(AuthScheme::XApiKey, &answer(&format!("{status} No"), &said)).await;
        let message = "invalid key …".to_owned();
        assert_eq!(found, Probe::Rejected { status, message });
    }
    for status in [
        "302 Found",
        "400 Bad",
        "404 Not Found",
        "429 Slow",
        "500 Oops",
        "529 Full",
    ] {
        let (found, _) = probe(AuthScheme::XApiKey, &answer(status, &said)).await;
        assert!(matches!(found, Probe::Inconclusive { .. }), "{status}");
    }
    let (found, _) = probe(AuthScheme::XApiKey, "nonsense\r\n\r\n").await;
    assert!(matches!(found, Probe::Inconclusive { .. }));
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let base = BaseUrl::parse(&base).unwrap();
    let secret = SecretString::from("line\nbreak");
    let found = Prober
        .probe(
            &Network::direct(),
            &base,
            AuthScheme::Bearer,
            &secret,
            &BTreeMap::new(),
        )
        .await;
    let message = "the credential has characters that no header can carry".to_owned();
    assert_eq!(found, Probe::Inconclusive { message });
    let secret = SecretString::from(SECRET);
    let found = Prober
        .probe(
            &Network::direct(),
            &base,
            AuthScheme::Bearer,
            &secret,
            &BTreeMap::new(),
        )
        .await;
    assert!(
        matches!(found, Probe::Inconclusive { message } if message.starts_with("cannot connect"))
    );
}
