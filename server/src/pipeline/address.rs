//! Where a request comes from: its peer, or what a proxy that is trusted says of it.
//!
//! Invariant: an address that a client can write itself is never believed: of `x-forwarded-for` only what a trusted proxy
//! added counts, read from its end. Only computed where somebody asks.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use troupe_core::cidr::{self, Cidr};
use troupe_core::key::KeyRecord;

use crate::error::Problem;
use crate::plan::Plan;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// May this key be used from where the request comes?
///
/// # Errors
/// 403.
pub fn check(request: &HttpRequest, key: &KeyRecord, plan: &Plan) -> Result<(), Problem> {
    if key.addresses.is_empty() {
        return Ok(());
    }
    let peer = request.peer_addr().map(|peer| peer.ip());
    let from = peer.map(|peer| client(peer, request.headers(), &plan.trusted_proxies));
    match from {
        Some(from) if cidr::holds(&key.addresses, from) => Ok(()),
        from => Err(Problem::Address { from }),
    }
}

/// Where a request comes from, for whoever notes it.
#[must_use]
pub fn remote(request: &HttpRequest, plan: &Plan) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    Some(client(peer, request.headers(), &plan.trusted_proxies))
}

/// The address of the client behind `peer`. The farthest proxy where all are trusted; `peer` where one of them wrote what
/// is no address.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let peer = cidr::canonical(peer);
    if !cidr::holds(trusted, peer) {
        return peer;
    }
    let lines: Vec<&[u8]> = headers
        .get_all(FORWARDED_FOR)
        .map(|line| line.as_bytes())
        .collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut farthest = peer;
    for hop in hops {
        let Some(address) = address(hop) else {
            return peer;
        };
        farthest = address;
        if !cidr::holds(trusted, address) {
            break;
        }
    }
    farthest
}

/// An address as proxies write it: alone, or with a port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: Option<IpAddr> = text
        .parse()
        .ok()
        .or_else(|| {
            text.parse()
                .ok()
                .map(|with_port: SocketAddr| with_port.ip())
        })
        .or_else(bracketed);
    address.map(cidr::canonical)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn whom_a_proxy_names() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let table: [(&str, &[&[u8]], &str); 19] = [
            // A stranger is believed nothing.
            ("192.0.2.1", &[b"203.0.113.9"], "192.0.2.1"),
            ("::ffff:192.0.2.1", &[], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &[b"203.0.113.9"], "203.0.113.9"),
            ("::1", &[b" 2001:DB8::9 "], "2001:db8::9"),
            // What the client wrote stands before what the proxy added.
            ("10.0.0.1", &[b"10.9.9.9, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &[b"garbage,,203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &[b"198.51.100.1", b"203.0.113.9"],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &[b"203.0.113.9, 10.0.0.7,10.0.0.8"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &[b"203.0.113.9", b"10.0.0.7"], "203.0.113.9"),
            // Inside the trusted networks the farthest is the client.
            ("10.0.0.1", &[b"10.1.1.1, 10.0.0.7"], "10.1.1.1"),
            ("10.0.0.1", &[b"203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &[b"[2001:db8::9]:4711"], "2001:db8::9"),
            ("10.0.0.1", &[b"[2001:db8::9]"], "2001:db8::9"),
            ("10.0.0.1", &[b"::ffff:203.0.113.9"], "203.0.113.9"),
            // Garbage of a trusted proxy.
            ("10.0.0.1", &[b"unknown"], "10.0.0.1"),
            ("10.0.0.1", &[b"203.0.113.9, \xff, 10.0.0.7"], "10.0.0.1"),
            ("10.0.0.1", &[b""], "10.0.0.1"),
        ];
        for (peer, lines, expected) in table {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
            }
            let found = client(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn nobody_is_trusted_unless_told() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(client(peer, &headers, &[]), peer);
    }
}
