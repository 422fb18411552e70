//! The parts of the gateway and what each says of itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use troupe_admin_api::CheckState;
use yew::prelude::*;

use super::{Icon, Panel};
use crate::words::of_check;

#[derive(Clone, Debug, PartialEq, Properties)]
pub(crate) struct CheckListProps {
    /// None when there never was an answer.
    pub(crate) checks: Option<BTreeMap<Cow<'static, str>, CheckState>>,
    pub(crate) loading: bool,
    pub(crate) stale: bool,
}

#[component]
pub(crate) fn CheckList(props: &CheckListProps) -> Html {
    let body = match &props.checks {
        None if props.loading => html! {
            <div class="rows" aria-hidden="true">
                { for (0..2).map(|_| html! { <div class="skeleton h-5 w-full my-3" /> }) }
            </div>
        },
        None => html! { <p class="quiet">{ "Nothing is known yet." }</p> },
        Some(checks) if checks.is_empty() => {
            html! { <p class="quiet">{ "The gateway reports no checks." }</p> }
        }
        Some(checks) => html! {
            <ul class="rows">
                { for checks.iter().map(|(name, state)| row(name, *state)) }
            </ul>
        },
    };
    html! {
        <Panel title="Checks" stale={props.stale && props.checks.is_some()}>{ body }</Panel>
    }
}

fn row(name: &str, state: CheckState) -> Html {
    let (tone, word) = of_check(state);
    html! {
        <li class="row" key={name}>
            <span class="row-name">{ name }</span>
            <span class="tag" data-tone={tone.word()}>
                <Icon {tone} />
                { word }
            </span>
        </li>
    }
}
