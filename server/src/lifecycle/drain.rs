//! How a process ends.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::App;
use crate::config::server::Drain;
use crate::gateway::{Gateway, Phase};

/// How often the requests that are left are counted.
const LOOK: Duration = Duration::from_millis(20);
/// For streams that are cut to be told so.
const FAREWELL: Duration = Duration::from_secs(1);
/// For conversations that waited to be deleted.
const FAREWELL_TO_BODIES: Duration = Duration::from_secs(5);
const FAREWELL_TO_CHATS: Duration = Duration::from_secs(5);

/// SIGTERM and SIGINT; SIGHUP, which the configuration's watcher waits for, no longer ends the process.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
    _hangup: Signal,
}

impl Signals {
    /// # Errors
    /// The signals cannot be listened to.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next of them.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Finishes what runs. `false` when it had to be forced.
pub async fn drain(
    gateway: &Gateway,
    http: ServerHandle,
    settings: &Drain,
    mut signals: Signals,
) -> bool {
    gateway.set_phase(Phase::Draining);
    tracing::info!(requests = gateway.load.requests(), "draining");
    let deadline = Instant::now() + settings.delay.get() + settings.max.get();
    let finished = async {
        sleep(settings.delay.get()).await;
        http.pause().await;
        while gateway.load.requests() > 0 {
            sleep(LOOK).await;
        }
    };
    let clean = tokio::select! {
        () = finished => true,
        () = signals.recv() => false,
        () = sleep_until(deadline) => false,
    };
    if !clean {
        tracing::warn!(requests = gateway.load.requests(), "drain was cut short");
        gateway.set_phase(Phase::Stopping);
        let told = async {
            while gateway.load.requests() > 0 {
                sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, told).await;
    }
    http.stop(clean).await;
    clean
}

/// Stops actors, then the trail and the store; `clean`: nothing was cut short. `false` when something could not be written.
pub async fn stop(app: App, clean: bool) -> bool {
    let App {
        gateway,
        operations,
        backend,
        reloader,
        ..
    } = app;
    drop((operations, reloader));
    gateway.directory.drain().await;
    let written = tokio::time::timeout(FAREWELL_TO_BODIES, gateway.bodies.flush());
    if written.await.is_err() {
        tracing::warn!("bodies that wait to be written are lost");
    }
    gateway.web.settle(FAREWELL_TO_CHATS).await;
    let audit = gateway.audit.clone();
    super::told::stopped(&audit, clean).await;
    let directory = std::sync::Arc::clone(&gateway.directory);
    drop(gateway);
    audit.close().await;
    // Workers let go of it when their threads end; if one lingers, the process's end stops the arbiters.
    let _ = directory.finish();
    match backend.close().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "the store did not close cleanly");
            false
        }
    }
}
