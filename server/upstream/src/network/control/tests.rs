use std::{error::Error, iter};

use super::*;
use crate::send::tests::{
    proxy::{Misdeed, TestProxy},
    tls::Secure,
    upstream::Upstream,
};

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn network(proxy: &str, ca_pem: Option<&str>) -> Network {
    let proxy = proxy.to_owned().into();
    Network::new(Some(&proxy), ca_pem.map(str::as_bytes)).unwrap()
}

/// What the error says, with all its causes.
fn said(err: &reqwest::Error) -> String {
    let first: Option<&dyn Error> = err.source();
    let causes = iter::successors(first, |&err| err.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    format!("{err}: {} {err:?}", texts.join(": "))
}

#[actix_rt::test]
async fn it_goes_by_the_same_proxy_and_roots() {
    let secure = Secure::offering(&["http/1.1"]).await;
    let tls = Some(secure.acceptor.clone());
    let basic = Some("dXNlcjpwQHNz");
    for (proxy, scheme) in [
        (TestProxy::connect(basic, None).await, "http"),
        (TestProxy::connect(basic, tls).await, "https"),
        (TestProxy::socks(Some("user:p@ss")).await, "socks5"),
        (TestProxy::socks(Some("user:p@ss")).await, "socks5h"),
    ] {
        let place = proxy.place.replace("127.0.0.1", "localhost");
        let own = network(
            &format!("{scheme}://user:p%40ss@{place}"),
            Some(&secure.ca_pem),
        );
        let client = own.control_client().unwrap();
        let serve = async {
            let mut peer = secure.accept().await;
            let (head, _) = peer.request().await;
            peer.write(WHOLE).await;
            head
        };
        let asking = client.get(&secure.base).send();
        let (answer, head) = tokio::join!(asking, serve);
        assert_eq!(answer.unwrap().status(), 200, "{scheme}");
        assert!(
            head.contains(&format!("user-agent: {USER_AGENT}\r\n")),
            "{head}"
        );
        assert!(!head.contains("proxy-"), "{head}");
        assert_eq!(proxy.seen().len(), 1, "{scheme}");

        let wrong = network(
            &format!("{scheme}://user:wr%40ng@{place}"),
            Some(&secure.ca_pem),
        );
        let asking = wrong.control_client().unwrap().get(&secure.base).send();
        let said = said(&asking.await.unwrap_err());
        assert!(
            !said.contains("wr@ng") && !said.contains("wr%40ng"),
            "{said}"
        );
    }
}

#[actix_rt::test]
async fn only_a_ca_that_was_given_is_trusted() {
    let (secure, other) = (Secure::start().await, Secure::start().await);
    let serve = async {
        secure
            .acceptor
            .accept(secure.upstream.accept().await.stream)
            .await
    };
    let own = Network::new(None, Some(other.ca_pem.as_bytes())).unwrap();
    let asking = own.control_client().unwrap().get(&secure.base).send();
    let (answer, shaken) = tokio::join!(asking, serve);
    assert!(answer.is_err() && shaken.is_err());
}

#[actix_rt::test]
async fn a_proxy_that_says_nonsense_is_an_error() {
    let proxy = TestProxy::connect(None, None).await;
    proxy.next_is(Misdeed::SaysLast(b"SSH-2.0-x\r\n".to_vec()));
    let own = network(&format!("http://{}", proxy.place), None);
    let asking = own
        .control_client()
        .unwrap()
        .get("https://h.example/")
        .send();
    assert!(asking.await.unwrap_err().is_connect());
}

#[actix_rt::test]
async fn redirects_are_answers_and_nothing_is_kept_open() {
    let upstream = Upstream::start().await;
    let client = Network::direct().control_client().unwrap();
    let serve = async {
        let mut peer = upstream.accept().await;
        peer.request().await;
        let reply = format!(
            "HTTP/1.1 302 Found\r\nlocation: {}/else\r\ncontent-length: 0\r\n\r\n",
            upstream.base
        );
        peer.write(reply.as_bytes()).await;
        peer
    };
    let (answer, mut peer) = tokio::join!(client.get(&upstream.base).send(), serve);
    assert_eq!(answer.unwrap().status(), 302);
    peer.closed().await;
    assert!(upstream.is_quiet());
}
