//! `troupe-mock`.
