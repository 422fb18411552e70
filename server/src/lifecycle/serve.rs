//! `troupe serve`.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::oneshot;

use super::{drain, reload};
use crate::app::{App, DEFAULT_KEY, FirstKey, StartError};
use crate::config::server::Threads;
use crate::config::{Flags, Loaded, Sources, load};
use crate::gateway::Phase;
use crate::{control, http, telemetry};

/// From the command line.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    pub config: Option<PathBuf>,
    pub bind: Option<String>,
    pub workers: Option<u32>,
}

/// Exit codes: a clean end, a failure, a wrong argument, a wrong configuration.
pub(super) const DONE: i32 = 0;
pub(super) const FAILED: i32 = 1;
pub(super) const USAGE: i32 = 2;
const CONFIGURATION: i32 = 64;

/// Threads for effects and the control socket.
const IO_THREADS: usize = 2;

/// Runs until a signal; returns the exit code.
#[must_use]
pub fn serve(options: ServeOptions) -> i32 {
    let flags = Flags {
        bind: options.bind,
        workers: options.workers.map(|w| w.to_string()),
    };
    let mut sources = Sources::of_process(options.config, flags);
    match load(&sources) {
        Ok(loaded) => {
            // A reload reads the file of the start: were it searched for again, one that has gone would be an empty one.
            sources.file = loaded.file.clone().or(sources.file);
            run(loaded, sources, announce)
        }
        Err(errors) => {
            complain(&errors.to_string());
            CONFIGURATION
        }
    }
}

/// Builds and runs a loaded configuration; `announce` is called once it listens.
pub(super) fn run(loaded: Loaded, sources: Sources, announce: impl FnOnce(&App, &str)) -> i32 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let log = telemetry::init_log(&loaded.config.telemetry.log);
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    for warning in crate::config::warnings(&loaded.config) {
        tracing::warn!("{warning}");
    }
    let io = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("control")
        .enable_all()
        .build();
    let io = match io {
        Ok(io) => io,
        Err(error) => {
            complain(&format!("cannot start the control threads: {error}"));
            return FAILED;
        }
    };
    let handle = io.handle().clone();
    let code = actix_rt::System::new().block_on(async move {
        match live(&loaded, sources, log, handle, announce).await {
            Ok(code) => code,
            Err(Failure { code, message }) => {
                complain(&message);
                code
            }
        }
    });
    io.shutdown_timeout(Duration::from_secs(5));
    code
}

/// Why it does not run, and the exit code that says so.
struct Failure {
    code: i32,
    message: String,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self {
            code: FAILED,
            message,
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::Keyring(_) | StartError::Declared(_) => CONFIGURATION,
            _ => FAILED,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

async fn live(
    loaded: &Loaded,
    sources: Sources,
    log: telemetry::LogFilter,
    io: tokio::runtime::Handle,
    announce: impl FnOnce(&App, &str),
) -> Result<i32, Failure> {
    // First of all: from here on a signal waits for the drain and ends nothing by itself.
    let signals = drain::Signals::new().map_err(|error| error.to_string())?;
    let config = &loaded.config;
    let bind = config.server.bind;
    let listener = listen(bind, "server.bind")?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let metrics = config
        .telemetry
        .metrics
        .bind
        .map(|bind| listen(bind, "telemetry.metrics.bind"))
        .transpose()?;
    let app = App::build(loaded, log, sources.cwd.clone(), io.clone()).await?;
    let (stop_control, control_stops) = oneshot::channel::<()>();
    let control = start_control(&app, &io, control_stops).await?;
    let server = http::serve(&app.gateway, listener, threads(config.server.threads))
        .map_err(|error| error.to_string())?;
    let http = server.handle();
    actix_rt::spawn(server);
    if let Some(listener) = metrics {
        actix_rt::spawn(
            http::serve_metrics(&app.gateway, listener).map_err(|error| error.to_string())?,
        );
    }
    let upkeep = actix_rt::spawn({
        let telemetry = Arc::clone(&app.gateway.telemetry);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(5));
            loop {
                ticks.tick().await;
                telemetry.upkeep();
            }
        }
    });
    let member = app.gateway.members.this();
    tracing::info!(node = %member.node, boot.epoch = member.boot_epoch, %address, "ready");
    super::told::started(&app.gateway.audit, &address.to_string()).await;
    // Before anybody hears that it is ready: who changes the file then is heard.
    let watching = reload::Watching::start(&loaded.inputs);
    app.gateway.set_phase(Phase::Ready);
    announce(&app, &format!("http://{address}"));
    let drain = &config.server.drain;
    let clean = reload::follow(&app, &sources, watching, signals, http, drain).await;
    upkeep.abort();
    let _ = stop_control.send(());
    if let Some(control) = control {
        let _ = control.await;
    }
    let stored = drain::stop(app, clean).await;
    Ok(if clean && stored { DONE } else { FAILED })
}

/// The control socket, for a gateway that has a data folder.
async fn start_control(
    app: &App,
    io: &tokio::runtime::Handle,
    stops: oneshot::Receiver<()>,
) -> Result<Option<tokio::task::JoinHandle<()>>, String> {
    let Some(folder) = app.backend.data_dir.clone() else {
        return Ok(None);
    };
    let operations = Arc::new(app.operations.clone());
    let bound = io
        .spawn(async move { control::Server::bind(&folder).await })
        .await
        .map_err(|error| error.to_string())?;
    let server = bound.map_err(|error| error.to_string())?;
    let stopped = async move {
        let _ = stops.await;
    };
    Ok(Some(io.spawn(server.run(operations, stopped))))
}

fn listen(address: std::net::SocketAddr, key: &str) -> Result<TcpListener, String> {
    let bound = || {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            None,
        )?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(2_048)?;
        socket.set_nonblocking(true)?;
        Ok::<TcpListener, std::io::Error>(socket.into())
    };
    bound().map_err(|error| format!("cannot listen on {address} ({key}): {error}"))
}

fn threads(threads: Threads) -> usize {
    match threads {
        Threads::Count(count) => usize::from(count.get()),
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// What an operator must see at the start.
fn announce(app: &App, url: &str) {
    say(&format!(
        "troupe {} listens on {url}",
        env!("CARGO_PKG_VERSION")
    ));
    match &app.first_key {
        FirstKey::Made(secret) => {
            let secret = secret.expose_secret();
            let curl = super::demo::curl(url, secret);
            let told = say(&format!(
                "API key `{DEFAULT_KEY}` (shown only this once): {secret}\n\n{curl}\n"
            ));
            if !told {
                tracing::warn!(
                    "the first key could not be printed; see it with `troupe key rotate {DEFAULT_KEY}`"
                );
            }
        }
        FirstKey::Known(prefix) => {
            say(&format!(
                "API key `{DEFAULT_KEY}`: {prefix}… (a new secret: troupe key rotate {DEFAULT_KEY})"
            ));
        }
        FirstKey::Other => {}
    }
    if app.gateway.directory.accounts().is_empty() {
        say("no account yet: troupe account add NAME --kind api_key --api-key-stdin");
    }
}

/// A line on stdout; false when nobody reads it, which ends no gateway.
pub(super) fn say(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Why it does not run, on stderr: where the operator looks, also before there is a log.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
