//! Small proxies: `CONNECT`, over TCP or TLS, and SOCKS 5.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What is said to the next one that comes, in place of what is right.
#[derive(Debug)]
pub(crate) enum Misdeed {
    Says(Vec<u8>),
    /// And leaves.
    SaysLast(Vec<u8>),
}

/// A proxy on a free port; it ends with the test.
pub(crate) struct TestProxy {
    pub(crate) place: String,
    seen: Rc<RefCell<Vec<String>>>,
    misdeeds: Rc<RefCell<VecDeque<Misdeed>>>,
}

/// `user:password` that must be given.
type Wanted = Option<&'static str>;

// === impl TestProxy ===

impl TestProxy {
    pub(crate) async fn connect(wanted: Wanted, tls: Option<TlsAcceptor>) -> Self {
        Self::start(move |tcp, proxy| {
            let tls = tls.clone();
            async move {
                match tls {
                    None => by_connect(tcp, &proxy, wanted).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(tcp).await {
                            by_connect(stream, &proxy, wanted).await;
                        }
                    }
                }
            }
        })
        .await
    }

    pub(crate) async fn socks(wanted: Wanted) -> Self {
        Self::start(move |tcp, proxy| async move { by_socks(tcp, &proxy, wanted).await }).await
    }

    async fn start<F>(serve: impl Fn(TcpStream, Rc<Self>) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = Self {
            place: listener.local_addr().unwrap().to_string(),
            seen: Rc::default(),
            misdeeds: Rc::default(),
        };
        let its = Rc::new(Self {
            place: own.place.clone(),
            seen: Rc::clone(&own.seen),
            misdeeds: Rc::clone(&own.misdeeds),
        });
        actix_rt::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                actix_rt::spawn(serve(tcp, Rc::clone(&its)));
            }
        });
        own
    }

    /// The same under another name.
    pub(crate) fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// The targets that were asked for, with the credential that was given.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    pub(crate) fn next_is(&self, misdeed: Misdeed) {
        self.misdeeds.borrow_mut().push_back(misdeed);
    }

    async fn misbehaves(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
        let misdeed = self.misdeeds.borrow_mut().pop_front();
        let Some(misdeed) = misdeed else {
            return false;
        };
        let (Misdeed::Says(bytes) | Misdeed::SaysLast(bytes)) = &misdeed;
        // The client may leave before it has heard all.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        if matches!(misdeed, Misdeed::Says(_)) {
            while !matches!(stream.read(&mut [0; 4096]).await, Ok(0) | Err(_)) {}
        }
        true
    }
}

async fn by_connect<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    proxy: &TestProxy,
    wanted: Wanted,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    proxy.seen.borrow_mut().push(head.clone());
    if proxy.misbehaves(&mut stream).await {
        return;
    }
    let given = head
        .lines()
        .find_map(|line| line.strip_prefix("proxy-authorization: Basic "));
    if given != wanted {
        let refusal =
            b"HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\ncontent-length: 2\r\n\r\nno";
        stream.write_all(refusal).await.unwrap();
        return;
    }
    let target = head.split(' ').nth(1).unwrap();
    match TcpStream::connect(target).await {
        Ok(mut there) => {
            // With headers that mean nothing here.
            let agreed =
                b"HTTP/1.1 200 Connection established\r\nvia: x\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(agreed).await.unwrap();
            stream.flush().await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut there).await;
        }
        Err(_) => {
            let refusal = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal).await.unwrap();
        }
    }
}

/// RFC 1928 and 1929; `tokio::io` reads the numbers in network order.
async fn by_socks(mut stream: TcpStream, proxy: &TestProxy, wanted: Wanted) {
    if proxy.misbehaves(&mut stream).await {
        return;
    }
    assert_eq!(stream.read_u8().await.unwrap(), 5);
    let methods = text(&mut stream).await;
    let method = u8::from(wanted.is_some()) * 2;
    if !methods.contains(char::from(method)) {
        stream.write_all(&[5, 0xff]).await.unwrap();
        return;
    }
    stream.write_all(&[5, method]).await.unwrap();
    if let Some(wanted) = wanted {
        assert_eq!(stream.read_u8().await.unwrap(), 1);
        let given = format!("{}:{}", text(&mut stream).await, text(&mut stream).await);
        let agreed = given == wanted;
        stream.write_all(&[1, u8::from(!agreed)]).await.unwrap();
        if !agreed {
            return;
        }
    }
    let mut order = [0; 4];
    stream.read_exact(&mut order).await.unwrap();
    let host = match order[3] {
        1 => std::net::Ipv4Addr::from(stream.read_u32().await.unwrap()).to_string(),
        3 => text(&mut stream).await,
        4 => format!(
            "[{}]",
            std::net::Ipv6Addr::from(stream.read_u128().await.unwrap())
        ),
        other => panic!("kind of address {other}"),
    };
    let target = format!("{host}:{}", stream.read_u16().await.unwrap());
    proxy.seen.borrow_mut().push(target.clone());
    let opened = TcpStream::connect(&target).await;
    let code = if opened.is_ok() { 0 } else { 5 };
    stream
        .write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    if let Ok(mut there) = opened {
        let _ = copy_bidirectional(&mut stream, &mut there).await;
    }
}

/// With its length before it.
async fn text(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; usize::from(stream.read_u8().await.unwrap())];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}
