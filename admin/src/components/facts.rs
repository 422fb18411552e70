//! What the gateway says of itself beside its checks.

use yew::prelude::*;

use super::Panel;
use crate::board::Snapshot;
use crate::browser::origin;
use crate::words::duration;

#[derive(Clone, Debug, PartialEq, Properties)]
pub(crate) struct FactsProps {
    /// None when there never was an answer.
    pub(crate) last: Option<Snapshot>,
    pub(crate) loading: bool,
    pub(crate) stale: bool,
}

#[component]
pub(crate) fn Facts(props: &FactsProps) -> Html {
    let version = props
        .last
        .as_ref()
        .map(|last| last.health.version.to_string());
    let round_trip = props.last.as_ref().map(|last| duration(last.round_trip_ms));
    let fact = |name: &'static str, value: Option<String>| {
        html! {
            <div class="row">
                <dt class="row-quiet">{ name }</dt>
                <dd class="row-value">
                    if let Some(value) = value {
                        { value }
                    } else if props.loading {
                        <span class="skeleton inline-block h-4 w-20" aria-label="loading" />
                    } else {
                        { "unknown" }
                    }
                </dd>
            </div>
        }
    };
    html! {
        <Panel title="Gateway" stale={props.stale && props.last.is_some()}>
            <dl class="rows">
                { fact("Version", version) }
                { fact("Answers this browser in", round_trip) }
                { fact("Address", origin()) }
            </dl>
        </Panel>
    }
}
