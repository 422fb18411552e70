//! Opens connections: name, TCP, perhaps a proxy's tunnel, TLS.
//!
//! Invariant: `TCP_NODELAY` is set, and no link-local address is spoken to, whatever its name resolved to; where a proxy
//! resolves the names, none is asked for that is written so. Nothing of a request is sent here.

mod tunnel;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use self::tunnel::{Tunnel, open_tunnel};
use crate::{
    base_url::{is_forbidden_address, is_forbidden_host},
    connection::{Connection, Io},
    error::{ConnectFault, SendError},
    network::{Network, Proxy},
};

/// `limit` is for the name's resolution and TCP together, and again for the handshake of TLS. On the way to a proxy it is
/// so too, and the proxy has it once more for its answer.
pub(crate) async fn connect(
    network: &Network,
    uri: &Uri,
    secure: bool,
    limit: Duration,
) -> Result<Connection, SendError> {
    let host = uri
        .host()
        .ok_or_else(|| SendError::InvalidRequest("no host".into()))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let secure = if secure {
        let tls = network
            .tls()
            .map_err(|err| SendError::Tls(err.to_string()))?;
        let name =
            ServerName::try_from(bare.to_owned()).map_err(|err| SendError::Tls(err.to_string()))?;
        Some((tls, name))
    } else {
        None
    };
    let Some(proxy) = network.proxy() else {
        let tcp = tcp(bare, port, limit).await.map_err(SendError::Connect)?;
        return finish(tcp, secure, None, limit, Io::Plain, Io::Tls).await;
    };
    if Host::parse(host).is_ok_and(|host| is_forbidden_host(&host)) {
        return Err(SendError::Connect(forbidden()));
    }
    let target = (bare, port);
    match open_tunnel(network, proxy, target, limit).await? {
        Tunnel::Tcp(tcp) => finish(tcp, secure, Some(proxy), limit, Io::Plain, Io::Tls).await,
        Tunnel::Tls(tls) => {
            let plain = |tls| Io::Tls(Box::new(tls));
            finish(*tls, secure, Some(proxy), limit, plain, Io::TlsInTls).await
        }
    }
}

/// The upstream's own TLS, where it has one.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    secure: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    proxy: Option<&Proxy>,
    limit: Duration,
    plain_io: impl FnOnce(S) -> Io,
    secure_io: impl FnOnce(Box<TlsStream<S>>) -> Io,
) -> Result<Connection, SendError> {
    let Some((tls, name)) = secure else {
        return Ok(Connection::new(plain_io(stream)));
    };
    let shaking = TlsConnector::from(tls).connect(name, stream);
    match timeout(limit, shaking).await {
        Ok(Ok(stream)) => Ok(Connection::new(secure_io(Box::new(stream)))),
        Ok(Err(err)) => Err(handshake(&err, proxy)),
        Err(_) => Err(SendError::Connect(ConnectFault::TimedOut)),
    }
}

async fn tcp(host: &str, port: u16, limit: Duration) -> Result<TcpStream, ConnectFault> {
    let started = Instant::now();
    let allowed = resolve(host, port, limit).await?;
    let mut fault = forbidden();
    for (at, address) in allowed.iter().enumerate() {
        // One that does not answer leaves the others their share of the time.
        let left = u32::try_from(allowed.len() - at).unwrap_or(u32::MAX);
        let share = limit.saturating_sub(started.elapsed()) / left;
        fault = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                tcp.set_nodelay(true).map_err(io_fault)?;
                return Ok(tcp);
            }
            Ok(Err(err)) => io_fault(err),
            Err(_) => ConnectFault::TimedOut,
        };
    }
    Err(fault)
}

/// The addresses that may be spoken to; at least one.
async fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, ConnectFault> {
    let found: Vec<_> = match timeout(limit, lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(err)) => return Err(ConnectFault::Name(err.to_string())),
        Err(_) => return Err(ConnectFault::TimedOut),
    };
    if found.is_empty() {
        return Err(ConnectFault::Name("no such host".into()));
    }
    let allowed = allowed(&found);
    if allowed.is_empty() {
        return Err(forbidden());
    }
    Ok(allowed)
}

fn allowed(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_allowed = |address: &&SocketAddr| !is_forbidden_address(address.ip());
    found.iter().filter(is_allowed).copied().collect()
}

fn forbidden() -> ConnectFault {
    ConnectFault::Io("host resolves to a link-local address".into())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io_fault(err: io::Error) -> ConnectFault {
    ConnectFault::Io(err.to_string())
}

fn handshake(err: &io::Error, proxy: Option<&Proxy>) -> SendError {
    let inner = err.get_ref().and_then(|inner| inner.downcast_ref());
    match (inner, proxy) {
        (Some(fault), _) => SendError::Tls(rustls::Error::to_string(fault)),
        (None, None) => SendError::Connect(ConnectFault::Io(err.to_string())),
        (None, Some(proxy)) => SendError::Connect(
            proxy.fault(format!("its tunnel ended before the upstream spoke: {err}")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[actix_rt::test]
    async fn small_writes_leave_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let connection = connect(&Network::direct(), &uri, false, LIMIT)
            .await
            .unwrap();
        assert!(connection.tcp().nodelay().unwrap());
    }

    #[actix_rt::test]
    async fn link_local_addresses_are_refused() {
        // Nobody listens there: it is refused before.
        let proxy = "http://127.0.0.1:1".to_owned().into();
        for network in [Network::direct(), Network::new(Some(&proxy), None).unwrap()] {
            for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.1.1]"] {
                let uri: Uri = format!("http://{host}:9/").parse().unwrap();
                let err = connect(&network, &uri, false, LIMIT).await.unwrap_err();
                assert_eq!(err, SendError::Connect(forbidden()), "{host}");
            }
        }
        let found = ["169.254.1.1:1", "127.0.0.1:1", "[fe80::1]:1"].map(|a| a.parse().unwrap());
        assert_eq!(allowed(&found), [found[1]]);
    }
}
