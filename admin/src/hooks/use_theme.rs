//! The chosen theme, kept in the browser.

use yew::prelude::*;

use crate::browser::{apply_theme, stored_theme};
use crate::theme::Theme;

/// The choice and a way to change it.
#[derive(Clone)]
pub(crate) struct ThemeHandle {
    pub(crate) chosen: Theme,
    pub(crate) choose: Callback<Theme>,
}

#[hook]
pub(crate) fn use_theme() -> ThemeHandle {
    let chosen = use_state_eq(stored_theme);
    let choose = use_callback((), {
        let setter = chosen.setter();
        move |theme, ()| {
            apply_theme(theme);
            setter.set(theme);
        }
    });
    ThemeHandle {
        chosen: *chosen,
        choose,
    }
}
