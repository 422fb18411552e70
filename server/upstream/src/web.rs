//! The web-session kind: a Messages request over the web surface of the operator's own account, and back.
//!
//! The one translated path. Up: request → prompt, attachments, uploads → conversation → completion. Down: events → fill
//! (model, indexes, members) → stop sequences → token count → the shape of the Messages API, as a stream or collected.
//! A tool call ends the message and pauses the conversation; its result resumes it.
//!
//! Invariant: the adapter is honest about itself and evades nothing: a challenge ends the call as
//! [`Verdict::Challenged`](troupe_core::account::Verdict::Challenged); no redirect is followed and no URL of a client is
//! fetched; the cookie goes to the account's base URL and nowhere else.
//! Invariant: a conversation is deleted by its guard, whatever ends it, unless chats are preserved or the account may not
//! be asked any more.
//! Invariant: what this surface cannot do is told with a 400 before any call; nothing of the content is silently left out.

mod account;
mod answer;
mod ask;
mod authorize;
mod collect;
mod completion;
mod conversation;
mod count;
mod deletions;
mod error_event;
mod event;
mod fault;
mod fill;
mod limits;
mod members;
mod open;
mod organization;
mod parts;
mod pause;
mod probe;
mod prompt;
mod request_test;
mod signal;
mod stop;
mod surface;
mod tool_call;
mod tool_result;
mod translate;
mod upload;

pub use account::{Organization, WebAccount};
pub use answer::{LimitNotice, WebAnswer, WebBody, WebStream};
pub use authorize::{AuthorizeRequest, Authorized, authorize};
pub use deletions::Deletions;
pub use fault::WebFault;
pub use limits::WebLimits;
pub use open::{WebRequest, open, resume};
pub use pause::{PauseSink, Paused};
pub use probe::probe;
pub use tool_result::answered_tools;

#[cfg(test)]
mod tests;
