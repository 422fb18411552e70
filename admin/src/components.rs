//! Pieces of pages. They get what they show as properties and ask nobody.

mod check_list;
mod facts;
mod headline;
mod icon;
mod panel;
mod shell;
mod theme_switch;

pub(crate) use check_list::CheckList;
pub(crate) use facts::Facts;
pub(crate) use headline::HeadlinePanel;
pub(crate) use icon::{Icon, Mark};
pub(crate) use panel::Panel;
pub(crate) use shell::Shell;
pub(crate) use theme_switch::ThemeSwitch;
