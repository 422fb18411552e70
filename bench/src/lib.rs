//! The yardstick: a fast mock upstream, a bounded load generator and the driver that puts
//! gateways between the two and measures what each costs.
//!
//! Invariant: mock, gateway and load are three processes, so the CPU and memory read for a gateway
//! are its own and nobody else's. Everything is loopback, bounded in count and in time, and ends by
//! itself. The method is described in `bench/README.md`.

pub mod arms;
pub mod error;
pub mod load;
pub mod measure;
pub mod mock;
pub mod process;
pub mod report;
pub mod results;
pub mod run;
pub mod stats;
