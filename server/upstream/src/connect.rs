//! Opens connections: name, TCP, TLS.
//!
//! Invariant: `TCP_NODELAY` is set, and no link-local address is spoken to, whatever its name resolved to.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    base_url::is_forbidden_address,
    connection::{Connection, Io},
    error::{ConnectFault, SendError},
};

/// `limit` is for the name's resolution and TCP together, and again for the handshake of TLS.
pub(crate) async fn connect(
    uri: &Uri,
    tls: Option<Arc<ClientConfig>>,
    limit: Duration,
) -> Result<Connection, SendError> {
    let host = uri
        .host()
        .ok_or_else(|| SendError::InvalidRequest("no host".into()))?
        .trim_start_matches('[')
        .trim_end_matches(']');
    let port = uri
        .port_u16()
        .unwrap_or(if tls.is_some() { 443 } else { 80 });
    let tcp = tcp(host, port, limit).await.map_err(SendError::Connect)?;
    let Some(tls) = tls else {
        return Ok(Connection::new(Io::Plain(tcp)));
    };
    let name =
        ServerName::try_from(host.to_owned()).map_err(|err| SendError::Tls(err.to_string()))?;
    let shaking = TlsConnector::from(tls).connect(name, tcp);
    match timeout(limit, shaking).await {
        Ok(Ok(stream)) => Ok(Connection::new(Io::Tls(Box::new(stream)))),
        Ok(Err(err)) => Err(handshake(&err)),
        Err(_) => Err(SendError::Connect(ConnectFault::TimedOut)),
    }
}

async fn tcp(host: &str, port: u16, limit: Duration) -> Result<TcpStream, ConnectFault> {
    let started = Instant::now();
    let found: Vec<_> = match timeout(limit, lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(err)) => return Err(ConnectFault::Name(err.to_string())),
        Err(_) => return Err(ConnectFault::TimedOut),
    };
    if found.is_empty() {
        return Err(ConnectFault::Name("no such host".into()));
    }
    let allowed = allowed(&found);
    let mut fault = ConnectFault::Io("host resolves to a link-local address".into());
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

fn allowed(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_allowed = |address: &&SocketAddr| !is_forbidden_address(address.ip());
    found.iter().filter(is_allowed).copied().collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io_fault(err: io::Error) -> ConnectFault {
    ConnectFault::Io(err.to_string())
}

fn handshake(err: &io::Error) -> SendError {
    match err
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(fault) => SendError::Tls(fault.to_string()),
        None => SendError::Connect(ConnectFault::Io(err.to_string())),
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
        let connection = connect(&uri, None, LIMIT).await.unwrap();
        assert!(connection.tcp().nodelay().unwrap());
    }

    #[actix_rt::test]
    async fn link_local_addresses_are_refused() {
        for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.1.1]"] {
            let uri: Uri = format!("http://{host}:9/").parse().unwrap();
            let err = connect(&uri, None, LIMIT).await.unwrap_err();
            let refused = ConnectFault::Io("host resolves to a link-local address".into());
            assert_eq!(err, SendError::Connect(refused), "{host}");
        }
        let found = ["169.254.1.1:1", "127.0.0.1:1", "[fe80::1]:1"].map(|a| a.parse().unwrap());
        assert_eq!(allowed(&found), [found[1]]);
    }
}
