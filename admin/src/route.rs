//! The addresses of the page.
//!
//! Invariant: every route starts with `/admin`, the only folder the server answers with this
//! page; `/admin/api` and `/admin/assets` are the server's own.

use yew_router::Routable;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Routable)]
pub(crate) enum Route {
    #[at("/admin")]
    Status,
    #[not_found]
    #[at("/admin/not-found")]
    NotFound,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_status_page_with_and_without_a_slash() {
        assert_eq!(Route::recognize("/admin"), Some(Route::Status));
        assert_eq!(Route::recognize("/admin/"), Some(Route::Status));
    }

    #[test]
    fn anything_else_is_not_found() {
        for path in ["/admin/nothing", "/admin/keys/1", "/elsewhere"] {
            assert_eq!(Route::recognize(path), Some(Route::NotFound));
        }
    }
}
