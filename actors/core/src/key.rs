//! A gateway key: what it may do, what it has used, and the machine that owns its slots.

mod machine;
mod record;

pub use machine::{
    Key, KeyAsk, KeyDone, KeyEffect, KeyLedger, KeyReply, KeyTell, KeyView, Refusal, Settlement,
};
pub use record::{
    AccountBinding, Endpoints, HashScheme, KeyLimits, KeyRecord, KeyTotals, ResourceScope,
};
