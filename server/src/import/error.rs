//! Why a source cannot be read at all. What is wrong with one item of it is a note instead.
//!
//! Invariant: holds no text of the source but names of fields.

use std::fmt;

/// `accounts.json: line 12: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// What was read: `accounts.json`, `clewdr.toml`, …
    pub source: &'static str,
    /// Counts from 1.
    pub line: Option<usize>,
    /// The path of the field concerned.
    pub field: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl ImportError {
    pub(super) fn new(source: &'static str, reason: impl Into<String>) -> Self {
        Self {
            source,
            line: None,
            field: None,
            reason: reason.into(),
        }
    }

    pub(super) fn at_line(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ImportError {}
