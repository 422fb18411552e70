//! Reads the merged tree into types, and finds every fault on the way.
//!
//! Invariant: a fault is told once, at the innermost place that is known.

use std::cell::RefCell;
use std::fmt;

use serde::de;

use super::de::De;
use super::error::ConfigError;
use super::tree::{Node, Path};

/// Reads `tree` into `T`. Each fault is reported and pruned, then reading starts over, so that
/// all of them are found; `None` when something required could not be read.
pub(super) fn read<T: de::DeserializeOwned>(
    tree: &mut Node,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    let unknown = RefCell::new(Vec::new());
    let mut faulty: Vec<Path> = Vec::new();
    let result = loop {
        let fault = match T::deserialize(De::new(tree, Path::default(), &unknown)) {
            Ok(value) => break Some(value),
            Err(fault) => fault,
        };
        // An element whose required part was faulty is told once, at that part.
        let known = faulty.iter().any(|f| f.starts_with(&fault.path));
        if !known {
            let (origin, path) = (tree.origin_of(&fault.path), fault.path.to_string());
            errors.push(ConfigError::new(origin, path, fault.message));
        }
        if !tree.prune(&fault.path) {
            break None;
        }
        faulty.push(fault.path);
    };
    errors.extend(unknown.into_inner());
    result
}

/// A fault at a path; located by the innermost value that was being read.
#[derive(Debug)]
pub(super) struct Fault {
    pub path: Path,
    pub located: bool,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: Path::default(),
            located: false,
            message: message.to_string(),
        }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is missing"))
    }
}
