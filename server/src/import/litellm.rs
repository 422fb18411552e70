//! LiteLLM's proxy: its `config.yaml`, and the PostgreSQL database where its keys and teams are.
//!
//! Index: `yaml`, `database` (one source each), `deployment` (one entry of a model list), `accounts` (deployments with
//! the same credential become one account), `keys` (a virtual key), `budget` (its limits), `models` (its allow-list).
//!
//! Invariant: only deployments whose upstream speaks the Messages API become accounts.

mod accounts;
mod budget;
mod database;
mod deployment;
mod keys;
mod models;
mod yaml;

pub use database::litellm_database;
pub use yaml::litellm_yaml;
