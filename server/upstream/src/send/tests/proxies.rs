//! By way of a proxy, over TCP and TLS.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    proxy::{Misdeed, TestProxy},
    tls::Secure,
    *,
};
use crate::error::{ConnectFault, Fate};

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const PAIR: &str = "user:p@ss/w";
/// The same as it stands in a URL.
const IN_URL: &str = "user:p%40ss%2Fw@";

fn basic() -> &'static str {
    // base64 of `PAIR`, checked below.
    "dXNlcjpwQHNzL3c="
}

fn network(proxy: &str, ca_pem: Option<&str>) -> Network {
    Network::new(Some(&proxy.to_owned().into()), ca_pem.map(str::as_bytes)).unwrap()
}

fn by(network: &Network, base: &str) -> UpstreamRequest {
    UpstreamRequest {
        network: network.clone(),
        ..post(base)
    }
}

/// The fault of a proxy, which names it and not its credential; nothing was sent.
async fn fault(client: &UpstreamClient, request: UpstreamRequest, proxy: &TestProxy) -> String {
    let err = send(client, request).await.unwrap_err();
    assert_eq!(err.fate(), Fate::NotSent);
    assert_eq!(err.retry(), crate::Retry::NextAccountAfterPause);
    for part in ["user", "p@ss", "p%40", basic()] {
        let shown = format!("{err:?} {err}").replace("user and password", "");
        assert!(!shown.contains(part), "{shown}");
    }
    match err {
        SendError::Connect(ConnectFault::Proxy {
            proxy: label,
            fault,
        }) => {
            assert!(label.ends_with(&proxy.place), "{label}");
            fault
        }
        other => panic!("{other:?}"),
    }
}

/// Of each kind, with its URL up to the credential.
async fn each_kind(secure: &Secure) -> Vec<(TestProxy, String)> {
    assert_eq!(BASE64_STANDARD.encode(PAIR), basic());
    let tls = Some(secure.acceptor.clone());
    let mut all = Vec::new();
    for (proxy, scheme) in [
        (TestProxy::connect(Some(basic()), None).await, "http"),
        (TestProxy::connect(Some(basic()), tls).await, "https"),
        (TestProxy::socks(Some(PAIR)).await, "socks5"),
        (TestProxy::socks(Some(PAIR)).await, "socks5h"),
    ] {
        let place = proxy.place.replace("127.0.0.1", "localhost");
        let url = format!("{scheme}://{IN_URL}{place}");
        all.push((proxy.at(place), url));
    }
    all
}

#[actix_rt::test]
async fn plain_and_secure_upstreams_by_each_kind() {
    let secure = Secure::start().await;
    for (proxy, url) in each_kind(&secure).await {
        let (client, network) = (client(), network(&url, Some(&secure.ca_pem)));
        let upstream = Upstream::start().await;
        let mut peer = None;
        for reused in [false, true] {
            let serve = async {
                let mut own = match peer.take() {
                    Some(peer) => peer,
                    None => upstream.accept().await,
                };
                own.request().await;
                own.write(WHOLE).await;
                peer = Some(own);
            };
            let (answer, ()) = tokio::join!(send(&client, by(&network, &upstream.base)), serve);
            let answer = answer.unwrap();
            assert_eq!(answer.reused, reused, "{url}");
            assert_eq!(read_all(answer).await.unwrap(), b"ok");
        }
        let mut peer = None;
        for reused in [false, true] {
            let serve = async {
                let mut own = match peer.take() {
                    Some(peer) => peer,
                    None => secure.accept().await,
                };
                let (head, _) = own.request().await;
                assert!(!head.contains("proxy-"), "{head}");
                own.write(WHOLE).await;
                peer = Some(own);
            };
            let (answer, ()) = tokio::join!(send(&client, by(&network, &secure.base)), serve);
            let answer = answer.unwrap();
            assert_eq!(answer.reused, reused, "{url}");
            assert_eq!(read_all(answer).await.unwrap(), b"ok");
        }
        assert_eq!(proxy.seen().len(), 2, "{url}");
        // Who resolved the name?
        let asked = proxy.seen().pop().unwrap();
        assert_eq!(
            asked.contains("localhost"),
            !url.starts_with("socks5:"),
            "{asked}"
        );
    }
}

#[actix_rt::test]
async fn a_large_exchange_under_two_tlss() {
    let secure = Secure::start().await;
    let proxy = TestProxy::connect(None, Some(secure.acceptor.clone())).await;
    let place = proxy.place.replace("127.0.0.1", "localhost");
    let network = network(&format!("https://{place}"), Some(&secure.ca_pem));
    let large: Bytes = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let serve = async {
        let mut peer = secure.accept().await;
        let (_, body) = peer.request().await;
        assert!(body == large);
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            .await;
        peer.write(&large).await;
        peer
    };
    let sent = UpstreamRequest {
        body: Body::Bytes(large.clone()),
        ..by(&network, &secure.base)
    };
    let client = client();
    let read = async { read_all(send(&client, sent).await.unwrap()).await };
    let (got, mut peer) = tokio::join!(read, serve);
    assert!(got.unwrap() == large);
    drop(client);
    assert!(peer.closed().await < PROMPT);
}

#[actix_rt::test]
async fn what_is_asked_of_a_proxy() {
    let proxy = TestProxy::connect(Some(basic()), None).await;
    let network = network(&format!("http://{IN_URL}{}", proxy.place), None);
    let said = fault(&client(), by(&network, "http://[::1]:1"), &proxy).await;
    assert_eq!(said, "it opens no tunnel to [::1]:1 (502)");
    let expected = format!(
        "CONNECT [::1]:1 HTTP/1.1\r\nhost: [::1]:1\r\nuser-agent: {}\r\n\
         proxy-authorization: Basic {}\r\n\r\n",
        crate::USER_AGENT,
        basic(),
    );
    assert_eq!(proxy.seen(), [expected]);
}

#[actix_rt::test]
async fn a_wrong_password_is_told() {
    let secure = Secure::start().await;
    for (proxy, url) in each_kind(&secure).await {
        for own in [IN_URL.replace('w', "x"), String::new()] {
            let network = network(&url.replace(IN_URL, &own), Some(&secure.ca_pem));
            let said = fault(&client(), by(&network, &secure.base), &proxy).await;
            assert!(
                said.starts_with("it asks for another user and password"),
                "{said}"
            );
        }
    }
}

#[actix_rt::test]
async fn a_proxy_that_says_no_or_nonsense() {
    let says = |bytes: &[u8]| Misdeed::Says(bytes.to_vec());
    let last = |bytes: &[u8]| Misdeed::SaysLast(bytes.to_vec());
    let endless = [b"HTTP/1.1 200 OK\r\nx: ", "y".repeat(20_000).as_bytes()].concat();
    let many = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(4_000);
    let proxy = TestProxy::connect(None, None).await;
    let network = network(&format!("http://{}", proxy.place), None);
    for (misdeed, text) in [
        (
            says(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"),
            "it refuses a tunnel to 127.0.0.1:9 (403); allow CONNECT",
        ),
        (
            says(b"HTTP/1.1 405 No\r\n\r\n"),
            "it refuses a tunnel to 127.0.0.1:9 (405); allow CONNECT",
        ),
        (
            says(b"HTTP/1.1 503 Busy\r\n\r\n"),
            "it opens no tunnel to 127.0.0.1:9 (503)",
        ),
        (
            says(b"HTTP/1.1 302 Found\r\nlocation: http://x/\r\n\r\n"),
            "it opens no tunnel to 127.0.0.1:9 (302)",
        ),
        (
            says(b"HTTP/1.1 101 Switch\r\n\r\nHTTP/1.1 400 Bad\r\n\r\n"),
            "it opens no tunnel to 127.0.0.1:9 (400)",
        ),
        (
            says(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "it does not answer in HTTP",
        ),
        (
            says(b"HTTP/1.1 200 OK\r\nbro ken\r\n\r\n"),
            "it does not answer in HTTP",
        ),
        (
            says(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            "it spoke into its tunnel",
        ),
        (says(&endless), "its answer is larger than"),
        (last(&many), ""),
        (last(b""), "it closed before it answered"),
        (last(b"HTTP/1.1 200 OK\r\n"), "it closed before it answered"),
    ] {
        proxy.next_is(misdeed);
        let said = fault(&client(), by(&network, "http://127.0.0.1:9"), &proxy).await;
        assert!(said.starts_with(text), "{said}");
    }
}

#[actix_rt::test]
async fn a_socks_proxy_that_says_no_or_nonsense() {
    let closed = {
        let upstream = Upstream::start().await;
        upstream.base.clone()
    };
    let proxy = TestProxy::socks(None).await;
    for scheme in ["socks5", "socks5h"] {
        let network = network(&format!("{scheme}://{}", proxy.place), None);
        for (misdeed, text) in [
            (None, "it opens no connection: "),
            (
                Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
                "it does not answer in SOCKS 5",
            ),
            (Some(vec![5, 0, 5, 2, 0]), "it opens no connection: "),
            (Some(vec![5, 0xff]), "it asks for another user and password"),
            (Some(Vec::new()), "it opens no connection: "),
        ] {
            if let Some(bytes) = misdeed {
                proxy.next_is(Misdeed::SaysLast(bytes));
            }
            let said = fault(&client(), by(&network, &closed), &proxy).await;
            assert!(said.starts_with(text), "{said}");
        }
    }
}

#[actix_rt::test]
async fn a_slow_proxy_has_its_time_and_no_more() {
    let settings = Settings {
        connect_timeout: Duration::from_millis(30),
        ..Settings::default()
    };
    let client = UpstreamClient::new(settings);
    let http = TestProxy::connect(None, None).await;
    let socks = TestProxy::socks(None).await;
    let secure = Secure::start().await;
    // Takes the connection and says nothing: TLS waits.
    let mute = Upstream::start().await;
    let place = mute.base.replace("http://127.0.0.1", "localhost");
    let mute = TestProxy::connect(None, None).await.at(place);
    for (proxy, scheme) in [
        (&http, "http"),
        (&socks, "socks5"),
        (&socks, "socks5h"),
        (&mute, "https"),
    ] {
        proxy.next_is(Misdeed::Says(Vec::new()));
        let network = network(&format!("{scheme}://{}", proxy.place), Some(&secure.ca_pem));
        let said = fault(&client, by(&network, "http://127.0.0.1:9"), proxy).await;
        assert!(
            said.contains("in time") || said.contains("timed out"),
            "{said}"
        );
    }
}

#[actix_rt::test]
async fn a_proxy_that_agrees_and_leaves() {
    let (secure, proxy) = (Secure::start().await, TestProxy::connect(None, None).await);
    let network = network(&format!("http://{}", proxy.place), Some(&secure.ca_pem));
    let agreed = || Misdeed::SaysLast(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    proxy.next_is(agreed());
    let said = fault(&client(), by(&network, &secure.base), &proxy).await;
    assert!(
        said.starts_with("its tunnel ended before the upstream spoke"),
        "{said}"
    );
    // What was sent into a tunnel may have arrived.
    proxy.next_is(agreed());
    let err = send(&client(), by(&network, "http://127.0.0.1:9"))
        .await
        .unwrap_err();
    assert_eq!(err, SendError::ResetBeforeHead { reused: false });
}

#[actix_rt::test]
async fn a_proxy_that_is_not_there() {
    let upstream = Upstream::start().await;
    let place = upstream.base.trim_start_matches("http://").to_owned();
    drop(upstream);
    let gone = TestProxy::connect(None, None).await.at(place);
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let own = network(&format!("{scheme}://{IN_URL}{}", gone.place), None);
        fault(&client(), by(&own, "http://127.0.0.1:9"), &gone).await;
        let err = send(
            &client(),
            by(
                &network(&format!("{scheme}://nobody.invalid"), None),
                "http://h",
            ),
        )
        .await
        .unwrap_err();
        // A name that is resolved here is looked up first.
        let text = if scheme == "socks5" {
            "cannot connect: "
        } else {
            "nobody.invalid"
        };
        assert!(err.to_string().contains(text), "{err}");
        assert_eq!(err.fate(), Fate::NotSent);
    }
}

#[actix_rt::test]
async fn a_ca_of_ones_own_is_trusted_where_it_is_given() {
    let (secure, other) = (Secure::start().await, Secure::start().await);
    let proxy = TestProxy::connect(None, Some(secure.acceptor.clone())).await;
    let place = proxy.place.replace("127.0.0.1", "localhost");
    let both = format!("{}{}", secure.ca_pem, other.ca_pem);
    let proxied = format!("https://{place}");
    for (network, upstream, accepted) in [
        (
            Network::new(None, Some(secure.ca_pem.as_bytes())).unwrap(),
            &secure,
            true,
        ),
        (
            Network::new(None, Some(other.ca_pem.as_bytes())).unwrap(),
            &secure,
            false,
        ),
        (
            Network::new(None, Some(both.as_bytes())).unwrap(),
            &secure,
            true,
        ),
        (network(&proxied, Some(&secure.ca_pem)), &secure, true),
        (network(&proxied, Some(&both)), &other, true),
        (network(&proxied, Some(&secure.ca_pem)), &other, false),
        (network(&proxied, Some(&other.ca_pem)), &other, false),
    ] {
        let serve = async {
            let tcp = upstream.upstream.accept().await.stream;
            let Ok(stream) = upstream.acceptor.accept(tcp).await else {
                return std::future::pending().await;
            };
            let mut peer = Peer {
                stream,
                unread: Vec::new(),
            };
            peer.request().await;
            peer.write(WHOLE).await;
            peer
        };
        let client = client();
        let answer = tokio::select! {
            answer = send(&client, by(&network, &upstream.base)) => answer,
            _ = async { drop(serve.await); std::future::pending::<()>().await } => unreachable!(),
        };
        match answer {
            Ok(_) => assert!(accepted),
            Err(SendError::Tls(_)) => assert!(!accepted),
            // The proxy's own certificate.
            Err(SendError::Connect(ConnectFault::Proxy { fault, .. })) => {
                assert!(!accepted && fault.starts_with("TLS failed: "), "{fault}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[actix_rt::test]
async fn accounts_never_share_a_connection_across_proxies() {
    let (client, upstream) = (client(), Upstream::start().await);
    let proxies = [
        TestProxy::connect(None, None).await,
        TestProxy::connect(None, None).await,
        TestProxy::socks(None).await,
    ];
    let networks = [
        Network::direct(),
        network(&format!("http://{}", proxies[0].place), None),
        network(&format!("http://{}", proxies[1].place), None),
        network(&format!("socks5h://{}", proxies[2].place), None),
        // The same proxy for another account.
        network(&format!("http://{}", proxies[0].place), None),
    ];
    let mut peers = Vec::new();
    for network in &networks {
        let serve = async {
            let mut peer = upstream.accept().await;
            peer.request().await;
            peer.write(WHOLE).await;
            peer
        };
        let (answer, peer) = tokio::join!(send(&client, by(network, &upstream.base)), serve);
        let answer = answer.unwrap();
        assert!(!answer.reused);
        read_all(answer).await.unwrap();
        peers.push(peer);
    }
    for (network, mut peer) in networks.iter().zip(peers) {
        let serve = async {
            peer.request().await;
            peer.write(WHOLE).await;
        };
        let (answer, ()) = tokio::join!(send(&client, by(network, &upstream.base)), serve);
        assert!(answer.unwrap().reused);
    }
    assert!(upstream.is_quiet());
    assert_eq!(proxies.map(|proxy| proxy.seen().len()), [2, 1, 1]);
}
