//! `troupe-admin`.
