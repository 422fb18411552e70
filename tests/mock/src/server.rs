//! Starts and stops a mock.
//!
//! Invariant: all its connections end with it, and its port is free afterwards.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection;
use crate::journal::Journal;
use crate::oauth::{Oauth, OauthConfig};
use crate::scenario::Scenario;
use crate::state::State;
use crate::web::Web;

/// How a mock is set up.
#[derive(Debug, Clone)]
pub struct MockConfig {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Credentials that are accepted, as `x-api-key` or bearer; empty accepts every request.
    pub require_keys: Vec<String>,
    /// Whether answers carry `anthropic-ratelimit-*`.
    pub rate_limit_headers: bool,
    /// Answers what nothing else was scripted for.
    pub default_scenario: Scenario,
    /// Pause after each read of a request's body, to be a slow reader.
    pub read_delay: Duration,
    /// Entries that the journal keeps.
    pub journal_entries: usize,
    /// Bytes of bodies that the journal keeps; the newest entry is always kept.
    pub journal_body_bytes: usize,
    /// What the authorization server expects and gives.
    pub oauth: OauthConfig,
    /// Ids of what it makes count from the number after this: those of two mocks then differ, as those of one service.
    pub last_serial: u64,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            require_keys: Vec::new(),
            rate_limit_headers: true,
            default_scenario: Scenario::default(),
            read_delay: Duration::ZERO,
            journal_entries: 1_000,
            journal_body_bytes: 256 * 1024 * 1024,
            oauth: OauthConfig::default(),
            last_serial: 0,
        }
    }
}

/// Starts mocks.
#[derive(Debug)]
pub struct Mock;

impl Mock {
    /// Listens and serves on the caller's runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(config: MockConfig) -> io::Result<MockServer> {
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(config));
        let (stop, stopping) = watch::channel(false);
        let (ended, over) = watch::channel(false);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            accept(shared, listener, stopping).await;
            ended.send_replace(true);
        });
        Ok(MockServer {
            state,
            address,
            stop,
            over,
        })
    }

    /// Listens and serves on a thread of its own, for callers whose runtime is busy or absent.
    ///
    /// # Errors
    /// When the address cannot be bound or the thread cannot be started.
    pub fn start_on_thread(config: MockConfig) -> io::Result<MockServer> {
        let (started, server) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("troupe-mock".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let start =
                    |runtime: &tokio::runtime::Runtime| runtime.block_on(Self::start(config));
                let server =
                    runtime.and_then(|runtime| start(&runtime).map(|server| (runtime, server)));
                let (server, running) = match server {
                    Ok((runtime, server)) => {
                        let over = server.over.clone();
                        (Ok(server), Some((runtime, over)))
                    }
                    Err(error) => (Err(error), None),
                };
                // Errors mean that the caller or the accept loop is gone, which is the end as well.
                let _ = started.send(server);
                if let Some((runtime, mut over)) = running {
                    let _ = runtime.block_on(over.wait_for(|over| *over));
                }
            })?;
        server
            .recv()
            .map_err(|_| io::Error::other("the mock's thread ended"))?
    }
}

async fn accept(state: Arc<State>, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            // An error means that the server was dropped.
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        if let Ok((stream, _)) = accepted {
            spawn(&mut connections, &state, stream);
        }
    }
    drop(listener);
    connections.shutdown().await;
}

fn spawn(connections: &mut JoinSet<()>, state: &Arc<State>, stream: TcpStream) {
    // A client that has already left is noticed when its request is read.
    let _ = stream.set_nodelay(true);
    connections.spawn(connection::serve(Arc::clone(state), stream));
}

/// A running mock; dropped, it stops.
pub struct MockServer {
    state: Arc<State>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    over: watch::Receiver<bool>,
}

impl MockServer {
    /// `http://address:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What reached the mock.
    pub fn journal(&self) -> Journal {
        self.state.journal.clone()
    }

    /// Logins, tokens and their families.
    pub fn oauth(&self) -> Oauth {
        Oauth::new(Arc::clone(&self.state.oauth))
    }

    /// Conversations, files and streams of the web-session surface.
    pub fn web(&self) -> Web {
        Web::new(Arc::clone(&self.state.web))
    }

    /// Client connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.state.journal.open_connections()
    }

    /// Appends answers; each is consumed by one `POST /v1/messages`, or by one request to its own
    /// `path`, or by one request to its `web` endpoint.
    pub fn script(&self, answers: impl IntoIterator<Item = Scenario>) {
        self.state.script().extend(answers);
    }

    /// Scripted answers that were not consumed yet.
    pub fn scripted(&self) -> usize {
        self.state.script().len()
    }

    pub fn clear_script(&self) {
        self.state.script().clear();
    }

    /// Answers every request with this credential so, what was scripted apart; `None` ends that.
    pub fn treat(&self, credential: &str, scenario: Option<Scenario>) {
        let mut treated = self.state.treated();
        match scenario {
            Some(scenario) => treated.insert(credential.to_owned(), scenario),
            None => treated.remove(credential),
        };
    }

    /// Closes the port and all connections, and returns when that is done.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // An error means that the accept loop is gone, which is the end as well.
        let _ = self.over.wait_for(|over| *over).await;
    }
}

impl fmt::Debug for MockServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
