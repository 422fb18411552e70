//! The running process follows its configuration until a signal ends it.

use actix_web::dev::ServerHandle;

use super::drain::{self, Signals};
use super::told;
use crate::app::App;
use crate::config::server::Drain;
use crate::config::{Loaded, Sources, load, watch};

/// Applies changes as they come; at a signal drains and returns whether that was clean.
pub(super) async fn follow(
    app: &App,
    sources: &Sources,
    loaded: &Loaded,
    mut signals: Signals,
    http: ServerHandle,
    settings: &Drain,
) -> bool {
    let mut inputs = loaded.inputs.clone();
    loop {
        let (watcher, mut changes) = match watch::watch(inputs.clone()) {
            Ok((watcher, changes)) => (Some(watcher), changes),
            Err(error) => {
                tracing::error!(%error, "the configuration is not watched");
                let (_closed, changes) = tokio::sync::mpsc::channel(1);
                (None, changes)
            }
        };
        // What changed since it was read, and before it was watched, no event tells.
        let mut is_read = false;
        loop {
            let change = async {
                if std::mem::replace(&mut is_read, true) {
                    changes.recv().await
                } else {
                    Some(())
                }
            };
            tokio::select! {
                () = signals.recv() => return drain::drain(&app.gateway, http, settings, signals).await,
                () = app.gateway.directory.tree().lost() => {
                    tracing::error!("an actor that the node cannot do without is lost; the process ends");
                    drain::drain(&app.gateway, http, settings, signals).await;
                    return false;
                }
                Some(()) = change => {}
            }
            if let Some(new_inputs) = apply(app, sources).await
                && new_inputs != inputs
            {
                inputs = new_inputs;
                break;
            }
        }
        drop(watcher);
    }
}

/// Loads and takes over; the old configuration stays when anything is wrong. Returns the files to watch.
async fn apply(app: &App, sources: &Sources) -> Option<Vec<std::path::PathBuf>> {
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
