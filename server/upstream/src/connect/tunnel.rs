//! A way through a proxy: `CONNECT` (RFC 9110 §9.3.6) or SOCKS 5 (RFC 1928, 1929).
//!
//! Invariant: what a proxy says is read to the end of its answer and not a byte further, and no more than
//! [`ANSWER_MAX_BYTES`]; the request is not begun before it has agreed. Each fault names the proxy, none its credential.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_socks::{TargetAddr, tcp::Socks5Stream};

use super::{resolve, tcp};
use crate::{
    USER_AGENT,
    error::{ConnectFault, SendError},
    head::has_empty_line,
    network::{Credential, Network, Proxy, ProxyScheme},
};

const ANSWER_MAX_BYTES: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

/// By then one sees whether it speaks HTTP at all.
const STATUS_LINE_BYTES: usize = 64;

/// A stream to the upstream, over a proxy's TCP or its TLS.
pub(super) enum Tunnel {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Proxy ===

impl Proxy {
    pub(super) fn fault(&self, fault: String) -> ConnectFault {
        ConnectFault::Proxy {
            proxy: self.label.clone(),
            fault,
        }
    }
}

/// `target` is a host without brackets, and its port.
pub(super) async fn open_tunnel(
    network: &Network,
    proxy: &Proxy,
    target: (&str, u16),
    limit: Duration,
) -> Result<Tunnel, SendError> {
    let opened = match proxy.scheme {
        ProxyScheme::Http => by_connect(reach(proxy, limit).await, proxy, target, limit)
            .await
            .map(Tunnel::Tcp),
        ProxyScheme::Https => {
            let stream = match reach(proxy, limit).await {
                Ok(tcp) => secured(network, proxy, tcp, limit).await,
                Err(fault) => Err(fault),
            };
            by_connect(stream, proxy, target, limit)
                .await
                .map(|stream| Tunnel::Tls(Box::new(stream)))
        }
        ProxyScheme::Socks5h => {
            let (host, port) = target;
            let target = match host.parse::<IpAddr>() {
                Ok(address) => TargetAddr::Ip((address, port).into()),
                Err(_) => TargetAddr::Domain(host.into(), port),
            };
            by_socks(proxy, target, limit).await.map(Tunnel::Tcp)
        }
        ProxyScheme::Socks5 => by_socks_resolved(proxy, target, limit)
            .await
            .map(Tunnel::Tcp),
    };
    opened.map_err(SendError::Connect)
}

async fn reach(proxy: &Proxy, limit: Duration) -> Result<TcpStream, ConnectFault> {
    tcp(&proxy.host, proxy.port, limit)
        .await
        .map_err(|fault| proxy.fault(fault.to_string()))
}

/// The proxy's own TLS.
async fn secured(
    network: &Network,
    proxy: &Proxy,
    tcp: TcpStream,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, ConnectFault> {
    let tls = network.tls().map_err(|err| proxy.fault(err.to_string()))?;
    let name =
        ServerName::try_from(proxy.host.clone()).map_err(|err| proxy.fault(err.to_string()))?;
    match timeout(limit, TlsConnector::from(tls).connect(name, tcp)).await {
        Ok(shaken) => shaken.map_err(|err| proxy.fault(format!("TLS failed: {err}"))),
        Err(_) => Err(proxy.fault("TLS timed out".into())),
    }
}

async fn by_connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: Result<S, ConnectFault>,
    proxy: &Proxy,
    target: (&str, u16),
    limit: Duration,
) -> Result<S, ConnectFault> {
    let mut stream = stream?;
    let (host, port) = target;
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let asking = async {
        let question = question(&authority, proxy.credential.as_ref());
        stream
            .write_all(question.expose_secret().as_bytes())
            .await
            .map_err(|err| err.to_string())?;
        stream.flush().await.map_err(|err| err.to_string())?;
        status(&mut stream).await
    };
    let status = match timeout(limit, asking).await {
        Ok(status) => status.map_err(|said| proxy.fault(said))?,
        Err(_) => return Err(proxy.fault("no answer to CONNECT in time".into())),
    };
    match status {
        200..=299 => Ok(stream),
        407 => Err(proxy.fault(
            "it asks for another user and password (407); check those of the proxy's URL".into(),
        )),
        403 | 405 => Err(proxy.fault(format!(
            "it refuses a tunnel to {authority} ({status}); allow CONNECT to it there"
        ))),
        _ => Err(proxy.fault(format!("it opens no tunnel to {authority} ({status})"))),
    }
}

fn question(authority: &str, credential: Option<&Credential>) -> SecretString {
    let mut text = format!(
        "CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: {USER_AGENT}\r\n"
    );
    if let Some(Credential { user, password }) = credential {
        let pair = format!("{}:{}", user.expose_secret(), password.expose_secret());
        let pair = BASE64_STANDARD.encode(pair);
        text.push_str(&format!("proxy-authorization: Basic {pair}\r\n"));
    }
    text.push_str("\r\n");
    text.into()
}

/// The final answer's status. Behind a 2xx lies the tunnel, whatever length the head claims.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> Result<u16, String> {
    let mut read = Vec::with_capacity(1024);
    loop {
        let before = read.len();
        let left = (ANSWER_MAX_BYTES - before) as u64;
        let count = (&mut *stream)
            .take(left)
            .read_buf(&mut read)
            .await
            .map_err(|err| err.to_string())?;
        if count == 0 {
            return Err(if left == 0 {
                format!("its answer is larger than {ANSWER_MAX_BYTES} bytes")
            } else {
                "it closed before it answered".into()
            });
        }
        // Not parsed anew for each byte that comes.
        let is_worth_it = read.len() <= STATUS_LINE_BYTES
            || before <= STATUS_LINE_BYTES
            || has_empty_line(&read[before.saturating_sub(3)..]);
        while is_worth_it && let Some((status, len)) = parse(&read)? {
            read.drain(..len);
            match status {
                100..=199 => {}
                200..=299 if !read.is_empty() => {
                    return Err("it spoke into its tunnel".into());
                }
                _ => return Ok(status),
            }
        }
    }
}

fn parse(read: &[u8]) -> Result<Option<(u16, usize)>, String> {
    let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut room);
    match answer.parse(read) {
        Ok(httparse::Status::Complete(len)) => Ok(Some((answer.code.unwrap_or_default(), len))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(err) => Err(format!("it does not answer in HTTP: {err}")),
    }
}

/// The name is resolved here, and its addresses are tried in turn.
async fn by_socks_resolved(
    proxy: &Proxy,
    (host, port): (&str, u16),
    limit: Duration,
) -> Result<TcpStream, ConnectFault> {
    let started = Instant::now();
    let addresses = resolve(host, port, limit).await?;
    let mut fault = proxy.fault("timed out".into());
    for address in addresses {
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            break;
        }
        fault = match by_socks(proxy, TargetAddr::Ip(address), left).await {
            Ok(tcp) => return Ok(tcp),
            Err(fault) => fault,
        };
    }
    Err(fault)
}

async fn by_socks(
    proxy: &Proxy,
    target: TargetAddr<'_>,
    limit: Duration,
) -> Result<TcpStream, ConnectFault> {
    let tcp = reach(proxy, limit).await?;
    let asking = async {
        match &proxy.credential {
            None => Socks5Stream::connect_with_socket(tcp, target).await,
            Some(Credential { user, password }) => {
                let (user, password) = (user.expose_secret(), password.expose_secret());
                Socks5Stream::connect_with_password_and_socket(tcp, target, user, password).await
            }
        }
    };
    match timeout(limit, asking).await {
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(err)) => Err(proxy.fault(socks_fault(&err))),
        Err(_) => Err(proxy.fault("no answer to SOCKS in time".into())),
    }
}

fn socks_fault(err: &tokio_socks::Error) -> String {
    use tokio_socks::Error;
    match err {
        Error::PasswordAuthFailure(_)
        | Error::NoAcceptableAuthMethods
        | Error::AuthorizationRequired => {
            "it asks for another user and password; check those of the proxy's URL".into()
        }
        Error::InvalidResponseVersion
        | Error::InvalidReservedByte
        | Error::UnknownAddressType
        | Error::UnknownAuthMethod => format!("it does not answer in SOCKS 5: {err}"),
        other => format!("it opens no connection: {other}"),
    }
}
