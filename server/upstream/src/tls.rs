//! TLS for both clients: ring, the system's roots and those of an account's network, TLS 1.2 and 1.3.
//!
//! Invariant: certificates are always verified. The roots are read once a process, when the first https upstream is met:
//! a gateway in front of plain http never holds them.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

/// No TLS can be spoken here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsSetupError {
    #[error("no system root certificates found; install ca-certificates or set SSL_CERT_FILE")]
    NoRoots,
    #[error("the TLS library refused its settings: {0}")]
    Settings(String),
}

/// The data path's settings with the system's roots. A failure is not remembered: installing roots mends it.
pub(crate) fn system() -> Result<Arc<ClientConfig>, TlsSetupError> {
    static SHARED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared.clone());
    }
    let config = data_path(system_roots()?)?;
    Ok(SHARED.get_or_init(|| config).clone())
}

/// The data path's settings with these roots; offers `http/1.1` only.
pub(crate) fn data_path(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut config = build(roots)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The control plane's settings; its client chooses the protocols.
pub(crate) fn control_plane(roots: Arc<RootCertStore>) -> Result<ClientConfig, TlsSetupError> {
    build(roots)
}

/// For plain http where no roots are installed; any https fails.
pub(crate) fn without_roots() -> Result<ClientConfig, TlsSetupError> {
    build(Arc::new(RootCertStore::empty()))
}

fn build(roots: Arc<RootCertStore>) -> Result<ClientConfig, TlsSetupError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|err| TlsSetupError::Settings(err.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The system's roots and these. A machine without roots trusts these alone.
pub(crate) fn roots_with(
    more: &[CertificateDer<'static>],
) -> Result<Arc<RootCertStore>, TlsSetupError> {
    let mut roots = system_roots().map_or_else(|_| RootCertStore::empty(), |own| (*own).clone());
    for certificate in more {
        roots
            .add(certificate.clone())
            .map_err(|err| TlsSetupError::Settings(err.to_string()))?;
    }
    Ok(Arc::new(roots))
}

pub(crate) fn system_roots() -> Result<Arc<RootCertStore>, TlsSetupError> {
    static SHARED: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared.clone());
    }
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TlsSetupError::NoRoots);
    }
    Ok(SHARED.get_or_init(|| Arc::new(roots)).clone())
}
