//! The upstream's probe as the core's port.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use troupe_core::account::{AccountView, Auth, Credential, Probe, ProbeKind};
use troupe_core::port::Prober;
use troupe_upstream::web::WebAccount;
use troupe_upstream::{BaseUrl, Network};

use crate::networks::Networks;

/// Are web sessions switched on now?
type Consent = Box<dyn Fn() -> bool + Send + Sync>;

/// Probes accounts over their own networks. Ends within the upstream client's deadlines.
#[derive(Default)]
pub struct UpstreamProber {
    upstream: troupe_upstream::Prober,
    networks: Arc<Networks>,
    /// Without one no web session is asked.
    consent: OnceLock<Consent>,
}

impl std::fmt::Debug for UpstreamProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamProber")
    }
}

impl UpstreamProber {
    #[must_use]
    pub fn new(networks: Arc<Networks>) -> Self {
        Self {
            upstream: troupe_upstream::Prober,
            networks,
            consent: OnceLock::new(),
        }
    }

    /// Says when web sessions may be asked; the first call counts.
    pub fn web_allowed(&self, consent: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.consent.set(Box::new(consent));
    }

    async fn ask(
        &self,
        account: &AccountView,
        auth: Auth,
        kind: ProbeKind,
    ) -> Result<Probe, String> {
        let network = self.networks.of(account).map_err(|e| e.to_string())?;
        let credential = account
            .lane(auth)
            .and_then(|lane| lane.credential.as_ref())
            .ok_or("there is no token yet; log in with `troupe account login`")?;
        let record = &account.record;
        if auth == Auth::Web {
            if !self.consent.get().is_some_and(|allowed| allowed()) {
                return Err("web sessions are off (`web_session` in the configuration)".into());
            }
            return web(&network, account, credential).await;
        }
        let base = BaseUrl::parse(&record.base_url).map_err(|e| format!("base_url {e}"))?;
        let asked = troupe_upstream::ProbeRequest {
            network: &network,
            base: &base,
            credential,
            headers: &record.headers,
            kind,
            models: &record.models,
        };
        Ok(self.upstream.probe(asked).await)
    }
}

impl Prober for UpstreamProber {
    fn probe(
        &self,
        account: Arc<AccountView>,
        auth: Auth,
        kind: ProbeKind,
    ) -> Pin<Box<dyn Future<Output = Probe> + Send + '_>> {
        Box::pin(async move {
            let asked = self.ask(&account, auth, kind).await;
            asked.unwrap_or_else(|message| Probe::Inconclusive { message })
        })
    }
}

async fn web(
    network: &Network,
    account: &AccountView,
    credential: &Credential,
) -> Result<Probe, String> {
    let settings = account.record.web.as_ref();
    let settings = settings.ok_or("the account has no web settings")?;
    let session = WebAccount {
        base: BaseUrl::parse(&settings.base_url).map_err(|e| format!("web.base_url {e}"))?,
        cookie: credential.secret.clone(),
        organization: None,
        wanted: settings.organization.clone(),
        headers: account.record.headers.clone(),
    };
    let http = network.stream_client()?;
    Ok(troupe_upstream::web::probe(&http, &session).await)
}
