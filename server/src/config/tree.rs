//! The tree that file, environment and flags are merged into before it is read into types.
//!
//! Invariant: every node knows where it was written, so every error can say so. A node that was
//! found faulty is pruned and reads as absent: the next fault can be found in the same run.

use std::fmt;

use super::error::Origin;

#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Of a value in a mapping: the place of its key.
    pub origin: Origin,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Pruned,
}

#[derive(Debug, Clone)]
pub(super) struct Scalar {
    /// What it means, variables expanded.
    pub text: String,
    /// What stands in the source; the only form that messages may quote.
    pub written: String,
    /// Variables that were expanded.
    pub variables: Vec<String>,
    /// Unquoted: may be read as a number, a boolean or null.
    pub plain: bool,
}

impl Scalar {
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            written: text.clone(),
            text,
            variables: Vec::new(),
            plain: true,
        }
    }

    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A path as it is shown: `accounts[0].base_url`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path(pub Vec<Step>);

impl Path {
    pub fn of(dotted: &str) -> Self {
        let keys = dotted.split('.').filter(|k| !k.is_empty());
        Self(keys.map(|k| Step::Key(k.to_owned())).collect())
    }

    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// The path without its last step, and that step, if it is a key.
    pub fn split_last(&self) -> Option<(Self, &str)> {
        match self.0.split_last() {
            Some((Step::Key(key), parent)) => Some((Self(parent.to_vec()), key)),
            _ => None,
        }
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Reads what [`fmt::Display`] and garde write. Keys that hold `.` or `[` come out cut up:
    /// they then locate their parent.
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, indexes) = part.split_once('[').unwrap_or((part, ""));
            if !key.is_empty() {
                steps.push(Step::Key(key.to_owned()));
            }
            let digits = indexes.split(['[', ']']);
            steps.extend(digits.filter_map(|i| i.parse().ok()).map(Step::Index));
        }
        Self(steps)
    }

    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

// === impl Node ===

impl Node {
    pub fn empty() -> Self {
        Self {
            origin: Origin::Nowhere,
            value: Value::Map(Vec::new()),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, n)| n),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if s.is_null())
    }

    /// Puts a scalar at a path of keys; mappings on the way are made. A value on the way that is
    /// neither a mapping nor null is left: reading it reports the fault.
    pub fn set(&mut self, path: &[String], text: &str, origin: &Origin) {
        let Some((key, rest)) = path.split_first() else {
            self.origin = origin.clone();
            self.value = Value::Scalar(Scalar::plain(text));
            return;
        };
        if self.is_null() {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else {
            return;
        };
        let at = entries.iter().position(|(k, _)| k == key);
        let at = at.unwrap_or_else(|| {
            let node = Self {
                origin: origin.clone(),
                value: Value::Scalar(Scalar::plain("")),
            };
            entries.push((key.clone(), node));
            entries.len() - 1
        });
        entries[at].1.set(rest, text, origin);
    }

    /// Marks the node at the path as absent. False when there is none, or the path is the root.
    pub fn prune(&mut self, path: &Path) -> bool {
        let mut node = self;
        for step in &path.0 {
            let next = match (step, &mut node.value) {
                (Step::Key(key), Value::Map(entries)) => {
                    entries.iter_mut().find(|(k, _)| k == key).map(|(_, n)| n)
                }
                (Step::Index(index), Value::List(items)) => items.get_mut(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return false,
            }
        }
        if path.0.is_empty() || matches!(node.value, Value::Pruned) {
            return false;
        }
        node.value = Value::Pruned;
        true
    }

    /// Where the node of a source path was written; falls back to the nearest parent.
    pub fn origin_of(&self, path: &Path) -> Origin {
        let mut node = self;
        for step in &path.0 {
            let next = match (step, &node.value) {
                (Step::Key(key), _) => node.get(key),
                (Step::Index(index), Value::List(items)) => items.get(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.origin.clone()
    }

    /// The source path of a path *of the typed configuration*, where pruned items do not count.
    pub fn source_path(&self, typed: &Path) -> Path {
        let (mut node, mut source) = (Some(self), Path::default());
        for step in &typed.0 {
            let index = match (step, node.map(|n| &n.value)) {
                (Step::Index(index), Some(Value::List(items))) => {
                    let kept = items.iter().enumerate();
                    let mut kept = kept.filter(|(_, n)| !matches!(n.value, Value::Pruned));
                    kept.nth(*index).map(|(at, n)| (Step::Index(at), Some(n)))
                }
                (Step::Key(key), Some(_)) => Some((step.clone(), node.and_then(|n| n.get(key)))),
                _ => None,
            };
            let (step, next) = index.unwrap_or((step.clone(), None));
            source.0.push(step);
            node = next;
        }
        source
    }
}
