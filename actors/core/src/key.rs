//! A gateway key: what it may do, what it has used, and the machine that owns its slots.

mod machine;
mod priority;
mod record;
mod secret;

pub use machine::{
    Key, KeyAsk, KeyDone, KeyEffect, KeyLedger, KeyReply, KeyTell, KeyView, Refusal, Settlement,
};
pub use priority::Priority;
pub use record::{AccountBinding, Endpoints, KeyRecord, KeyTotals, ResourceScope};
pub use secret::{HashScheme, PreviousSecret, StoredSecret};
