//! What an account may be: the rules that the configuration file and the operations share.
//!
//! Index. [`check`] and [`faults`]: a whole account. One value each: [`address`] (base URLs, proxies, certificates),
//! [`headers`], [`value`] (names, labels, shares, hours, models), [`oauth`] (presets, completeness), [`web`] (consent,
//! settings).
//!
//! Invariant: nothing here reads anything but its arguments; a message says what to do, and repeats no value that may
//! be, or may have been meant as, a secret.

pub mod address;
pub mod headers;
pub mod oauth;
pub mod value;
pub mod web;
mod whole;

use std::fmt;

pub use self::oauth::OauthFields;
pub use self::web::WebConsent;
pub use self::whole::{check, faults};

/// What is wrong with an account, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name in the configuration (`oauth.token_url`); empty for the account as a whole.
    pub field: &'static str,
    /// What to do.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return write!(f, "the account {}", self.message);
        }
        write!(f, "`{}` {}", self.field, self.message)
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        fault.to_string()
    }
}

#[cfg(test)]
mod tests;
