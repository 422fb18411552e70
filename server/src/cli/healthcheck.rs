//! `troupe healthcheck`: one GET without credential, for container runtimes and scripts.
//!
//! Invariant: ends within the deadline, whatever answers; no redirect is followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::args::HealthcheckArgs;
use super::error::CliError;
use super::out;
use crate::config::{self, Flags, Sources};

const DEADLINE: Duration = Duration::from_secs(3);
const ANSWER_MAX_BYTES: u64 = 64 << 10;

pub(super) async fn run(config: Option<PathBuf>, args: HealthcheckArgs) -> Result<(), CliError> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => {
            let loaded = config::load(&Sources::of_process(config, Flags::default()))?;
            format!("http://{}", reachable(loaded.config.server.bind))
        }
    };
    let url = target(&url, args.ready)?;
    let (status, body) = match timeout(DEADLINE, get(&url)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Err(CliError::failed(format!(
                "no gateway answers at {url}: {error}; is it running?"
            )));
        }
        Err(_) => {
            return Err(CliError::failed(format!(
                "{url} does not answer within 3 s"
            )));
        }
    };
    if status == 200 {
        return out::line(format!(
            "{url}: {}",
            if url.path() == "/readyz" {
                "ready"
            } else {
                "alive"
            }
        ));
    }
    let body: String = body
        .chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect();
    Err(CliError::failed(format!(
        "{url} answers {status}: {}",
        body.trim()
    )))
}

/// An address that listens everywhere is reached over the loopback.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

fn target(text: &str, ready: bool) -> Result<Url, CliError> {
    let wrong = || CliError::usage("give --url as http://HOST:PORT or http://HOST:PORT/readyz");
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    if url.scheme() != "http" || url.host_str().is_none() || !url.username().is_empty() {
        return Err(wrong());
    }
    if url.path() == "/" {
        url.set_path(if ready { "/readyz" } else { "/healthz" });
    }
    Ok(url)
}

async fn get(url: &Url) -> std::io::Result<(u16, String)> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let query = url
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let request = format!(
        "GET {}{query} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n",
        url.path()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_MAX_BYTES)
        .read_to_end(&mut answer)
        .await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1));
    match status.and_then(|status| status.parse().ok()) {
        Some(status) => Ok((status, body.to_owned())),
        None => Err(std::io::Error::other("the answer is not HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn check(answer: &'static str) -> Result<(), CliError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let args = HealthcheckArgs {
            ready: true,
            url: Some(url),
        };
        let result = run(None, args).await;
        server.await.unwrap();
        result
    }

    #[tokio::test]
    async fn only_200_is_well() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .unwrap();
        let error = check("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"draining\"}\n")
            .await
            .unwrap_err();
        assert_eq!(error.exit, 1);
        assert!(
            error.lines[0].ends_with("answers 503: {\"status\":\"draining\"}"),
            "{error:?}"
        );
        for answer in [
            "",
            "HTTP/1.1 302 Found\r\nlocation: http://x/\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(check(answer).await.unwrap_err().exit, 1, "{answer}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_failure_and_a_strange_url_a_usage_error() {
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let ask = |url: String| {
            run(
                None,
                HealthcheckArgs {
                    ready: false,
                    url: Some(url),
                },
            )
        };
        assert_eq!(ask(format!("http://{free}")).await.unwrap_err().exit, 1);
        for url in ["127.0.0.1:5200", "https://h/", "http://u@h/", ""] {
            assert_eq!(ask(url.to_owned()).await.unwrap_err().exit, 2, "{url}");
        }
    }

    #[test]
    fn an_unspecified_address_is_reached_over_the_loopback() {
        for (bind, reached) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reachable(bind.parse().unwrap()).to_string(), reached);
        }
    }
}
