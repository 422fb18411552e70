//! `troupe-actors`.
