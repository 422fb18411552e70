//! What other gateways kept, into the store.
//!
//! Index. [`item`]: one account or key on its way, as the operation takes it; `convert`: from an import's plan to items;
//! `accounts` and `keys`: one item into the store.
//!
//! Invariant: an item is known by what it is at its source, so that an import may be repeated: what was taken is taken
//! once, and only a credential that changed at the source is taken again. One item's fault is not another's.

mod accounts;
mod convert;
mod item;
mod keys;

use serde::{Deserialize, Serialize};
use serde_json::json;
use troupe_core::audit::AuditStatus;

pub use self::convert::{OauthDefaults, items};
pub use self::item::{ImportAccount, ImportKey};
use super::{OpError, Operation, Operations};

/// Writes items; or, with `dry_run`, says what it would write.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApplyImport {
    #[serde(default)]
    pub accounts: Vec<ImportAccount>,
    #[serde(default)]
    pub keys: Vec<ImportKey>,
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of each item, in their order, accounts first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    pub items: Vec<ImportedItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedItem {
    pub what: What,
    /// Its name here.
    pub name: String,
    pub source_id: String,
    pub outcome: ImportOutcome,
    /// What else there is to know.
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Account,
    Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    Added,
    /// Its credentials had changed at the source.
    Updated,
    /// It was here, and the same.
    Unchanged,
    Refused,
}

impl Operation for ApplyImport {
    type Outcome = ImportReport;
    const NAME: &'static str = "import.apply";

    async fn run(self, ops: &Operations) -> Result<ImportReport, OpError> {
        let _changing = ops.change().await;
        let mut report = ImportReport::default();
        // Read once: there may be thousands of each. What an item would add is there for the next, also in a dry run.
        let mut accounts = ops.stores.accounts.list().await?;
        for item in self.accounts {
            let done = accounts::import(ops, &mut accounts, item, self.dry_run).await;
            report.items.push(done);
        }
        let mut keys = ops.stores.keys.list().await?;
        for item in self.keys {
            let done = keys::import(ops, &mut keys, item, self.dry_run).await;
            report.items.push(done);
        }
        if !self.dry_run {
            let of = |wanted| report.items.iter().filter(|i| i.outcome == wanted).count();
            let counts = json!({
                "added": of(ImportOutcome::Added),
                "updated": of(ImportOutcome::Updated),
                "unchanged": of(ImportOutcome::Unchanged),
                "refused": of(ImportOutcome::Refused),
            });
            let done = AuditStatus::Ok;
            let told = ops.audit("import.applied", "store", done, None, Some(counts.clone()));
            if let Err(late) = told.await {
                // Whoever carries it out waits for the line once more, and answers; what was done is not lost with that.
                tracing::error!(error = %late, %counts, "an import is told later");
            }
        }
        Ok(report)
    }
}

/// One item's result: its name here, the outcome, and notes.
type Imported = Result<(String, ImportOutcome, Vec<String>), OpError>;

fn told(what: What, name: String, source_id: String, result: Imported) -> ImportedItem {
    let (name, outcome, notes) = match result {
        Ok(done) => done,
        Err(error) => (name, ImportOutcome::Refused, vec![error.message]),
    };
    ImportedItem {
        what,
        name,
        source_id,
        outcome,
        notes,
    }
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`, … that is free.
fn free_name(wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
    const NAME_MAX_BYTES: usize = 64;
    let mut name = wanted.to_owned();
    let mut number = 2_u64;
    while is_taken(&name) {
        let suffix = format!("-{number}");
        let mut end = wanted.len().min(NAME_MAX_BYTES - suffix.len());
        while !wanted.is_char_boundary(end) {
            end -= 1;
        }
        name = format!("{}{suffix}", &wanted[..end]);
        number += 1;
    }
    name
}
