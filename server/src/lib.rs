//! `troupe-server`.
pub mod config;
