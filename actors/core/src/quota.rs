//! The quota of one scope: the gateway, a group, a key, an account. One machine for all of them.
//!
//! Index. [`record`]: whose limits, and which. [`message`]: what is asked and told. [`machine`]: the actor's core, with
//! its parts: windows (cells opened ahead of time), the fair queue and how it is served, totals.
//!
//! Invariant: the gate lets through and may refuse what is certain; whoever has to wait, waits here.

mod machine;
mod message;
mod queue;
mod record;
mod serving;
mod totals;
mod windows;

pub use machine::{Quota, QuotaShared};
pub use message::{QuotaAsk, QuotaDone, QuotaEffect, QuotaReply, QuotaTell, Settlement, Wanted};
pub use queue::{MAX_PER_KEY, MAX_QUEUE};
pub use record::{AppliedRule, GroupPolicy, LimitPolicy, QuotaRecord};
pub use totals::KeyLedger;
