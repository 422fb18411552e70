//! The state of the gateway in one word and one sentence.

use yew::prelude::*;

use super::Icon;
use crate::browser::{iso_time, time_of_day};
use crate::words::Headline;

#[derive(Clone, Debug, PartialEq, Properties)]
pub(crate) struct HeadlinePanelProps {
    pub(crate) headline: Headline,
    pub(crate) asking: bool,
    pub(crate) checked_at_ms: Option<f64>,
    pub(crate) on_check: Callback<()>,
}

#[component]
pub(crate) fn HeadlinePanel(props: &HeadlinePanelProps) -> Html {
    let Headline {
        tone,
        title,
        sentence,
    } = &props.headline;
    let onclick = props.on_check.reform(|_: MouseEvent| ());
    html! {
        <section
            class="panel headline" data-tone={tone.word()} aria-label="State"
            aria-busy={props.asking.to_string()}
        >
            <div class="orb"><Icon tone={*tone} large=true /></div>
            <div class="headline-text" role="status" aria-live="polite">
                <h1 class="headline-title">{ *title }</h1>
                <p class="headline-sentence">{ sentence }</p>
            </div>
            <div class="headline-side">
                <button class="btn btn-outline" type="button" {onclick}>{ "Check now" }</button>
                <p class="checked">
                    if let Some(at_ms) = props.checked_at_ms {
                        { "Checked at " }
                        <time datetime={iso_time(at_ms)}>{ time_of_day(at_ms) }</time>
                    } else {
                        { "Not checked yet" }
                    }
                </p>
            </div>
        </section>
    }
}
