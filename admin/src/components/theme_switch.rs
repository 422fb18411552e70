//! System, light or dark.

use yew::prelude::*;

use crate::hooks::{ThemeHandle, use_theme};
use crate::theme::Theme;

#[component]
pub(crate) fn ThemeSwitch() -> Html {
    let ThemeHandle { chosen, choose } = use_theme();
    let button = |theme: Theme| {
        let onclick = choose.reform(move |_: MouseEvent| theme);
        html! {
            <button
                class="switch-button" type="button" {onclick} key={theme.word()}
                aria-pressed={(theme == chosen).to_string()}
                aria-label={theme.label()} title={theme.label()}
            >
                <svg
                    class="size-4" viewBox="0 0 24 24" fill="none" stroke="currentColor"
                    stroke-width="2" stroke-linecap="round" stroke-linejoin="round"
                    aria-hidden="true"
                >
                    <path d={shape(theme)} />
                </svg>
            </button>
        }
    };
    html! {
        <div class="switch" role="group" aria-label="Theme">
            { for Theme::ALL.into_iter().map(button) }
        </div>
    }
}

/// A screen, a sun and a moon.
const fn shape(theme: Theme) -> &'static str {
    match theme {
        Theme::System => "M4 5h16v11H4zM9 20h6M12 16v4",
        Theme::Light => {
            "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2\
             M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4"
        }
        Theme::Dark => "M20 14.2A8.2 8.2 0 1 1 9.8 4a6.6 6.6 0 0 0 10.2 10.2z",
    }
}
