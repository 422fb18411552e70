//! Metrics and logs.

mod log;
mod metrics;

pub use log::{LogFilter, init as init_log};
pub use metrics::Telemetry;
