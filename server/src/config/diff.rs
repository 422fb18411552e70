//! Which changed keys a running process cannot take over.
//!
//! Invariant: a key that is not in this table is live within a reload.

use super::Config;

type Changed = fn(&Config, &Config) -> bool;

const NEEDS_RESTART: &[(&str, Changed)] = &[
    ("server.bind", |a, b| a.server.bind != b.server.bind),
    ("server.workers", |a, b| {
        a.server.workers != b.server.workers
    }),
    ("server.threads", |a, b| {
        a.server.threads != b.server.threads
    }),
    ("server.bodies_in_memory", |a, b| {
        a.server.bodies_in_memory != b.server.bodies_in_memory
    }),
    ("storage.url", |a, b| a.storage.url != b.storage.url),
    ("storage.dir", |a, b| a.storage.dir != b.storage.dir),
    ("storage.connections", |a, b| {
        a.storage.connections != b.storage.connections
    }),
    ("routing.affinity.ttl", |a, b| {
        a.routing.affinity.ttl != b.routing.affinity.ttl
    }),
    ("routing.affinity.max_entries", |a, b| {
        a.routing.affinity.max_entries != b.routing.affinity.max_entries
    }),
    ("sessions.idle_timeout", |a, b| {
        a.sessions.idle_timeout != b.sessions.idle_timeout
    }),
    ("sessions.max", |a, b| a.sessions.max != b.sessions.max),
    ("audit.dir", |a, b| a.audit.dir != b.audit.dir),
    ("audit.retention", |a, b| {
        a.audit.retention != b.audit.retention
    }),
    ("admin.enabled", |a, b| a.admin.enabled != b.admin.enabled),
    ("telemetry.log.format", |a, b| {
        a.telemetry.log.format != b.telemetry.log.format
    }),
    ("telemetry.metrics.enabled", |a, b| {
        a.telemetry.metrics.enabled != b.telemetry.metrics.enabled
    }),
    ("telemetry.metrics.bind", |a, b| {
        a.telemetry.metrics.bind != b.telemetry.metrics.bind
    }),
];

/// The changed keys that hold only after a restart.
pub fn diff_needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = NEEDS_RESTART
        .iter()
        .filter(|(_, differs)| differs(old, new));
    changed.map(|(key, _)| *key).collect()
}
