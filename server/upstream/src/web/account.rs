//! What is needed of an account to speak for it on the web surface.

use std::{collections::BTreeMap, fmt};

use secrecy::SecretString;

use crate::base_url::BaseUrl;

/// A web session of the operator's own account.
#[derive(Clone)]
pub struct WebAccount {
    pub base: BaseUrl,
    /// The whole value of the `cookie` header, or the bare session key: a value without `=` is sent as `sessionKey=…`.
    pub cookie: SecretString,
    /// As learnt by an earlier call; asked for when absent.
    pub organization: Option<Organization>,
    /// The id of the one that is to be used, of several; else the most able is.
    pub wanted: Option<String>,
    /// Further headers of the account's settings; they replace the adapter's own of the same name.
    pub headers: BTreeMap<String, String>,
}

/// The organisation that conversations belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its uuid.
    pub id: String,
    /// Has a paid plan, which extended thinking needs.
    pub paid: bool,
}

impl fmt::Debug for WebAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAccount")
            .field("base", &self.base.as_str())
            .field("organization", &self.organization)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}
