//! How an account reaches its upstream: directly or by a proxy, and whose certificates it trusts.
//!
//! Invariant: no text made here holds a proxy's user or password; certificates are always verified, a CA of the
//! operator's is trusted beside the system's roots, never in their place; connections of one network are never used for
//! another.

mod control;
mod proxy;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::tls::{self, TlsSetupError};

pub(crate) use control::describe;
pub(crate) use proxy::{Credential, Proxy, ProxyScheme};

/// A file of certificates is not larger; the whole of a system's roots is a fifth of it.
const CA_MAX_BYTES: usize = 1024 * 1024;

/// Why a proxy or a CA cannot be used; never holds what the proxy's URL says of user and password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("proxy is not a URL: {0}")]
    ProxySyntax(String),
    #[error("proxy must start with http://, https://, socks5:// or socks5h://")]
    ProxyScheme,
    #[error("proxy has no host")]
    ProxyNoHost,
    #[error("proxy must be a host and a port, without path, query or fragment")]
    ProxyPath,
    #[error("proxy's user or password cannot be sent: {0}")]
    ProxyUserInfo(&'static str),
    #[error("proxy is a link-local or metadata address")]
    ProxyLinkLocal,
    #[error("ca cannot be read: {0}; give certificates in PEM")]
    Ca(String),
    #[error("ca holds no certificate; give certificates in PEM")]
    CaEmpty,
    #[error("ca is larger than {CA_MAX_BYTES} bytes")]
    CaTooLarge,
}

/// Which network, for as long as the process lives; a number is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NetworkKey(u64);

// === impl NetworkKey ===

impl NetworkKey {
    pub(crate) const DIRECT: Self = Self(0);

    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A way to the upstream. Clones are the same network and share its connections; two that were made apart are not, even
/// when made of the same texts: make one an account, when its settings are new. The direct one costs nothing.
#[derive(Clone, Default)]
pub struct Network(Option<Arc<Inner>>);

struct Inner {
    key: NetworkKey,
    proxy: Option<Proxy>,
    ca: Vec<CertificateDer<'static>>,
    /// Made when the first certificate is to be verified.
    tls: OnceLock<Arc<ClientConfig>>,
    control: OnceLock<reqwest::Client>,
    stream: OnceLock<reqwest::Client>,
}

// === impl Network ===

impl Network {
    /// `proxy` is `http://`, `https://`, `socks5://` (names are resolved here) or `socks5h://` (by the proxy), with
    /// `user:password@` in percent-encoding where it asks for them; without a port 80, 443 and 1080 are meant. `ca_pem`
    /// is one certificate or several.
    pub fn new(proxy: Option<&SecretString>, ca_pem: Option<&[u8]>) -> Result<Self, NetworkError> {
        let proxy = proxy
            .map(|text| Proxy::parse(text.expose_secret()))
            .transpose()?;
        let ca = ca_pem.map(certificates).transpose()?.unwrap_or_default();
        if proxy.is_none() && ca.is_empty() {
            return Ok(Self::direct());
        }
        Ok(Self(Some(Arc::new(Inner {
            key: NetworkKey::next(),
            proxy,
            ca,
            tls: OnceLock::new(),
            control: OnceLock::new(),
            stream: OnceLock::new(),
        }))))
    }

    /// No proxy, the system's roots.
    #[must_use]
    pub const fn direct() -> Self {
        Self(None)
    }

    /// The proxy as scheme, host and port, for logs and messages.
    #[must_use]
    pub fn proxy_label(&self) -> Option<&str> {
        Some(&*self.proxy()?.label)
    }

    pub(crate) fn key(&self) -> NetworkKey {
        self.0.as_ref().map_or(NetworkKey::DIRECT, |own| own.key)
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.0.as_ref()?.proxy.as_ref()
    }

    /// The data path's TLS settings.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, TlsSetupError> {
        let Some(own) = self.0.as_ref().filter(|own| !own.ca.is_empty()) else {
            return tls::system();
        };
        if let Some(made) = own.tls.get() {
            return Ok(made.clone());
        }
        let made = tls::data_path(self.roots()?)?;
        Ok(own.tls.get_or_init(|| made).clone())
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TlsSetupError> {
        match &self.0 {
            Some(own) if !own.ca.is_empty() => tls::roots_with(&own.ca),
            _ => tls::system_roots(),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(own) = &self.0 else {
            return f.write_str("Network(direct)");
        };
        f.debug_struct("Network")
            .field("proxy", &self.proxy_label())
            .field("ca_certificates", &own.ca.len())
            .finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetworkError> {
    if pem.len() > CA_MAX_BYTES {
        return Err(NetworkError::CaTooLarge);
    }
    let bad = |err: &dyn fmt::Display| NetworkError::Ca(err.to_string());
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|err| bad(&err))?;
    if found.is_empty() {
        return Err(NetworkError::CaEmpty);
    }
    let mut tried = RootCertStore::empty();
    for certificate in &found {
        tried.add(certificate.clone()).map_err(|err| bad(&err))?;
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests;
