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
use troupe_core::account::{AccountView, Credential};
use troupe_upstream::{
    AccountHeaders, AccountHeadersError, BaseUrl, BaseUrlError, UpstreamClient, client::Settings,
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
    /// Counts requests, so that equal accounts take turns.
    turn: Cell<usize>,
    routes: RefCell<HashMap<AccountId, Rc<AccountRoute>>>,
}

/// An account as this worker reaches it: parsed once per credential.
#[derive(Debug)]
pub struct AccountRoute {
    credential: Arc<Credential>,
    base_text: Arc<str>,
    pub base: BaseUrl,
    pub headers: AccountHeaders,
}

/// An account's settings cannot be used; names the account's fault, never its secret.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    #[error(transparent)]
    Base(#[from] BaseUrlError),
    #[error(transparent)]
    Headers(#[from] AccountHeadersError),
}

impl Worker {
    /// Starts the worker's ticker on the calling thread; it ends with the thread.
    #[must_use]
    pub fn start(gateway: Arc<Gateway>) -> Rc<Self> {
        let worker = Rc::new(Self {
            outbox: Outbox::new(Arc::clone(&gateway)),
            client: UpstreamClient::new(Settings::default()),
            streams: Streams::new(gateway.directory.clock().now().mono_ms),
            turn: Cell::new(0),
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

    /// How to reach an account; parsed when its credential or address is new.
    ///
    /// # Errors
    /// The account's settings make no valid request.
    pub fn route(&self, account: &AccountView) -> Result<Rc<AccountRoute>, RouteError> {
        if let Some(route) = self.routes.borrow().get(&account.id)
            && Arc::ptr_eq(&route.credential, &account.credential)
            && route.base_text == account.base_url
        {
            return Ok(Rc::clone(route));
        }
        use secrecy::ExposeSecret;
        let credential = &account.credential;
        let route = Rc::new(AccountRoute {
            credential: Arc::clone(credential),
            base_text: Arc::clone(&account.base_url),
            base: BaseUrl::parse(&account.base_url)?,
            headers: AccountHeaders::new(
                credential.scheme,
                credential.secret.expose_secret(),
                &account.headers,
            )?,
        });
        let mut routes = self.routes.borrow_mut();
        // A new route is rare: the moment to let go of accounts that are gone, and of their credentials.
        routes.retain(|id, _| self.gateway.directory.account(*id).is_some());
        routes.insert(account.id, Rc::clone(&route));
        drop(routes);
        Ok(route)
    }
}
