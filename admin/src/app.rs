//! The root component: the shell around whichever page the address names.

use yew::prelude::*;
use yew_router::prelude::*;

use crate::components::Shell;
use crate::pages::{NotFoundPage, StatusPage};
use crate::route::Route;

#[component]
pub(crate) fn App() -> Html {
    html! {
        <BrowserRouter>
            <Shell>
                <Switch<Route> render={page} />
            </Shell>
        </BrowserRouter>
    }
}

fn page(route: Route) -> Html {
    match route {
        Route::Status => html! { <StatusPage /> },
        Route::NotFound => html! { <NotFoundPage /> },
    }
}
