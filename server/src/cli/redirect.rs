//! Waits for the browser that a login sends to a port of this machine.
//!
//! Invariant: listens on loopback only; one connection at a time, each for a moment and for one line; whatever else asks
//! is told that there is nothing here, also what comes without the login's state: any page can send a browser here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use url::Url;

const READ: Duration = Duration::from_secs(5);
const HEAD_MAX_BYTES: u64 = 16 << 10;

/// Where the browser will come.
#[derive(Debug)]
pub(super) struct Redirect {
    url: Url,
    state: SecretString,
    listeners: Vec<TcpListener>,
}

impl Redirect {
    /// Listens where `redirect_uri` says: `http://localhost:PORT/path`, or a loopback address. What comes must have
    /// `state` (RFC 6749 §4.1.2).
    pub async fn listen(redirect_uri: &str, state: SecretString) -> io::Result<Self> {
        let url = Url::parse(redirect_uri).map_err(io::Error::other)?;
        let port = url.port_or_known_default().unwrap_or(80);
        let mut listeners = Vec::new();
        let mut refused = None;
        // A browser takes `localhost` for either.
        for address in [
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ] {
            let address: std::net::SocketAddr = address;
            match TcpListener::bind(address).await {
                Ok(listener) => listeners.push(listener),
                Err(error) => _ = refused.get_or_insert(error),
            }
        }
        match refused {
            Some(error) if listeners.is_empty() => Err(error),
            _ => Ok(Self {
                url,
                state,
                listeners,
            }),
        }
    }

    /// The whole address that the browser was sent to.
    pub async fn wait(self) -> SecretString {
        loop {
            let Some(stream) = self.accept().await else {
                continue;
            };
            if let Ok(Some(address)) = timeout(READ, self.answer(stream)).await {
                return address;
            }
        }
    }

    async fn accept(&self) -> Option<TcpStream> {
        let accepts = self
            .listeners
            .iter()
            .map(|listener| Box::pin(listener.accept()));
        let (accepted, _, _) = futures_util::future::select_all(accepts).await;
        match accepted {
            Ok((stream, _)) => Some(stream),
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> Option<SecretString> {
        let mut head = Vec::new();
        let (from, mut to) = stream.split();
        let mut from = from.take(HEAD_MAX_BYTES);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if from.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let address = self.address(&head);
        let (status, text) = match address {
            Some(_) => (
                "200 OK",
                "The code has arrived. You may close this page and go back to the terminal.",
            ),
            None => ("404 Not Found", "There is nothing here."),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{text}",
            text.len()
        );
        to.write_all(answer.as_bytes()).await.ok()?;
        let _ = to.shutdown().await;
        address
    }

    /// Of a request for the path, with what a login brings back.
    fn address(&self, head: &[u8]) -> Option<SecretString> {
        let line = head.split(|byte| *byte == b'\r').next()?;
        let line = std::str::from_utf8(line).ok()?;
        let target = line.strip_prefix("GET ")?.split(' ').next()?;
        let asked = self.url.join(target).ok()?;
        let brings = |name: &str| asked.query_pairs().any(|(given, _)| given == name);
        let here = asked.origin() == self.url.origin() && asked.path() == self.url.path();
        let state = self.state.expose_secret();
        let ours = asked
            .query_pairs()
            .any(|(name, value)| name == "state" && value == state);
        (here && ours && (brings("code") || brings("error"))).then(|| asked.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(port: u16, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: h\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_browser_that_brings_a_code_is_waited_for() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        let uri = format!("http://localhost:{port}/callback?x=1");
        assert!(Redirect::listen("no url", "s".into()).await.is_err());
        drop(free);
        let redirect = Redirect::listen(&uri, "s".into()).await.unwrap();
        let asked = async {
            for target in [
                "/favicon.ico",
                "/callback",
                "/other?code=c&state=s",
                // Of another page that knows the port.
                "/callback?code=c",
                "/callback?code=c&state=t",
                "/callback?error=access_denied",
                "http://evil/callback?code=c&state=s",
            ] {
                assert!(
                    ask(port, target).await.starts_with("HTTP/1.1 404 "),
                    "{target}"
                );
            }
            ask(port, "/callback?code=c&state=s").await
        };
        let (address, answer) = tokio::join!(redirect.wait(), asked);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(
            address.expose_secret(),
            format!("http://localhost:{port}/callback?code=c&state=s")
        );
    }
}
