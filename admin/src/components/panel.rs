//! A titled box. One that shows an old answer says so.

use yew::prelude::*;

#[derive(Clone, Debug, PartialEq, Properties)]
pub(crate) struct PanelProps {
    pub(crate) title: &'static str,
    /// The contents are the last known ones and may no longer hold.
    pub(crate) stale: bool,
    pub(crate) children: Html,
}

#[component]
pub(crate) fn Panel(props: &PanelProps) -> Html {
    html! {
        <section class="panel" aria-label={props.title}>
            <header class="panel-header">
                <h2 class="panel-title">{ props.title }</h2>
                if props.stale {
                    <span class="tag" data-tone="warn">{ "Last known" }</span>
                }
            </header>
            { props.children.clone() }
        </section>
    }
}
