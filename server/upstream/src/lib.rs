//! Adapters to what lies upstream: the data path's client, the header filters, the meaning of an answer, the probe.
//!
//! Invariant: the client's credential never goes up and the account's headers never come down; no redirect is followed;
//! an answer that is dropped closes its connection, and only one that was read to its end is re-used.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod base_url;
pub mod body;
pub mod breaker;
pub mod classify;
pub mod client;
mod connect;
mod connection;
mod decode;
pub mod error;
pub mod facts;
mod head;
pub mod header_list;
pub mod headers;
mod incoming;
pub mod network;
mod outgoing;
mod pool;
pub mod probe;
pub mod send;
mod tls;
pub mod token;
pub mod web;
mod wording;

pub use base_url::{BaseUrl, BaseUrlError, Target};
pub use body::{AnswerBody, AnswerStream, Body};
pub use breaker::{Breaker, Breakers, OpenUntil, Outcome, Permit};
pub use classify::{Retry, classify, is_relayable, retryable};
pub use client::UpstreamClient;
pub use error::{BodyError, ConnectFault, Fate, SendError};
pub use facts::{Facts, RateLimits, WindowFacts, WindowName, Windows};
pub use header_list::{HeaderLines, HeaderList};
pub use headers::{AccountHeaders, AccountHeadersError};
pub use network::{Network, NetworkError};
pub use probe::{ProbeRequest, Prober};
pub use send::{UpstreamAnswer, UpstreamRequest, send};

/// What the gateway calls itself where the client sent no `user-agent`.
pub const USER_AGENT: &str = concat!("troupe/", env!("CARGO_PKG_VERSION"));
