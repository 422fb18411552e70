//! The gateway's present state, checked every few seconds.

use yew::prelude::*;

use crate::board::Knowledge;
use crate::browser::{reload, set_title};
use crate::components::{CheckList, Facts, HeadlinePanel};
use crate::hooks::{BoardHandle, use_board};
use crate::words::headline;

/// The version this page was built with; the gateway may be updated while it is open.
const PAGE_VERSION: &str = env!("CARGO_PKG_VERSION");

#[component]
pub(crate) fn StatusPage() -> Html {
    let BoardHandle { board, check_now } = use_board();
    let headline = headline(&board.knowledge);
    use_effect_with(headline.title, |title| {
        set_title(&format!("{title} · Troupe"))
    });

    let stale = matches!(board.knowledge, Knowledge::Lost { .. });
    let notice = board.other_version(PAGE_VERSION).map(|version| {
        html! {
            <div class="panel notice" role="status">
                <span>
                    { format!("The gateway now runs {version}; this page is from {PAGE_VERSION}.") }
                </span>
                <button class="btn btn-sm" type="button" onclick={|_| reload()}>
                    { "Reload" }
                </button>
            </div>
        }
    });

    html! {
        <>
            { for notice }
            <HeadlinePanel
                {headline}
                asking={board.asking}
                checked_at_ms={board.checked_at_ms}
                on_check={check_now}
            />
            <div class="columns">
                <CheckList
                    checks={board.last().map(|last| last.readiness.checks.clone())}
                    loading={board.knowledge == Knowledge::Unknown}
                    {stale}
                />
                <Facts
                    last={board.last().cloned()}
                    loading={board.knowledge == Knowledge::Unknown}
                    {stale}
                />
            </div>
        </>
    }
}
