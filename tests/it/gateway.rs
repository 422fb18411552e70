//! The gateway as a process, in front of scripted upstreams, and a client that speaks HTTP/1.1 by
//! hand: it sends what no library would, and shows what came back byte for byte.

mod client;
mod declare;
mod pool;
mod sessions;
mod socks;
mod stage;
mod upstream;
mod web;

pub use client::{Answer, Client, head, request};
pub use declare::{api, counted, credential, keys, oauth, refreshed, secret, store};
pub use pool::Pool;
pub use sessions::Sessions;
pub use socks::Socks;
pub use stage::{Account, FILES, FIRST, PLAIN, SECOND, Setup, Stage, UNBOUND, message, stream};
pub use upstream::Canned;
pub use web::{Said, WEB, ask, ask_tools, scripted, session, web};
