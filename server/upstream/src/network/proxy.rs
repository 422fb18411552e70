//! A proxy's URL, read once.
//!
//! Invariant: user and password live in secrets; the label, which is what messages and `Debug` show, has neither.

use std::{fmt, sync::Arc};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::NetworkError;
use crate::base_url::is_forbidden_host;

/// RFC 1929: each has one byte for its length.
const SOCKS_TEXT_MAX: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    Http,
    Https,
    /// Names are resolved here.
    Socks5,
    /// Names are resolved by the proxy.
    Socks5h,
}

/// Where a proxy is and what it asks for.
pub(crate) struct Proxy {
    pub(crate) scheme: ProxyScheme,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credential: Option<Credential>,
    /// Scheme, host and port.
    pub(crate) label: Arc<str>,
}

pub(crate) struct Credential {
    pub(crate) user: SecretString,
    pub(crate) password: SecretString,
}

// === impl ProxyScheme ===

impl ProxyScheme {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "http" => Self::Http,
            "https" => Self::Https,
            "socks5" => Self::Socks5,
            "socks5h" => Self::Socks5h,
            _ => return None,
        })
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }

    fn is_socks(self) -> bool {
        matches!(self, Self::Socks5 | Self::Socks5h)
    }
}

// === impl Proxy ===

impl Proxy {
    pub(crate) fn parse(text: &str) -> Result<Self, NetworkError> {
        let url = Url::parse(text.trim()).map_err(|err| match err {
            url::ParseError::EmptyHost => NetworkError::ProxyNoHost,
            url::ParseError::RelativeUrlWithoutBase => NetworkError::ProxyScheme,
            other => NetworkError::ProxySyntax(other.to_string()),
        })?;
        let scheme = ProxyScheme::of(url.scheme()).ok_or(NetworkError::ProxyScheme)?;
        let host = match url.host_str() {
            None | Some("") => return Err(NetworkError::ProxyNoHost),
            // The host of a scheme that the library does not know was left as it was written.
            Some(host) => {
                Host::parse(host).map_err(|err| NetworkError::ProxySyntax(err.to_string()))?
            }
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(NetworkError::ProxyPath);
        }
        if is_forbidden_host(&host) {
            return Err(NetworkError::ProxyLinkLocal);
        }
        let port = url.port().unwrap_or(scheme.usual_port());
        Ok(Self {
            credential: Credential::of(&url, scheme)?,
            label: format!("{}://{host}:{port}", url.scheme()).into(),
            host: match host {
                Host::Domain(name) => name,
                Host::Ipv4(address) => address.to_string(),
                Host::Ipv6(address) => address.to_string(),
            },
            scheme,
            port,
        })
    }

    /// As one URL, for a client that takes it so.
    pub(crate) fn url(&self) -> SecretString {
        let (scheme, place) = self.label.split_once("://").unwrap_or_default();
        let Some(Credential { user, password }) = &self.credential else {
            return self.label.to_string().into();
        };
        let [user, password] = [user, password]
            .map(|text| utf8_percent_encode(text.expose_secret(), NON_ALPHANUMERIC));
        format!("{scheme}://{user}:{password}@{place}").into()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.label)
    }
}

// === impl Credential ===

impl Credential {
    fn of(url: &Url, scheme: ProxyScheme) -> Result<Option<Self>, NetworkError> {
        if url.username().is_empty() && url.password().is_none() {
            return Ok(None);
        }
        let decode = |text| {
            percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| NetworkError::ProxyUserInfo("not UTF-8"))
        };
        let user = decode(url.username())?;
        let password = decode(url.password().unwrap_or_default())?;
        let fault = if user.chars().chain(password.chars()).any(char::is_control) {
            Some("control characters")
        } else if scheme.is_socks() {
            let fits = |text: &str| (1..=SOCKS_TEXT_MAX).contains(&text.len());
            (!fits(&user) || !fits(&password))
                .then_some("SOCKS takes 1 to 255 bytes of user and of password")
        } else {
            user.contains(':').then_some("a colon in the user")
        };
        match fault {
            Some(fault) => Err(NetworkError::ProxyUserInfo(fault)),
            None => Ok(Some(Self {
                user: user.into_owned().into(),
                password: password.into_owned().into(),
            })),
        }
    }
}
