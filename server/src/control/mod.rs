//! The control socket: how commands reach a running gateway.
//!
//! A Unix socket in a folder that only its owner enters. One JSON line asks, one answers:
//!
//! ```text
//! → {"v":1,"op":"key.disable","name":"ci"}
//! ← {"ok":{"name":"ci","state":"disabled",…}}
//! ← {"error":{"code":"not_found","message":"there is no key ci; see `troupe key list`","exit":1}}
//! ```
//! Index. [`place`]: where the socket is. [`Server`]: bind and run. [`client`]: ask. `wire`: the two lines.
//!
//! Invariant: both sides check who the other is (same user or root; root also trusts the data folder's owner); every line, wait and number of connections has a
//! bound; an operation that began is never cut short by a client that leaves.

pub mod client;
mod error;
pub mod place;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::path::Path;
use std::sync::Arc;

pub use self::error::ControlError;
pub use self::server::Server;
use crate::ops::Operations;

/// Binds the socket of `data_dir` and answers until `shutdown`; then the socket is gone.
///
/// # Errors
/// As [`Server::bind`].
pub async fn serve(
    data_dir: &Path,
    ops: Arc<Operations>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ControlError> {
    Server::bind(data_dir).await?.run(ops, shutdown).await;
    Ok(())
}
