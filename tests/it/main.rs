//! Everything that is tested from outside a crate, in one binary: it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is test code; clippy's own exemption sees only #[test] functions"
)]

mod browser_admin;
mod cli_accounts;
mod cli_audit;
mod cli_bodies;
mod cli_config;
mod cli_import;
mod cli_keys;
mod cli_login;
mod cli_request_list;
mod cli_requests;
mod cli_secrets;
mod cli_store;
mod cli_usage;
mod e2e_affinity;
mod e2e_audit;
mod e2e_bodies;
mod e2e_bodies_stored;
mod e2e_budget;
mod e2e_bytes;
mod e2e_clients;
mod e2e_credentials;
mod e2e_cuts;
mod e2e_faults;
mod e2e_headers;
mod e2e_input;
mod e2e_keys;
mod e2e_limits;
mod e2e_models;
mod e2e_oauth;
mod e2e_oauth_faults;
mod e2e_oauth_proxy;
mod e2e_oauth_races;
mod e2e_oauth_recovery;
mod e2e_paths;
mod e2e_pool_chaos;
mod e2e_pool_faults;
mod e2e_relay;
mod e2e_requests;
mod e2e_routing;
mod e2e_routing_affinity;
mod e2e_routing_credentials;
mod e2e_routing_passthrough;
mod e2e_routing_rules;
mod e2e_routing_waits;
mod e2e_secrets;
mod e2e_stream;
mod e2e_transfers;
mod e2e_web;
mod e2e_web_ends;
mod e2e_web_hostile;
mod e2e_web_pool;
mod e2e_web_tools;
mod gateway;
mod house;
mod lifecycle_affinity;
mod lifecycle_audit;
mod lifecycle_budget;
mod lifecycle_drain;
mod lifecycle_keys;
mod lifecycle_kill;
mod lifecycle_metrics;
mod lifecycle_postgres;
mod lifecycle_refresh;
mod lifecycle_reload;
mod lifecycle_start;
mod lifecycle_store_away;
mod postgres;
mod process;
mod sdk;
mod secrets;
mod serve;
