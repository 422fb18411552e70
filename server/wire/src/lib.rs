//! `troupe-wire`.
