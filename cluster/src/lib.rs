//! `troupe-cluster`.
