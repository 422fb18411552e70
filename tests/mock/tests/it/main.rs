//! The mock over real sockets.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails where it unwraps, helpers included"
)]

mod answers;
mod client;
mod faults;
mod oauth;
mod oauth_faults;
mod oauth_state;
mod web;
mod web_client;
mod web_faults;
mod web_tools;
