//! `troupe-tests`.
