//! State that lives as long as a component, joined to the browser.

mod use_board;
mod use_theme;

pub(crate) use use_board::{BoardHandle, use_board};
pub(crate) use use_theme::{ThemeHandle, use_theme};
