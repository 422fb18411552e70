//! An upstream account: its record, what is learnt about it, and the machine that owns its credentials, slots and pauses.
//!
//! Index: [`record`] (stored), [`view`] (published), [`message`] (asked and told), [`machine`] (decides); of one
//! credential [`lane`] (health, pauses, windows) and [`token`] (renewal).

mod health;
mod lane;
mod machine;
mod message;
mod record;
mod stats;
mod token;
mod verdict;
mod view;

pub use health::{CoolDown, Health, Unavailable, Window};
pub use lane::{LaneState, MAX_COOL_DOWN_MS, window};
pub use machine::Account;
pub use message::{
    AccountAsk, AccountDone, AccountEffect, AccountReply, AccountTell, AccountUpdate, LeaseAccount,
    Refused, Report, Secrets,
};
pub use record::{
    AccountKind, AccountRecord, AccountState, Auth, AuthScheme, Grant, OauthSettings,
    PreferredAuth, SecretName, TokenFormat, WebSettings,
};
pub use stats::{AccountStats, AttemptFacts, Histogram, LastError, ModelStats, RenewalEntry};
pub use token::{
    DEFAULT_LIFE_MS, Intent, Renewal, Renewed, Token, TokenPhase, TokenRow, TokenSeed, TokenView,
};
pub use verdict::{Probe, ProbeKind, Scope, Verdict};
pub use view::{AccountView, AuthSet, Credential, Fit, LaneView, Reach, Scheme, Want};
