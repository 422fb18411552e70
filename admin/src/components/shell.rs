//! What surrounds every page: the name, the theme and the raw answers.

use yew::prelude::*;
use yew_router::prelude::*;

use super::{Mark, ThemeSwitch};
use crate::decode::{HEALTH_PATH, READINESS_PATH};
use crate::route::Route;

#[derive(Clone, Debug, PartialEq, Properties)]
pub(crate) struct ShellProps {
    pub(crate) children: Html,
}

#[component]
pub(crate) fn Shell(props: &ShellProps) -> Html {
    html! {
        <>
            <a class="skip" href="#main">{ "Skip to the content" }</a>
            <header class="bar">
                <div class="bar-inner">
                    <Link<Route> to={Route::Status} classes="brand">
                        <Mark />
                        <span class="brand-name">{ "Troupe" }</span>
                    </Link<Route>>
                    <ThemeSwitch />
                </div>
            </header>
            <main id="main" class="page" tabindex="-1">{ props.children.clone() }</main>
            <footer class="foot">
                <span>{ "Raw answers" }</span>
                <a class="link" href={HEALTH_PATH}>{ HEALTH_PATH }</a>
                <a class="link" href={READINESS_PATH}>{ READINESS_PATH }</a>
            </footer>
        </>
    }
}
