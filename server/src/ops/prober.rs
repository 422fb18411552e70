//! The upstream's probe as the core's port.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use troupe_core::account::{AccountView, Probe};
use troupe_core::port::Prober;
use troupe_upstream::BaseUrl;

/// Probes accounts over the network. Ends within the upstream client's deadlines.
#[derive(Debug, Default)]
pub struct UpstreamProber(troupe_upstream::Prober);

impl UpstreamProber {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Prober for UpstreamProber {
    fn probe(&self, account: Arc<AccountView>) -> Pin<Box<dyn Future<Output = Probe> + Send + '_>> {
        Box::pin(async move {
            let base = match BaseUrl::parse(&account.base_url) {
                Ok(base) => base,
                Err(error) => {
                    let message = format!("base_url {error}");
                    return Probe::Inconclusive { message };
                }
            };
            let credential = &account.credential;
            self.0
                .probe(
                    &base,
                    credential.scheme,
                    &credential.secret,
                    &account.headers,
                )
                .await
        })
    }
}
