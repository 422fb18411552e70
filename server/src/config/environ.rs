//! The environment: `TROUPE_<SECTION>__<KEY>`, the roadmap's short names, the predecessor's names.
//!
//! Invariant: no variable that looks like a setting is ignored in silence: it is used, refused
//! with the name to use, or noted. A value is one scalar, never YAML structure.

use super::error::{ConfigError, Origin, did_you_mean};
use super::schema::{self, Shape};
use super::tree::{Node, Value};

const PREFIX: &str = "TROUPE_";

/// Names the roadmap gave, and the key each sets. They yield to `TROUPE_…`.
const SHORT: [(&str, &[&str]); 7] = [
    ("BIND", &["server", "bind"]),
    ("WORKERS", &["server", "workers"]),
    ("DATABASE_URL", &["storage", "url"]),
    ("REDIS_URL", &["cluster", "redis_url"]),
    ("RATE_LIMIT_ENABLED", &["limits", "enabled"]),
    (
        "RATE_LIMIT_REQUESTS_PER_MINUTE",
        &["limits", "defaults", "requests_per_minute"],
    ),
    (
        "RATE_LIMIT_TOKENS_PER_HOUR",
        &["limits", "defaults", "tokens_per_hour"],
    ),
];

const NOTED: [(&str, &str); 2] = [
    (
        "ADMIN_PASSWORD",
        "ADMIN_PASSWORD is accepted, but this version has no admin sign-in that would use it",
    ),
    (
        "WORKER_CLASS",
        "WORKER_CLASS has no meaning here and is ignored; see `server.threads`",
    ),
];

/// The predecessor's variables and what to use instead.
const PREDECESSOR: [(&str, &str); 7] = [
    (
        "HOST",
        "use `BIND` (or `server.bind`), for example 127.0.0.1:5200",
    ),
    (
        "PORT",
        "use `BIND` (or `server.bind`), for example 0.0.0.0:5200",
    ),
    (
        "API_KEYS",
        "declare them as `keys` in troupe.yaml, or use `troupe key create`",
    ),
    (
        "ADMIN_API_KEYS",
        "use `ADMIN_PASSWORD`, and admin tokens for scripts",
    ),
    ("DATA_FOLDER", "use `DATA_DIR` (or `storage.url`)"),
    (
        "PROXY_URL",
        "give each of `accounts` its `proxy` in troupe.yaml",
    ),
    (
        "COOKIES",
        "declare them as `accounts` of kind `web_session` in troupe.yaml, or use `troupe import clove`",
    ),
];

pub(super) struct Environment<'a> {
    pub variables: &'a [(String, String)],
    pub errors: &'a mut Vec<ConfigError>,
    pub notes: &'a mut Vec<String>,
}

impl Environment<'_> {
    /// Puts what the environment says over the tree.
    pub fn overlay(&mut self, tree: &mut Node) {
        self.refuse_and_note();
        self.short_names(tree);
        self.long_names(tree);
    }

    /// A variable's value; one that is empty counts as not set.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .variables
            .iter()
            .find(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn refuse(&mut self, name: &str, path: &str, message: impl Into<String>) {
        let origin = Origin::Variable(name.into());
        self.errors.push(ConfigError::new(origin, path, message));
    }

    fn refuse_and_note(&mut self) {
        for (name, instead) in PREDECESSOR {
            if self.get(name).is_some() {
                self.refuse(name, "", format!("is not read by troupe; {instead}"));
            }
        }
        for (name, note) in NOTED {
            if self.get(name).is_some() {
                self.notes.push(note.to_owned());
            }
        }
    }

    fn short_names(&self, tree: &mut Node) {
        if let Some(folder) = self.get("DATA_DIR") {
            let origin = Origin::Variable("DATA_DIR".into());
            let folder = folder.trim_end_matches('/');
            // Of another kind of store it is the node's own folder, and not the store.
            if is_sled(tree) {
                set(
                    tree,
                    &["storage", "url"],
                    &format!("sled:{folder}"),
                    &origin,
                );
            }
            set(tree, &["storage", "dir"], folder, &origin);
            let key_file = format!("{folder}/master.key");
            set(tree, &["secrets", "key_file"], &key_file, &origin);
        }
        for (name, path) in SHORT {
            if let Some(value) = self.get(name) {
                set(tree, path, value, &Origin::Variable(name.into()));
            }
        }
    }

    fn long_names(&mut self, tree: &mut Node) {
        let known: Vec<Known> = known();
        let variables = self.variables;
        let ours = variables
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX));
        for (name, value) in ours.filter(|(name, _)| name != "TROUPE_CONFIG") {
            match known.iter().find(|k| k.variable == *name) {
                Some(key) => self.long_name(tree, key, value),
                None => self.unknown(name, &known),
            }
        }
    }

    fn long_name(&mut self, tree: &mut Node, key: &Known, value: &str) {
        let path = key.path.join(".");
        match key.shape {
            Shape::Scalar if value.is_empty() => {
                self.refuse(
                    &key.variable,
                    &path,
                    "is set but empty; unset it or give it a value",
                );
            }
            Shape::Scalar => {
                let origin = Origin::Variable(key.variable.as_str().into());
                tree.set(&key.path, value, &origin);
            }
            Shape::List => {
                self.refuse(
                    &key.variable,
                    &path,
                    "a list can only be set in troupe.yaml",
                );
            }
            Shape::Names => {
                let message = "a mapping of names can only be set in troupe.yaml";
                self.refuse(&key.variable, &path, message);
            }
            Shape::Section => {
                let below = format!("{}__", key.variable);
                let message = format!("is a section; set one of its keys, `{below}…`");
                self.refuse(&key.variable, &path, message);
            }
        }
    }

    /// `__` marks a setting. Others may be anybody's: an orchestrator that has a service called
    /// `troupe` sets `TROUPE_PORT`, `TROUPE_SERVICE_HOST` and more.
    fn unknown(&mut self, name: &str, known: &[Known]) {
        let flat = |name: &str| name.replace('_', "");
        let meant = known.iter().find(|k| flat(&k.variable) == flat(name));
        if let Some(meant) = meant.filter(|k| k.path.len() > 1) {
            let message = format!("is not a setting; did you mean `{}`?", meant.variable);
            self.refuse(name, "", message);
        } else if name.contains("__") {
            let scalars = known.iter().filter(|k| k.shape == Shape::Scalar);
            let hint = did_you_mean(name, scalars.map(|k| k.variable.as_str()));
            self.refuse(name, "", format!("is not a setting{hint}"));
        } else if !name.starts_with("TROUPE_PORT") && !name.starts_with("TROUPE_SERVICE_") {
            self.notes
                .push(format!("{name} is not a setting and is ignored"));
        }
    }
}

/// Does the file want the embedded store, or say nothing of one?
fn is_sled(tree: &Node) -> bool {
    let url = tree.get("storage").and_then(|storage| storage.get("url"));
    match url.map(|url| &url.value) {
        Some(Value::Scalar(url)) => url.is_null() || url.text.starts_with("sled:"),
        _ => true,
    }
}

struct Known {
    variable: String,
    path: Vec<String>,
    shape: Shape,
}

fn known() -> Vec<Known> {
    let paths = schema::paths(&schema::schema()).into_iter();
    let settable = paths.filter(|(path, _)| path.first().is_some_and(|p| p != "version"));
    let known = settable.map(|(path, shape)| Known {
        variable: format!("{PREFIX}{}", path.join("__").to_uppercase()),
        path,
        shape,
    });
    known.collect()
}

fn set(tree: &mut Node, path: &[&str], value: &str, origin: &Origin) {
    let path: Vec<String> = path.iter().map(|&k| k.to_owned()).collect();
    tree.set(&path, value, origin);
}
