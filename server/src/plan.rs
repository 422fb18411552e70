//! The plan: what the configuration means for a request, compiled once per reload and read from a snapshot.
//!
//! Invariant: a request takes one plan at its start and keeps it to its end.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use troupe_wire::models::{Model, built_in};

use crate::config::Config;
use crate::config::limits::ErrorShape;

/// How long silence may last. All in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    pub keepalive_ms: u64,
    pub idle_ms: u64,
    pub first_event: Duration,
    pub response: Duration,
    /// While draining, a stream silent for this long is ended.
    pub drain_idle_ms: u64,
}

/// The compiled configuration of the request path.
#[derive(Clone, Debug)]
pub struct Plan {
    pub body_limit_bytes: u64,
    pub bodies_in_memory_bytes: u64,
    pub silence: Silence,
    pub max_attempts: usize,
    pub max_elapsed: Duration,
    pub concurrency_queue: Duration,
    pub limits_enabled: bool,
    pub error_shape: ErrorShape,
    /// Model names of clients → model names upstream. Empty is the common case: one branch and nothing.
    pub aliases: HashMap<String, String>,
    /// What `GET /v1/models` lists, before the accounts' own names.
    pub models: Vec<Model>,
    pub metrics: bool,
}

impl Plan {
    /// Compiles a valid configuration.
    #[must_use]
    pub fn compile(config: &Config) -> Self {
        let streaming = &config.streaming;
        Self {
            body_limit_bytes: config.server.body_limit.bytes(),
            bodies_in_memory_bytes: config.server.bodies_in_memory.bytes(),
            silence: Silence {
                keepalive_ms: millis(streaming.keepalive.get()),
                idle_ms: millis(streaming.idle_timeout.get()),
                first_event: streaming.first_event_timeout.get(),
                response: streaming.response_timeout.get(),
                drain_idle_ms: millis(config.server.drain.idle.get()),
            },
            max_attempts: config.routing.max_attempts as usize,
            max_elapsed: config.routing.max_elapsed.get(),
            concurrency_queue: config.limits.concurrency_queue.get(),
            limits_enabled: config.limits.enabled,
            error_shape: config.limits.error_shape,
            aliases: config.models.aliases.clone().into_iter().collect(),
            models: models(&config.models.aliases),
            metrics: config.telemetry.metrics.enabled,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The built-in list and the aliases, each alias shown as what it stands for.
fn models(aliases: &BTreeMap<String, String>) -> Vec<Model> {
    let mut models = built_in();
    for (alias, target) in aliases {
        if models.iter().any(|m| m.id == *alias) {
            continue;
        }
        let known = models.iter().find(|m| m.id == *target).cloned();
        let model = match known {
            Some(known) => Model::new(alias, &known.display_name, &known.created_at),
            None => Model::new(alias, alias, "1970-01-01T00:00:00Z"),
        };
        models.push(model);
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_listed_once() {
        let known = built_in()[0].id.clone();
        let aliases = BTreeMap::from([
            ("fast".to_owned(), known.clone()),
            (known.clone(), "x".to_owned()),
        ]);
        let models = models(&aliases);
        assert_eq!(models.iter().filter(|m| m.id == "fast").count(), 1);
        assert_eq!(models.iter().filter(|m| m.id == known).count(), 1);
    }
}
