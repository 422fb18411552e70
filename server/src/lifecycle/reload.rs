//! The running process follows its configuration until a signal ends it.

use std::path::PathBuf;

use actix_web::dev::ServerHandle;
use tokio::sync::mpsc::Receiver;

use super::drain::{self, Signals};
use super::told;
use crate::app::App;
use crate::config::server::Drain;
use crate::config::{Sources, load, watch};

/// The files that are watched, and what tells of their changes.
pub(super) struct Watching(Vec<PathBuf>, (Option<watch::Watcher>, Receiver<()>));

impl Watching {
    pub(super) fn start(inputs: &[PathBuf]) -> Self {
        Self(inputs.to_owned(), watching(inputs))
    }
}

/// What tells of changes of these files. When it cannot be made, the configuration stays as it is.
fn watching(inputs: &[PathBuf]) -> (Option<watch::Watcher>, Receiver<()>) {
    match watch::watch(inputs.to_owned()) {
        Ok((watcher, changes)) => (Some(watcher), changes),
        Err(error) => {
            tracing::error!(%error, "the configuration is not watched");
            (None, tokio::sync::mpsc::channel(1).1)
        }
    }
}

/// Applies changes as they come; at a signal drains and returns whether that was clean.
pub(super) async fn follow(
    app: &App,
    sources: &Sources,
    first: Watching,
    mut signals: Signals,
    http: ServerHandle,
    settings: &Drain,
) -> bool {
    let (mut inputs, (mut _watcher, mut changes)) = (first.0, first.1);
    loop {
        loop {
            tokio::select! {
                () = signals.recv() => return drain::drain(&app.gateway, http, settings, signals).await,
                () = app.gateway.directory.tree().lost() => {
                    tracing::error!("an actor that the node cannot do without is lost; the process ends");
                    drain::drain(&app.gateway, http, settings, signals).await;
                    return false;
                }
                Some(()) = changes.recv() => {}
            }
            if let Some(new_inputs) = apply(app, sources).await
                && new_inputs != inputs
            {
                inputs = new_inputs;
                break;
            }
        }
        (_watcher, changes) = watching(&inputs);
    }
}

/// Loads and takes over; the old configuration stays when anything is wrong. Returns the files to watch.
async fn apply(app: &App, sources: &Sources) -> Option<Vec<PathBuf>> {
    let before = app.reloader.current();
    let applied =
        load(sources).and_then(|loaded| Ok((app.reloader.apply(loaded.config)?, loaded.inputs)));
    match applied {
        Ok((report, inputs)) => {
            if report.changed {
                metrics::counter!("troupe_config_reloads_total", "outcome" => "applied")
                    .increment(1);
                tracing::info!("configuration reloaded");
                let (audit, after) = (&app.gateway.audit, app.reloader.current());
                told::reloaded(audit, &before, &after, &report.needs_restart).await;
            }
            if !report.needs_restart.is_empty() {
                tracing::warn!(keys = ?report.needs_restart, "these changes need a restart");
            }
            Some(inputs)
        }
        Err(errors) => {
            metrics::counter!("troupe_config_reloads_total", "outcome" => "rejected").increment(1);
            tracing::error!(%errors, "the new configuration is rejected, the old one stays");
            told::rejected(&app.gateway.audit, &errors.to_string()).await;
            None
        }
    }
}
