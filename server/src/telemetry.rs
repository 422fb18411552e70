//! Metrics and logs.

mod costs;
mod log;
mod metrics;
mod unpriced;

pub use log::{LogFilter, init as init_log};
pub use metrics::Telemetry;
