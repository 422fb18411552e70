//! What was read.
//!
//! Invariant: rows hold hashes of keys and perhaps credentials, so their text is not in `Debug`.

use secrecy::{ExposeSecret, SecretString};

/// The rows of each table, as they stand there. Tables that do not exist are empty.
#[derive(Debug, Default)]
pub struct LitellmRows {
    /// `LiteLLM_VerificationToken`
    pub keys: Vec<Row>,
    /// `LiteLLM_TeamTable`
    pub teams: Vec<Row>,
    /// `LiteLLM_UserTable`
    pub users: Vec<Row>,
    /// `LiteLLM_BudgetTable`
    pub budgets: Vec<Row>,
    /// `LiteLLM_ProxyModelTable`
    pub models: Vec<Row>,
    /// Tables, columns and rows that were not read.
    pub left: Vec<Left>,
}

/// A JSON object, column → value; times as PostgreSQL writes them in JSON.
#[derive(Clone, Debug)]
pub struct Row(SecretString);

impl Row {
    #[must_use]
    pub fn new(json: String) -> Self {
        Self(json.into())
    }

    #[must_use]
    pub fn json(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Something that was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub what: String,
    pub why: String,
}

/// How far the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    /// Rows read of it.
    pub rows: u64,
    /// Rows it had when the reading began.
    pub of: u64,
}
