//! `troupe-server`.
