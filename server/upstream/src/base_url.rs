//! An account's base URL: checked once, joined with each request's path byte for byte.
//!
//! Invariant: only http and https to a host that is neither link-local nor a metadata service; a joined target has the
//! base's scheme and authority, whatever the client's path says.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use actix_http::{
    Uri,
    header::HeaderValue,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use url::{Host, Url};

/// Why a text is not a base URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    #[error("is not a URL: {0}")]
    Syntax(String),
    #[error("must start with http:// or https://")]
    Scheme,
    #[error("has no host")]
    NoHost,
    #[error("must not contain a user or password; give the credential by its own option")]
    UserInfo,
    #[error("must not have a query or fragment")]
    QueryOrFragment,
    #[error("is a link-local or metadata address")]
    LinkLocal,
}

/// The client's path cannot be put behind this base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path cannot be sent upstream")]
pub struct JoinError;

/// Scheme, host, optional port and path prefix, without a trailing slash. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    text: Arc<str>,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    prefix: Arc<str>,
    cleartext_remote: bool,
}

/// Where one request goes: the whole URI and the value of its `host` header.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) uri: Uri,
    pub(crate) host: HeaderValue,
}

impl BaseUrl {
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text.trim()).map_err(|err| match err {
            url::ParseError::EmptyHost => BaseUrlError::NoHost,
            url::ParseError::RelativeUrlWithoutBase => BaseUrlError::Scheme,
            other => BaseUrlError::Syntax(other.to_string()),
        })?;
        let (scheme, secure) = match url.scheme() {
            "http" => (Scheme::HTTP, false),
            "https" => (Scheme::HTTPS, true),
            _ => return Err(BaseUrlError::Scheme),
        };
        let host = url.host().ok_or(BaseUrlError::NoHost)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::QueryOrFragment);
        }
        if is_forbidden_host(&host) {
            return Err(BaseUrlError::LinkLocal);
        }
        let cleartext_remote = !secure && !is_loopback(&host);
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let syntax = |err: &dyn std::fmt::Display| BaseUrlError::Syntax(err.to_string());
        let prefix = url.path().trim_end_matches('/');
        if !prefix.is_empty() {
            PathAndQuery::try_from(prefix).map_err(|err| syntax(&err))?;
        }
        Ok(Self {
            text: format!("{}://{authority}{prefix}", scheme.as_str()).into(),
            host: HeaderValue::from_str(&authority).map_err(|err| syntax(&err))?,
            authority: Authority::try_from(authority).map_err(|err| syntax(&err))?,
            scheme,
            prefix: prefix.into(),
            cleartext_remote,
        })
    }

    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and, where it is not the scheme's own, port: what a circuit breaker is keyed by.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Plain http to another machine: credentials and prompts travel readable. Allowed, worth a warning.
    #[must_use]
    pub fn is_cleartext_remote(&self) -> bool {
        self.cleartext_remote
    }

    /// The base followed by the client's path and query, byte for byte. Without a prefix nothing is copied.
    pub fn join(&self, path: &PathAndQuery) -> Result<Target, JoinError> {
        if !path.as_str().starts_with('/') {
            return Err(JoinError);
        }
        let path = if self.prefix.is_empty() {
            path.clone()
        } else {
            let joined = format!("{}{}", self.prefix, path.as_str());
            PathAndQuery::try_from(joined).map_err(|_| JoinError)?
        };
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Ok(Target {
            uri: Uri::from_parts(parts).map_err(|_| JoinError)?,
            host: self.host.clone(),
        })
    }
}

impl Target {
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// 169.254.0.0/16, fe80::/10, and the metadata service's address in IPv6: no upstream lives there, secrets do.
pub(crate) fn is_forbidden_address(address: IpAddr) -> bool {
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == METADATA_V6,
    }
}

/// An address as above, or a name that is known to be a metadata service's.
pub(crate) fn is_forbidden_host(host: &Host<impl AsRef<str>>) -> bool {
    match host {
        Host::Domain(name) => matches!(
            name.as_ref().trim_end_matches('.'),
            "metadata.google.internal" | "metadata.goog"
        ),
        Host::Ipv4(v4) => is_forbidden_address(IpAddr::V4(*v4)),
        Host::Ipv6(v6) => is_forbidden_address(IpAddr::V6(*v6)),
    }
}

pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_normalised() {
        for (text, normal, remote) in [
            (
                "https://api.anthropic.com",
                "https://api.anthropic.com",
                false,
            ),
            (
                " https://API.Anthropic.com:443/ ",
                "https://api.anthropic.com",
                false,
            ),
            (
                "https://h.example:8443/a/b//",
                "https://h.example:8443/a/b",
                false,
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("http://[::1]:9/x/", "http://[::1]:9/x", false),
            ("http://localhost/", "http://localhost", false),
            ("http://10.0.0.5", "http://10.0.0.5", true),
            ("http://mock:80", "http://mock", true),
            ("https://h/a/../b", "https://h/b", false),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(base.as_str(), normal);
            assert_eq!(base.is_cleartext_remote(), remote, "{text}");
            assert_eq!(BaseUrl::parse(base.as_str()).unwrap(), base);
        }
    }

    #[test]
    fn what_is_not_a_base_url_is_refused() {
        use BaseUrlError as E;
        for (text, error) in [
            ("api.anthropic.com", E::Scheme),
            ("ftp://h", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("unix:/run/x", E::Scheme),
            ("https://", E::NoHost),
            ("https://user:secret@h", E::UserInfo),
            ("https://user@h", E::UserInfo),
            ("https://h/?a=1", E::QueryOrFragment),
            ("https://h/#x", E::QueryOrFragment),
            ("http://169.254.169.254/latest", E::LinkLocal),
            ("http://0xa9fea9fe/", E::LinkLocal),
            ("http://[fe80::1]/", E::LinkLocal),
            ("http://[::ffff:169.254.1.1]/", E::LinkLocal),
            ("http://[fd00:ec2::254]/", E::LinkLocal),
            ("http://metadata.google.internal/", E::LinkLocal),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap_err(), error, "{text}");
        }
        assert!(matches!(
            BaseUrl::parse("https://a b").unwrap_err(),
            E::Syntax(_)
        ));
        let shown = BaseUrl::parse("https://user:secret@h")
            .unwrap_err()
            .to_string();
        assert!(!shown.contains("secret"));
    }

    #[test]
    fn the_path_is_kept_byte_for_byte() {
        let path = PathAndQuery::try_from("/v1/messages?beta=true&x=%2F%7e{}|&&=").unwrap();
        for (base, host, whole) in [
            (
                "https://h",
                "h",
                "https://h/v1/messages?beta=true&x=%2F%7e{}|&&=",
            ),
            (
                "http://h:81/p/",
                "h:81",
                "http://h:81/p/v1/messages?beta=true&x=%2F%7e{}|&&=",
            ),
        ] {
            let target = BaseUrl::parse(base).unwrap().join(&path).unwrap();
            assert_eq!(target.uri().to_string(), whole);
            assert_eq!(target.host, host);
        }
        let star = PathAndQuery::try_from("*").unwrap();
        assert_eq!(
            BaseUrl::parse("https://h")
                .unwrap()
                .join(&star)
                .unwrap_err(),
            JoinError
        );
    }
}
