//! `troupe-storage`.
