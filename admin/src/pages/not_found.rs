//! Shown for every address below `/admin` that names no page.

use yew::prelude::*;
use yew_router::prelude::*;

use crate::browser::set_title;
use crate::route::Route;

#[component]
pub(crate) fn NotFoundPage() -> Html {
    let path = use_location()
        .map(|location| location.path().to_owned())
        .unwrap_or_default();
    use_effect_with((), |()| set_title("Not found · Troupe"));

    html! {
        <section class="panel not-found">
            <p class="eyebrow">{ "404" }</p>
            <h1 class="headline-title">{ "There is no such page" }</h1>
            <p class="headline-sentence">
                { "Nothing is served at " }<code class="address">{ path }</code>{ "." }
            </p>
            <Link<Route> to={Route::Status} classes="btn btn-primary mt-2">
                { "Go to the status page" }
            </Link<Route>>
        </section>
    }
}
