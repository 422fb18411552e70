//! The backend on PostgreSQL: every port, with what must go on without it in the node's own folder.
//!
//! Index. `open`, `address` (the URL), `migrate` (the tables); `pool` (connections, deadlines, transactions), `fault`
//! (errors), `changes` (the outbox); `soft`: what goes on while the server is away, and on it the ports of `accounts`,
//! `tokens` and `keys`; `facts`; what happened: `log`, `bodies`, `usage`, `series`, `audit`, `partitions`.
//!
//! Invariant: each operation ends within its deadline, whatever the server does; nothing is acknowledged that is not
//! there; neither the URL nor what the server writes is repeated in an error or a log.

mod accounts;
mod address;
mod archive;
mod audit;
mod bodies;
mod changes;
mod facts;
mod fault;
mod keys;
mod log;
mod migrate;
mod open;
mod partitions;
mod pool;
mod rows;
mod series;
mod soft;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod watch;

pub(crate) use open::{Open, check, open};
