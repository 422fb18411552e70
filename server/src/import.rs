//! What other gateways keep, read into a plan: which accounts and keys come along, and what of the source does not.
//!
//! ```text
//! accounts.json, config.json ─▶ clove ─┐
//! clewdr.toml ────────────────▶ clewdr ├─▶ ImportPlan { accounts, keys, notes } ─▶ the operation that writes it
//! config.yaml, PostgreSQL ────▶ litellm┘
//! ```
//! Index: [`plan`] the result; [`error`]; `read` and `tree` (text of any format → one tree), `fields` (a mapping whose
//! every entry is accounted for), `notes`, `names`, `checks`; a file per source.
//!
//! Invariant: pure. Every item of a source is taken or named in a note; no secret is in a note, an error or a `Debug`.
//! The formats follow the sources' public code: `mirrorange/clove`, `Xerxes-2/clewdr`, `BerriAI/litellm`.

mod checks;
mod clewdr;
mod clove;
mod error;
mod fields;
mod litellm;
mod names;
mod notes;
mod plan;
mod read;
#[cfg(test)]
mod tests;
mod tree;

pub use clewdr::clewdr;
pub use clove::clove;
pub use error::ImportError;
pub use litellm::{litellm_database, litellm_yaml};
pub use plan::{ImportPlan, ImportedAccount, ImportedKey, ImportedOauth, KeySecret, Note};
pub use read::MAX_BYTES;
