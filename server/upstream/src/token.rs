//! The client of token endpoints: an account's access tokens are obtained and renewed here, and logins are begun
//! (RFC 6749, 7523, 7636). Nothing is kept between calls; who may call when is the account's business.
//!
//! Invariant: one exchange writes its request at most once, whatever the HTTP client would repeat; *certainly not
//! processed*, *certainly refused* and *unknown* are different faults; no redirect is followed; no fault and no `Debug`
//! holds a secret, even where the endpoint repeats it.

mod answer;
mod assertion;
mod endpoint;
mod exchange;
mod fault;
mod grant;
mod hide;
mod login;
mod pasted;
pub mod presets;

pub use assertion::read_assertion;
pub use endpoint::{BodyFormat, ClientAuth, EndpointUrl, EndpointUrlError, TokenEndpoint};
pub use exchange::exchange;
pub use fault::TokenFault;
pub use grant::{Grant, Tokens};
pub use hide::hide;
pub use login::{AuthorizeParams, Login, LoginError, authorize_url};
pub use pasted::{Pasted, PastedError, parse_pasted};

#[cfg(test)]
mod tests;
