//! The few things the page asks of the browser itself.
//!
//! Invariant: nothing here fails loudly; a browser that refuses storage or lacks a window still
//! gets a page that works.

use wasm_bindgen::JsValue;
use web_sys::{VisibilityState, Window};

use crate::theme::{STORAGE_KEY, Theme};

fn window() -> Option<Window> {
    web_sys::window()
}

/// Wall clock in Unix milliseconds.
pub(crate) fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// A clock that never goes back, in milliseconds.
pub(crate) fn monotonic_ms() -> f64 {
    window()
        .and_then(|window| window.performance())
        .map_or_else(now_ms, |clock| clock.now())
}

/// The time of day as the reader's locale writes it.
pub(crate) fn time_of_day(at_ms: f64) -> String {
    js_sys::Date::new(&JsValue::from_f64(at_ms))
        .to_locale_time_string("default")
        .into()
}

/// The same moment for machines, as `<time datetime>` wants it.
pub(crate) fn iso_time(at_ms: f64) -> String {
    js_sys::Date::new(&JsValue::from_f64(at_ms))
        .to_iso_string()
        .into()
}

/// Scheme, host and port this page came from.
pub(crate) fn origin() -> Option<String> {
    window()?.location().origin().ok()
}

pub(crate) fn reload() {
    if let Some(window) = window() {
        // The browser refuses only while it is already leaving the page.
        let _ = window.location().reload();
    }
}

/// Whether anybody can see the page.
pub(crate) fn is_visible() -> bool {
    window()
        .and_then(|window| window.document())
        .is_none_or(|document| document.visibility_state() == VisibilityState::Visible)
}

pub(crate) fn set_title(title: &str) {
    if let Some(document) = window().and_then(|window| window.document()) {
        document.set_title(title);
    }
}

pub(crate) fn stored_theme() -> Theme {
    let stored = window()
        .and_then(|window| window.local_storage().ok().flatten())
        .and_then(|storage| storage.get_item(STORAGE_KEY).ok().flatten());
    Theme::from_word(stored.as_deref())
}

/// Shows the theme and remembers it where the browser allows that.
pub(crate) fn apply_theme(theme: Theme) {
    let Some(window) = window() else { return };
    if let Some(root) = window
        .document()
        .and_then(|document| document.document_element())
    {
        let _ = match theme.attribute() {
            Some(name) => root.set_attribute("data-theme", name),
            None => root.remove_attribute("data-theme"),
        };
    }
    if let Ok(Some(storage)) = window.local_storage() {
        let _ = match theme {
            Theme::System => storage.remove_item(STORAGE_KEY),
            Theme::Light | Theme::Dark => storage.set_item(STORAGE_KEY, theme.word()),
        };
    }
}
