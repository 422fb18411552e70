//! An upstream account: its record, what is learnt about it, and the machine that owns its slots and cool-downs.

mod health;
mod machine;
mod record;
mod verdict;

pub use health::{CoolDown, Health, Unavailable};
pub use machine::{
    Account, AccountAsk, AccountDone, AccountEffect, AccountReply, AccountTell, AccountView,
    Credential, Refused, Report,
};
pub use record::{AccountKind, AccountRecord, AccountState, AuthScheme};
pub use verdict::{Probe, Scope, Verdict};
