//! `troupe-admin-api`.
