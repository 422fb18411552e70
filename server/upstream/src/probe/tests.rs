use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::USER_AGENT;

const SECRET: &str = "sk-very-secret";

struct Asked {
    scheme: Scheme,
    secret: &'static str,
    kind: ProbeKind,
    models: BTreeMap<String, String>,
}

impl Asked {
    fn read(scheme: Scheme) -> Self {
        Self {
            scheme,
            secret: SECRET,
            kind: ProbeKind::Read,
            models: BTreeMap::new(),
        }
    }

    fn message(models: &[&str]) -> Self {
        let named = |name: &&str| (format!("own-{name}"), (*name).to_owned());
        Self {
            kind: ProbeKind::Message,
            models: models.iter().map(named).collect(),
            ..Self::read(Scheme::XApiKey)
        }
    }

    async fn of(&self, network: &Network, base: &str) -> Probe {
        let credential = Credential {
            scheme: self.scheme,
            secret: self.secret.into(),
        };
        let request = ProbeRequest {
            network,
            base: &BaseUrl::parse(base).unwrap(),
            credential: &credential,
            headers: &BTreeMap::from([("x-extra".to_owned(), "1".to_owned())]),
            kind: self.kind,
            models: &self.models,
        };
        let found = Prober.probe(request).await;
        assert!(!format!("{request:?} {found:?}").contains(SECRET));
        found
    }
}

/// One probe against these replies, each on its connection: what was found, and what was sent.
async fn probe(asked: Asked, replies: &[String]) -> (Probe, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/p/", listener.local_addr().unwrap());
    let serve = async {
        let mut sent = Vec::new();
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !is_whole(&read) {
                stream.read_buf(&mut read).await.unwrap();
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            sent.push(String::from_utf8(read).unwrap());
        }
        sent
    };
    let network = Network::direct();
    tokio::join!(asked.of(&network, &base), serve)
}

fn is_whole(read: &[u8]) -> bool {
    let body = read.starts_with(b"POST");
    read.ends_with(if body { &b"}"[..] } else { b"\r\n\r\n" })
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nlocation: /other\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn the_question() {
    for (scheme, line) in [
        (Scheme::XApiKey, "x-api-key: sk-very-secret\r\n"),
        (Scheme::Bearer, "authorization: Bearer sk-very-secret\r\n"),
    ] {
        let (found, sent) = probe(Asked::read(scheme), &[answer("200 OK", "{}")]).await;
        assert!(matches!(found, Probe::Ok { said, .. } if said == "status 200"));
        let head = &sent[0];
        assert!(
            head.starts_with("GET /p/v1/models?limit=1 HTTP/1.1\r\n"),
            "{head}"
        );
        let agent = format!("user-agent: {USER_AGENT}\r\n");
        for line in [
            line,
            "anthropic-version: 2023-06-01\r\n",
            "x-extra: 1\r\n",
            &agent,
        ] {
            assert!(head.contains(line), "{head}");
        }
    }
}

#[tokio::test]
async fn the_answer() {
    let said = format!(r#"{{"error":{{"message":"invalid key {SECRET}"}}}}"#);
    for status in [401, 402, 403] {
        let replies = [answer(&format!("{status} No"), &said)];
        for asked in [Asked::read(Scheme::XApiKey), Asked::message(&["a"])] {
            let (found, _) = probe(asked, &replies).await;
            let message = "invalid key …".to_owned();
            assert_eq!(found, Probe::Rejected { status, message });
        }
    }
    for status in [
        "302 Found",
        "400 Bad",
        "404 Not Found",
        "429 Slow",
        "500 Oops",
        "529 Full",
    ] {
        let (found, _) = probe(Asked::read(Scheme::XApiKey), &[answer(status, &said)]).await;
        assert!(matches!(found, Probe::Inconclusive { .. }), "{status}");
    }
    let nonsense = ["nonsense\r\n\r\n".to_owned()];
    let (found, _) = probe(Asked::read(Scheme::XApiKey), &nonsense).await;
    assert!(matches!(found, Probe::Inconclusive { .. }));
}

#[tokio::test]
async fn the_smallest_message() {
    let list = answer(
        "200 OK",
        r#"{"data":[{"id":"x-unknown"},{"id":"claude-opus-4-5","more":1},{"id":"claude-haiku-4-5"},{"id":"claude-sonnet-4-5"}]}"#,
    );
    let said = format!(
        r#"{{"model":"claude-haiku-4-5","content":[{{"type":"thinking"}},{{"type":"text","text":"Hi {SECRET}"}}]}}"#
    );
    let replies = [list.clone(), answer("200 OK", &said)];
    let (found, sent) = probe(Asked::message(&[]), &replies).await;
    assert!(matches!(found, Probe::Ok { said, .. } if said == "claude-haiku-4-5: Hi …"));
    assert!(sent[0].starts_with("GET /p/v1/models?limit=1000 HTTP/1.1\r\n"));
    let message = &sent[1];
    assert!(message.starts_with("POST /p/v1/messages HTTP/1.1\r\n"));
    assert!(message.contains("x-extra: 1\r\n") && message.contains("x-api-key: "));
    assert!(
        message.contains(r#""model":"claude-haiku-4-5""#) && message.contains(r#""max_tokens":1"#)
    );

    // Without a list the account's own names serve.
    let none = answer("404 Not Found", "{}");
    let replies = [none.clone(), answer("200 OK", "{}")];
    let (found, sent) = probe(Asked::message(&["own-model"]), &replies).await;
    assert!(matches!(found, Probe::Ok { said, .. } if said == "own-model: no text"));
    assert!(sent[1].contains(r#""model":"own-model""#));

    let refusal = r#"{"error":{"message":"credit balance is too low"}}"#;
    for (replies, text) in [
        (vec![none], "status 404 "),
        (
            vec![answer("200 OK", r#"{"data":[]}"#)],
            "the upstream lists no model",
        ),
        (
            vec![answer("200 OK", "<html>")],
            "the upstream lists no model",
        ),
        (
            vec![list.clone(), answer("400 Bad", refusal)],
            "status 400 credit balance is too low",
        ),
        (
            vec![list, answer("200 OK", "<html>")],
            "claude-haiku-4-5 answered 200, but not with",
        ),
    ] {
        let (found, _) = probe(Asked::message(&[]), &replies).await;
        assert!(
            matches!(&found, Probe::Inconclusive { message } if message.starts_with(text)),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for (asked, proxy, text) in [
        (
            Asked {
                secret: "line\nbreak",
                ..Asked::read(Scheme::Bearer)
            },
            None,
            "the credential has characters that no header can carry",
        ),
        (
            Asked::read(Scheme::Cookie),
            None,
            "a cookie is for the web surface only",
        ),
        (Asked::read(Scheme::Bearer), None, "cannot connect"),
        (Asked::message(&["m"]), Some("http"), "cannot connect"),
        (Asked::message(&["m"]), Some("socks5h"), "cannot connect"),
    ] {
        let proxy = proxy.map(|scheme| base.replace("http:", &format!("{scheme}:")).into());
        let network = Network::new(proxy.as_ref(), None).unwrap();
        let found = asked.of(&network, &base).await;
        assert!(
            matches!(&found, Probe::Inconclusive { message } if message.starts_with(text)),
            "{found:?}"
        );
    }
}
