//! One file per page; a page puts hooks and components together.

mod not_found;
mod status;

pub(crate) use not_found::NotFoundPage;
pub(crate) use status::StatusPage;
