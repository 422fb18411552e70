//! Where tokens are asked for, and how the client shows who it is.
//!
//! Invariant: a URL is https, or http to this machine; never a link-local address or a metadata service.

use std::{collections::BTreeMap, fmt, sync::Arc};

use secrecy::SecretString;
use url::Url;

use crate::base_url::{is_forbidden_host, is_loopback};

/// Why a text is not the URL of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointUrlError {
    #[error("is not a URL: {0}")]
    Syntax(String),
    #[error("must start with https://; http:// is allowed to this machine only")]
    Scheme,
    #[error("must not contain a user or password; configure client_id and client_secret")]
    UserInfo,
    #[error("must not have a fragment")]
    Fragment,
    #[error("is a link-local or metadata address")]
    LinkLocal,
}

/// The URL of a token or authorize endpoint (RFC 6749 §3): it may have a query. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Arc<Url>);

impl EndpointUrl {
    pub fn parse(text: &str) -> Result<Self, EndpointUrlError> {
        let url = Url::parse(text.trim()).map_err(|err| match err {
            url::ParseError::RelativeUrlWithoutBase => EndpointUrlError::Scheme,
            other => EndpointUrlError::Syntax(other.to_string()),
        })?;
        let host = url.host().ok_or(EndpointUrlError::Scheme)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            _ => return Err(EndpointUrlError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointUrlError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(EndpointUrlError::Fragment);
        }
        if is_forbidden_host(&host) {
            return Err(EndpointUrlError::LinkLocal);
        }
        Ok(Self(Arc::new(url)))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

/// Without the query, which may say more than a log should.
impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.as_str().split('?').next().unwrap_or_default();
        f.debug_tuple("EndpointUrl").field(&shown).finish()
    }
}

/// Where the client's id and secret are sent (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// As members of the body; a public client has an id only.
    #[default]
    Body,
    /// In `authorization: Basic`; both are needed.
    Basic,
}

/// How the request's body is written. RFC 6749 knows the form only; some providers want JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFormat {
    Json,
    #[default]
    Form,
}

/// A token endpoint and the client that is registered there.
#[derive(Clone)]
pub struct TokenEndpoint {
    pub url: EndpointUrl,
    pub client_id: Option<String>,
    pub client_secret: Option<SecretString>,
    pub client_auth: ClientAuth,
    pub format: BodyFormat,
    /// Asked for with `jwt_bearer` and `client_credentials`; the other grants carry theirs already.
    pub scope: Vec<String>,
    /// Sent as they are with every exchange, such as `federation_rule_id`. Not for secrets, and not for what the
    /// protocol itself sends.
    pub extra: BTreeMap<String, String>,
}

impl TokenEndpoint {
    /// An endpoint without a client, with a form body; the rest is set by the caller.
    #[must_use]
    pub fn new(url: EndpointUrl) -> Self {
        Self {
            url,
            client_id: None,
            client_secret: None,
            client_auth: ClientAuth::default(),
            format: BodyFormat::default(),
            scope: Vec::new(),
            extra: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .field("client_auth", &self.client_auth)
            .field("format", &self.format)
            .field("scope", &self.scope)
            .field("extra", &self.extra.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            (
                " https://a.example/v1/token?x=1 ",
                Ok("https://a.example/v1/token?x=1"),
            ),
            ("https://a.example/token/", Ok("https://a.example/token/")),
            ("http://127.0.0.1:9/token", Ok("http://127.0.0.1:9/token")),
            ("http://localhost/token", Ok("http://localhost/token")),
            ("http://[::1]:9/", Ok("http://[::1]:9/")),
            ("http://a.example/token", Err(EndpointUrlError::Scheme)),
            ("ftp://a.example/token", Err(EndpointUrlError::Scheme)),
            ("a.example/token", Err(EndpointUrlError::Scheme)),
            ("urn:ietf:wg:oauth:2.0:oob", Err(EndpointUrlError::Scheme)),
            ("https://u:p@a.example/", Err(EndpointUrlError::UserInfo)),
            ("https://a.example/#x", Err(EndpointUrlError::Fragment)),
            (
                "https://169.254.169.254/token",
                Err(EndpointUrlError::LinkLocal),
            ),
            ("https://[fe80::1]/token", Err(EndpointUrlError::LinkLocal)),
            (
                "https://metadata.google.internal/",
                Err(EndpointUrlError::LinkLocal),
            ),
        ] {
            let read = EndpointUrl::parse(text);
            let read = read.as_ref().map(EndpointUrl::as_str);
            assert_eq!(read, expected.as_ref().copied(), "{text}");
        }
        assert!(matches!(
            EndpointUrl::parse("https://"),
            Err(EndpointUrlError::Syntax(_))
        ));
    }

    #[test]
    fn debug_shows_no_values() {
        let mut endpoint =
            TokenEndpoint::new(EndpointUrl::parse("https://a.example/t?k=hush").unwrap());
        endpoint.client_secret = Some("hush".into());
        endpoint.extra.insert("name".into(), "hush".into());
        let shown = format!("{endpoint:?}");
        assert!(
            !shown.contains("hush") && shown.contains("https://a.example/t"),
            "{shown}"
        );
    }
}
