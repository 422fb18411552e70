//! The admin page: a Yew single-page application served below `/admin`.
//!
//! What is decided is plain Rust (`board`, `decode`, `theme`, `words`) and is tested on the build
//! machine; what touches the browser (`browser`, `probe`, `hooks`) decides nothing.
//!
//! Invariant: shows only what the gateway answered, and says when that was. No inline script or
//! style, in the page or added by it: the server's content policy forbids both.

mod app;
mod board;
mod browser;
mod components;
mod decode;
mod hooks;
mod pages;
mod probe;
mod route;
mod theme;
mod words;

/// Puts the application into the document's body. Only a browser has one.
pub fn start() {
    yew::Renderer::<app::App>::new().render();
}
