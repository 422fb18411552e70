//! The backend on PostgreSQL: every port, with what must go on without it in the node's own folder.
//!
//! Index: `address` (the URL), `pool` (connections, deadlines, transactions), `fault` (errors), `health`, `migrate`.
//! Ports are implemented on [`pool::Pg`].
//!
//! Invariant: each operation ends within its deadline, whatever the server does; nothing is acknowledged that is not
//! there; neither the URL nor what the server writes is repeated in an error or a log.

mod address;
mod audit;
mod bodies;
mod fault;
mod health;
mod log;
mod migrate;
mod partitions;
mod pool;
mod series;
#[cfg(test)]
pub(crate) mod testing;
mod usage;
