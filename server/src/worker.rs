//! What one HTTP worker owns: its upstream client, its outbox, and the streams that are open on it.
//!
//! Invariant: nothing here is shared with another worker; no lock, one thread.

mod outbox;
mod streams;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use troupe_core::AccountId;
use troupe_core::account::{
    AccountRecord, AccountView, Auth, AuthScheme, Credential, Reach, Scheme,
};
use troupe_upstream::breaker::Breaker;
use troupe_upstream::network::NetworkError;
use troupe_upstream::{
    AccountHeaders, AccountHeadersError, BaseUrl, BaseUrlError, Network, UpstreamClient,
    client::Settings,
};

use crate::gateway::Gateway;

pub use outbox::Outbox;
pub use streams::{Streams, Watched};

/// How often the worker looks after its open streams; the resolution of keep-alives and idle timeouts.
pub const TICK: Duration = Duration::from_millis(250);

/// One HTTP worker.
#[derive(Debug)]
pub struct Worker {
    pub gateway: Arc<Gateway>,
    pub client: UpstreamClient,
    pub outbox: Outbox,
    pub streams: Streams,
    /// Counts choices, so that equal accounts take turns.
    turn: Cell<usize>,
    routes: RefCell<HashMap<(AccountId, Auth), Rc<AccountRoute>>>,
}

/// A credential of an account as this worker reaches its upstream: made once for each set of settings.
#[derive(Debug)]
pub struct AccountRoute {
    made_of: MadeOf,
    pub base: BaseUrl,
    pub headers: AccountHeaders,
    pub network: Network,
    pub breaker: Arc<Breaker>,
    /// When a nonsense of its upstream's was logged last, as the worker's clock told (ms); 0 for never.
    complained_ms: Cell<u64>,
}

/// An upstream that tells nonsense tells it with each answer.
const COMPLAIN_EVERY_MS: u64 = 60_000;

impl AccountRoute {
    /// Is it time to log, once more, that the upstream tells nonsense?
    #[must_use]
    pub fn may_complain(&self, now_ms: u64) -> bool {
        let last = self.complained_ms.get();
        let may = last == 0 || now_ms.saturating_sub(last) >= COMPLAIN_EVERY_MS;
        if may {
            self.complained_ms.set(now_ms.max(1));
        }
        may
    }
}

/// What a route was made of, by identity.
#[derive(Debug)]
struct MadeOf {
    record: Arc<AccountRecord>,
    reach: Arc<Reach>,
    credential: Arc<Credential>,
}

/// An account's settings cannot be used; names the account's fault, never its secret.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    #[error(transparent)]
    Base(#[from] BaseUrlError),
    #[error(transparent)]
    Headers(#[from] AccountHeadersError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the account has no such credential")]
    NoCredential,
}

impl Worker {
    /// Starts the worker's ticker on the calling thread; it ends with the thread.
    #[must_use]
    pub fn start(gateway: Arc<Gateway>) -> Rc<Self> {
        let worker = Rc::new(Self {
            outbox: Outbox::new(Arc::clone(&gateway)),
            client: UpstreamClient::new(Settings::default()),
            streams: Streams::new(gateway.directory.clock().now().mono_ms),
            // Workers that begin at different places do not move in step.
            turn: Cell::new(usize::from(uuid::Uuid::now_v7().as_bytes()[15]) << 8),
            routes: RefCell::default(),
            gateway,
        });
        let ticking = Rc::downgrade(&worker);
        actix_web::rt::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(worker) = ticking.upgrade() else {
                    return;
                };
                worker.streams.tick(&worker.gateway);
            }
        });
        worker
    }

    /// The next place in the rotation of equal accounts.
    #[must_use]
    pub fn next_turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// How to reach an account with one of its credentials; made when the credential or the settings are new.
    ///
    /// # Errors
    /// The account's settings make no valid request.
    pub fn route(&self, account: &AccountView, auth: Auth) -> Result<Rc<AccountRoute>, RouteError> {
        let credential = account.lane(auth).and_then(|lane| lane.credential.as_ref());
        let credential = credential.ok_or(RouteError::NoCredential)?;
        let place = (account.id(), auth);
        if let Some(route) = self.routes.borrow().get(&place)
            && Arc::ptr_eq(&route.made_of.credential, credential)
            && Arc::ptr_eq(&route.made_of.record, &account.record)
            && Arc::ptr_eq(&route.made_of.reach, &account.reach)
        {
            return Ok(Rc::clone(route));
        }
        let route = Rc::new(self.make_route(account, auth, credential)?);
        let mut routes = self.routes.borrow_mut();
        // A new route is rare: the moment to let go of accounts that are gone, and of their credentials.
        let accounts = self.gateway.directory.accounts();
        routes.retain(|(id, _), _| accounts.place(*id).is_some());
        routes.insert(place, Rc::clone(&route));
        drop(routes);
        Ok(route)
    }

    fn make_route(
        &self,
        account: &AccountView,
        auth: Auth,
        credential: &Arc<Credential>,
    ) -> Result<AccountRoute, RouteError> {
        use secrecy::ExposeSecret;
        let record = &account.record;
        let base = match (&record.web, auth) {
            (Some(web), Auth::Web) => BaseUrl::parse(&web.base_url)?,
            _ => BaseUrl::parse(&record.base_url)?,
        };
        let headers = match credential.scheme {
            // The web surface takes the session alone, and its adapter writes it.
            Scheme::Cookie => AccountHeaders::none(),
            Scheme::XApiKey | Scheme::Bearer => {
                let scheme = match credential.scheme {
                    Scheme::Bearer => AuthScheme::Bearer,
                    _ => AuthScheme::XApiKey,
                };
                AccountHeaders::new(scheme, credential.secret.expose_secret(), &record.headers)?
            }
        };
        Ok(AccountRoute {
            made_of: MadeOf {
                record: Arc::clone(record),
                reach: Arc::clone(&account.reach),
                credential: Arc::clone(credential),
            },
            breaker: self.gateway.breakers.host(base.authority()),
            base,
            headers,
            complained_ms: Cell::new(0),
            network: self.gateway.networks.of(account)?,
        })
    }
}
