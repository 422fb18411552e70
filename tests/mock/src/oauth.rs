//! The authorization server: `GET /oauth/authorize`, `POST /oauth/token`, and what tests see of it.
//!
//! Invariant: a refresh token is spent by its first use, and using it again revokes its whole family, as the service
//! does; what is counted counts what arrived, whatever the answer was; the journal holds hashes in place of secrets.
//!
//! Faults come by the script (`"path": "/oauth/token"`, or one of the names in `oauth/presets.rs`), or by a client id
//! that ends in `~` and such a name without its `token_`: `app~hang_after` names `token_hang_after` for every call.

mod access;
pub(crate) mod admin;
mod authorize;
mod facts;
mod families;
mod handle;
pub(crate) mod presets;
mod request;
mod token;

use bytes::Bytes;

use crate::http::Head;
use crate::reply::Reply;
use crate::state::State;

pub(crate) use access::Verdict;
pub use facts::{FamilyFacts, FamilySeed, OauthConfig, SeededTokens};
pub use handle::Oauth;
pub(crate) use handle::OauthStore;
pub use request::fingerprint;
pub(crate) use request::redact;

const TOKEN: &str = "/oauth/token";
const AUTHORIZE: &str = "/oauth/authorize";

/// Answers, when the path is one of these.
pub(crate) fn answer(state: &State, head: &Head, body: &Bytes, serial: u64) -> Option<Reply> {
    match head.target.split('?').next().unwrap_or_default() {
        TOKEN => Some(token::answer(state, head, body, serial)),
        AUTHORIZE => Some(authorize::answer(state, head, serial)),
        _ => None,
    }
}
