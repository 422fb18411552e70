//! `troupe-bench`.
