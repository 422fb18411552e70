//! The page's entry in a browser; on any other machine it does nothing, so that the whole
//! workspace builds everywhere.

fn main() {
    #[cfg(target_arch = "wasm32")]
    troupe_admin::start();
}
