//! A scripted upstream that speaks the Messages API and misbehaves on demand.
//!
//! Invariant: what it sends is decided by the scenario alone, never by chance, and everything that
//! reached it stands in the journal, byte for byte. HTTP/1.1 is written by hand because a
//! framework would refuse to send what the tests need: resets, truncation, wrong framing, a write
//! for every byte. The journal is bounded, so it also serves as the upstream of the demo.

mod admin;
mod api;
mod clock;
mod codes;
mod connection;
mod http;
mod journal;
mod message;
mod oauth;
mod reply;
mod request;
mod resources;
mod scenario;
mod select;
mod server;
mod state;
mod web;
mod wire_order;

pub use journal::{Entry, Journal, WaitTimeout};
pub use oauth::{FamilyFacts, FamilySeed, Oauth, OauthConfig, SeededTokens, fingerprint};
pub use scenario::{Events, Framing, LineEnd, MidError, Scenario, Split};
pub use server::{Mock, MockConfig, MockServer};
pub use web::{
    ConversationView, Endpoint, FileView, MessageLimit, StreamState, ToolResultView, Web,
    WebScenario, WebSnapshot,
};

/// One scripted answer, see [`MockServer::script`].
pub type Answer = Scenario;
