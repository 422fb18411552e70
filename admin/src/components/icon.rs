//! Drawn in the page, so that there is nothing more to fetch.
//!
//! Invariant: decoration only; the word beside an icon carries the meaning.

use yew::prelude::*;

use crate::words::Tone;

#[derive(Clone, Copy, Debug, PartialEq, Properties)]
pub(crate) struct IconProps {
    pub(crate) tone: Tone,
    #[prop_or_default]
    pub(crate) large: bool,
}

/// The sign of a tone.
#[component]
pub(crate) fn Icon(props: &IconProps) -> Html {
    let shape = match props.tone {
        Tone::Good => "M5 12.5l4.5 4.5L19 7.5",
        Tone::Warn => "M12 4.5v9.5M12 19v.1",
        Tone::Bad => "M7 7l10 10M17 7L7 17",
        Tone::Busy => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.5V12l3 2",
        Tone::Calm => "M6 12h.1M12 12h.1M18 12h.1",
    };
    let size = if props.large { "size-7" } else { "size-3.5" };
    html! {
        <svg
            class={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.5"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"
        >
            <path d={shape} />
        </svg>
    }
}

/// Three figures on one stage.
#[component]
pub(crate) fn Mark() -> Html {
    html! {
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
            <rect class="mark-ground" width="32" height="32" rx="9" />
            <g class="mark-figure">
                <circle cx="9.5" cy="13.5" r="2.75" opacity="0.65" />
                <circle cx="22.5" cy="13.5" r="2.75" opacity="0.65" />
                <circle cx="16" cy="10" r="3.5" />
                <path d="M6 23.5a10 6.5 0 0 1 20 0z" />
            </g>
        </svg>
    }
}
