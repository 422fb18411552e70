//! `troupe-upstream`.
