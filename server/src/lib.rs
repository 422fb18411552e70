//! The process: HTTP edge, pipeline, configuration, operations, lifecycle.
//!
//! Index. `main` → [`cli`] → [`lifecycle`] → [`app`] (the composition root) → [`http`] → [`routes`] → [`pipeline`].
//! Shared by all workers: [`gateway`]; owned by one: [`worker`]. Changes: [`ops`], reached by [`control`] and the
//! command line. [`config`] knows none of the others.
//!
//! Invariant: only this crate names actix-web; [`error`] alone maps what goes wrong to a status.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod account_rules;
pub mod app;
pub mod audit;
pub mod bodies;
pub mod cli;
pub mod config;
pub mod control;
pub mod error;
pub mod gateway;
pub mod http;
pub mod import;
pub mod keeper;
pub mod lifecycle;
pub mod load;
pub mod networks;
pub mod ops;
pub mod pipeline;
pub mod plan;
pub mod routes;
pub mod spa;
pub mod telemetry;
pub mod worker;
