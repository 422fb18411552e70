//! What the file may name although this version does not build it.
//!
//! Invariant: a key of a later version parses with its default only; anything that would switch
//! the feature on is refused by name, never ignored. A key that only tunes such a feature switches
//! nothing on and may have any value ([`ANY`]). One table serves the check, the schema, the
//! environment's names and "did you mean".

use serde_json::{Value as Json, json};

use super::error::{ConfigError, did_you_mean};
use super::tree::{Node, Path, Step, Value};

/// A key (list items are `[]`) and the one value it may have.
pub(super) struct Gate {
    pub path: &'static str,
    pub accepts: &'static str,
}

/// For a key that has no effect while its feature is off.
pub(super) const ANY: &str = "*";

const fn gate(path: &'static str, accepts: &'static str) -> Gate {
    Gate { path, accepts }
}

pub(super) const GATES: &[Gate] = &[
    gate("server.cors", "[]"),
    gate("cluster.redis_url", "null"),
    gate("cluster.node_id", ANY),
    gate("cluster.on_redis_down", ANY),
    gate("limits.timezone", "UTC"),
    gate("cache.responses.enabled", "false"),
    gate("cache.responses.ttl", ANY),
    gate("cache.responses.max_bytes", ANY),
    gate("cache.prompt.mode", "off"),
    gate("admin.bind", "null"),
    gate("admin.allow_from", "[]"),
    gate("admin.session_ttl", ANY),
    gate("admin.cors", "[]"),
    gate("transforms", "[]"),
    gate("plugins", "[]"),
    gate("webhooks", "[]"),
    gate("telemetry.metrics.per_key", "false"),
    gate("telemetry.otlp.endpoint", "null"),
    gate("telemetry.otlp.sample", ANY),
];

/// Mappings that hold nothing but gates.
pub(super) const SECTIONS: &[&str] = &[
    "cluster",
    "cache",
    "cache.responses",
    "cache.prompt",
    "telemetry.otlp",
];

/// Checks and removes every gated key.
pub(super) fn check(root: &mut Node, errors: &mut Vec<ConfigError>) {
    walk(root, &Path::default(), errors);
}

fn walk(node: &mut Node, path: &Path, errors: &mut Vec<ConfigError>) {
    let pattern = pattern(path);
    if let Some(accepts) = accepted(&pattern) {
        if accepts != ANY && !node.is_null() && !equals(node, accepts) {
            errors.push(fault(node, path, refusal(&pattern, accepts)));
        }
        node.value = Value::Pruned;
        return;
    }
    let gated_section = SECTIONS.contains(&pattern.as_str());
    match &mut node.value {
        Value::Map(entries) => {
            for (key, child) in entries {
                let below = path.key(key);
                walk(child, &below, errors);
                let left = !matches!(child.value, Value::Pruned);
                if gated_section && left {
                    let known = names_below(path);
                    let hint = did_you_mean(key, known.iter().map(String::as_str));
                    errors.push(fault(child, &below, format!("unknown key{hint}")));
                }
            }
        }
        Value::List(items) if !gated_section => {
            for (index, child) in items.iter_mut().enumerate() {
                walk(child, &path.index(index), errors);
            }
        }
        _ => {}
    }
    let absent = node.is_null() || matches!(node.value, Value::Pruned);
    if gated_section && !absent && !matches!(node.value, Value::Map(_)) {
        errors.push(fault(node, path, "expected a mapping of keys".to_owned()));
    }
    if gated_section {
        node.value = Value::Pruned;
    }
}

fn fault(node: &Node, path: &Path, message: String) -> ConfigError {
    ConfigError::new(node.origin.clone(), path.to_string(), message)
}

fn refusal(pattern: &str, accepts: &str) -> String {
    let name = pattern.rsplit("[].").next().unwrap_or(pattern);
    match accepts {
        "null" | "[]" | "{}" | "false" | "off" => {
            format!("`{name}` is not available in this version")
        }
        only => format!("`{name}` is not available in this version; only `{only}` is accepted"),
    }
}

fn accepted(pattern: &str) -> Option<&'static str> {
    GATES.iter().find(|g| g.path == pattern).map(|g| g.accepts)
}

fn equals(node: &Node, accepts: &str) -> bool {
    match &node.value {
        Value::Scalar(scalar) => scalar.text == accepts,
        Value::List(items) => accepts == "[]" && items.is_empty(),
        Value::Map(entries) => accepts == "{}" && entries.is_empty(),
        Value::Pruned => true,
    }
}

fn pattern(path: &Path) -> String {
    let mut pattern = String::new();
    for step in &path.0 {
        match step {
            Step::Key(key) if pattern.is_empty() => pattern.push_str(key),
            Step::Key(key) => {
                pattern.push('.');
                pattern.push_str(key);
            }
            Step::Index(_) => pattern.push_str("[]"),
        }
    }
    pattern
}

/// Names that may stand in the mapping at `path` besides those of its type.
pub(super) fn names_below(path: &Path) -> Vec<String> {
    let mut prefix = pattern(path);
    if !prefix.is_empty() {
        prefix.push('.');
    }
    let gates = GATES.iter().map(|g| g.path);
    let below = gates.filter_map(|g| g.strip_prefix(&prefix));
    let mut names: Vec<String> = below
        .filter_map(|rest| rest.split('.').next())
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// The schema of a gated key.
pub(super) fn schema(accepts: &str) -> Json {
    if accepts == ANY {
        return json!({ "description": "Belongs to a feature that is not available in this version: has no effect." });
    }
    let accepts = match accepts {
        "null" => Json::Null,
        "[]" => json!([]),
        "{}" => json!({}),
        "false" => json!(false),
        "0.01" => json!(0.01),
        text => json!(text),
    };
    let values = if accepts.is_null() {
        vec![accepts]
    } else {
        vec![accepts, Json::Null]
    };
    json!({ "description": "Not available in this version: only its default is accepted.", "enum": values })
}
