//! The process's log: structured, to stderr, at a level that a reload can change.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::telemetry::{Log, LogFormat, LogLevel};

/// Changes the level of the running log.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Takes over the level of `log`; the format needs a restart.
    pub fn set(&self, log: &Log) {
        let _ = self.0.reload(filter(log));
    }
}

/// Starts the log. `RUST_LOG`, where set, has the last word. A second call in one process has no effect.
#[must_use]
pub fn init(log: &Log) -> LogFilter {
    let (filter, handle) = reload::Layer::new(filter(log));
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let _ = if json {
        registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr),
            )
            .try_init()
    } else {
        registry
            .with(fmt::layer().with_writer(std::io::stderr).with_target(false))
            .try_init()
    };
    LogFilter(handle)
}

fn filter(log: &Log) -> EnvFilter {
    let level = match log.level {
        LogLevel::Off => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(level)))
}

/// The frameworks' own chatter is a level quieter than ours; what a parser refuses is any stranger's to send; and what
/// watches the folder of the configuration would tell of each line of a log that is written there, in another line.
fn directives(level: &str) -> String {
    format!(
        "{level},actix_server=warn,actix_web=warn,actix_http=off,sled=warn,notify=warn,mio=warn"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_the_watched_folder_does_not_feed_itself() {
        let registry = tracing_subscriber::registry().with(EnvFilter::new(directives("trace")));
        tracing::subscriber::with_default(registry, || {
            assert!(tracing::enabled!(target: "troupe_server", tracing::Level::TRACE));
            assert!(!tracing::enabled!(target: "notify::inotify", tracing::Level::TRACE));
            assert!(!tracing::enabled!(target: "mio::poll", tracing::Level::TRACE));
        });
    }
}
