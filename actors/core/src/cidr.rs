//! A network of IP addresses, as allow lists and proxies name them.
//!
//! Invariant: an IPv4 address and its IPv4-mapped IPv6 form are the same address; a network that was written with bits
//! of a host is refused, because either the address or the length is not what was meant.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    #[error(
        "expected an address such as 192.0.2.7 or 2001:db8::7, or a network such as 10.0.0.0/8 or 2001:db8::/32"
    )]
    Form,
    #[error(
        "has bits of a host beside its network; write {0} for the network, or the address without `/`"
    )]
    HostBits(String),
}

/// An IPv4 or IPv6 network; a single address is a network of one. An IPv6 network holds no IPv4 addresses, `::/0`
/// included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(IpNet);

/// The form in which addresses are compared: IPv4-mapped IPv6 becomes IPv4.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Is `address` in any of `networks`?
#[must_use]
pub fn holds(networks: &[Cidr], address: IpAddr) -> bool {
    let address = canonical(address);
    networks.iter().any(|network| network.0.contains(&address))
}

/// IPv4-mapped networks as IPv4.
fn plain(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(v6) = network else {
        return network;
    };
    let v4 = v6
        .prefix_len()
        .checked_sub(MAPPED_BITS)
        .zip(Ipv6Addr::to_ipv4_mapped(&v6.addr()))
        .and_then(|(length, address)| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| CidrError::Form)?,
        };
        let network = plain(network);
        if network.trunc() != network {
            return Err(CidrError::HostBits(network.trunc().to_string()));
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(network: Cidr) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_what_they_mean() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            let network: Cidr = text.parse().unwrap();
            assert_eq!(network.to_string(), shown, "{text}");
            assert_eq!(network.to_string().parse(), Ok(network), "{text}");
        }
        for text in [
            "",
            " ",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "host",
            "::1/129",
            "1.2.3.4:80",
            "[::1]",
            "fe80::1%eth0",
            "010.0.0.1",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError::Form), "{text}");
        }
        let meant = CidrError::HostBits("10.0.0.0/8".into());
        for text in ["10.0.0.1/8", "::ffff:10.0.0.1/104"] {
            assert_eq!(text.parse::<Cidr>(), Err(meant.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_in_a_network() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "2001:db8::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.7", false),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true),
        ] {
            let networks = [network.parse().unwrap()];
            let address = address.parse().unwrap();
            assert_eq!(holds(&networks, address), inside, "{network} {address}");
        }
        assert!(!holds(&[], "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn stored_as_text() {
        let networks: Vec<Cidr> = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let text = serde_json::to_string(&networks).unwrap();
        assert_eq!(text, r#"["10.0.0.0/8","::1"]"#);
        assert_eq!(serde_json::from_str::<Vec<Cidr>>(&text).unwrap(), networks);
        assert!(serde_json::from_str::<Cidr>(r#""10.0.0.1/8""#).is_err());
    }
}
