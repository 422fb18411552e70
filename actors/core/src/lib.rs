//! `troupe-core`.
