//! The plan: what the configuration means for a request, compiled once per reload and read from a snapshot.
//!
//! Invariant: a request takes one plan at its start and keeps it to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use troupe_core::cidr::Cidr;
use troupe_core::limit::LimitSet;
use troupe_core::price::PriceTable;
use troupe_core::quota::LimitPolicy;
use troupe_core::routing::Strategy;
use troupe_upstream::BaseUrl;
use troupe_wire::models::{Model, built_in};

use crate::bodies::BodySettings;
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

/// How accounts' web sessions are used; there is none of it while that is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPlan {
    /// A conversation waits so long for the result of a tool.
    pub pause_ms: u64,
    /// Where a session is exchanged for an OAuth grant, with `{organization_uuid}` and perhaps `{base}`.
    pub authorize_url: Option<String>,
}

/// The compiled configuration of the request path.
#[derive(Clone, Debug)]
pub struct Plan {
    pub body_limit_bytes: u64,
    pub bodies_in_memory_bytes: u64,
    pub silence: Silence,
    pub strategy: Strategy,
    /// Do sessions go on with the account that served them last?
    pub affinity: bool,
    pub max_attempts: usize,
    pub max_elapsed: Duration,
    pub concurrency_queue: Duration,
    pub limits: Arc<LimitPolicy>,
    /// Of keys that are made without limits of their own.
    pub new_keys: LimitSet,
    /// The operator's words to whoever has reached a limit in dollars.
    pub spend_message: Option<Arc<str>>,
    pub error_shape: ErrorShape,
    /// Model names of clients → model names upstream. Empty is the common case: one branch and nothing.
    pub aliases: HashMap<String, String>,
    /// What `GET /v1/models` lists, before the accounts' own names.
    pub models: Vec<Model>,
    /// The operator's prices over the built-in ones.
    pub prices: PriceTable,
    /// `None`: web credentials are not used.
    pub web: Option<WebPlan>,
    /// Where callers' own upstream credentials may go; `None`: nowhere.
    pub passthrough: Option<BaseUrl>,
    pub metrics: bool,
    /// Is a row of each request kept?
    pub log: bool,
    /// Which bodies are kept beside it.
    pub bodies: Arc<BodySettings>,
    /// Peers whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<Cidr>,
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
            strategy: config.routing.strategy,
            affinity: config.routing.affinity.enabled,
            max_attempts: config.routing.max_attempts as usize,
            max_elapsed: config.routing.max_elapsed.get(),
            concurrency_queue: config.limits.concurrency_queue.get(),
            limits: Arc::new(config.limits.policy()),
            new_keys: config.limits.new_keys.0.clone(),
            spend_message: config.limits.spend_message.as_deref().map(Into::into),
            error_shape: config.limits.error_shape,
            aliases: config.models.aliases.clone().into_iter().collect(),
            models: models(&config.models.aliases),
            prices: config.models.price_table(),
            web: web(config),
            passthrough: passthrough(config),
            metrics: config.telemetry.metrics.enabled,
            log: config.request_log.enabled,
            bodies: Arc::new(BodySettings::compile(&config.request_log)),
            trusted_proxies: config.server.trusted_proxies.clone(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn web(config: &Config) -> Option<WebPlan> {
    let web = &config.web_session;
    web.consent().is_given().then(|| WebPlan {
        pause_ms: millis(web.pause.get()),
        authorize_url: web.authorize_url.clone(),
    })
}

fn passthrough(config: &Config) -> Option<BaseUrl> {
    let passthrough = &config.passthrough;
    let base_url = passthrough
        .enabled
        .then(|| BaseUrl::parse(&passthrough.base_url));
    base_url.and_then(Result::ok)
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
    use troupe_core::record::TokenUsage;

    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn what_is_off_is_absent_and_what_is_on_is_compiled() {
        let off = Plan::compile(&Config::default());
        assert_eq!((off.web, off.passthrough), (None, None));
        assert!(off.affinity);
        let folder = tempfile::tempdir().unwrap();
        let text = r#"version: 1
routing: { strategy: weighted, affinity: { enabled: false, ttl: 5m } }
web_session: { enabled: true, acknowledge_terms: true, pause: 90s }
passthrough: { enabled: true, base_url: "https://h.example/base/" }
models: { prices: { "local-*": { input: 0.5, output: 2, cache_write_1h: 0.75 } } }
"#;
        std::fs::write(folder.path().join("troupe.yaml"), text).unwrap();
        let sources = Sources {
            cwd: folder.path().to_owned(),
            ..Sources::default()
        };
        let on = Plan::compile(&load(&sources).unwrap().config);
        assert_eq!(on.strategy, Strategy::Weighted);
        assert!(!on.affinity);
        assert_eq!(on.web.unwrap().pause_ms, 90_000);
        assert_eq!(on.passthrough.unwrap().as_str(), "https://h.example/base");
        let usage = TokenUsage {
            input: 1_000_000,
            cache_read: 1_000_000,
            cache_write_1h: 1_000_000,
            ..TokenUsage::default()
        };
        let cost = on.prices.cost("local-7b", &usage);
        assert_eq!(
            (cost.micro_usd, cost.known),
            (500_000 + 50_000 + 750_000, true)
        );
    }

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
