//! Chooses the scenario of a request.
//!
//! Invariant: the first of these that is given decides: the script, what its credential is to get, the header
//! `x-mock-scenario`, a tag in the body, the mock's default.

use crate::http::Head;
use crate::request::Ask;
use crate::scenario::Scenario;
use crate::state::State;

const MESSAGES: &str = "/v1/messages";

/// Takes the next scripted answer for this request; `before_body` those that must be given before
/// the body is read, or those that need it.
pub(crate) fn scripted(
    state: &State,
    method: &str,
    path: &str,
    before_body: bool,
) -> Option<Scenario> {
    let mut script = state.script();
    let at = script.iter().position(|answer| match &answer.path {
        Some(wanted) => wanted == path,
        None => answer.web.is_none() && method == "POST" && path == MESSAGES,
    })?;
    if script[at].before_body == before_body {
        script.remove(at)
    } else {
        None
    }
}

/// The scenario that the request itself names, else the default.
///
/// # Errors
/// When it names one that does not exist; the text is for a 400.
pub(crate) fn named(state: &State, head: &Head, ask: Option<&Ask>) -> Result<Scenario, String> {
    if let Some(scenario) = treatment(state, head) {
        return Ok(scenario);
    }
    if let Some(text) = head.header("x-mock-scenario") {
        return Scenario::parse(text);
    }
    match ask.and_then(tag) {
        Some(text) => Scenario::parse(&text),
        None => Ok(state.config.default_scenario.clone()),
    }
}

/// What the credential of a request is to get.
fn treatment(state: &State, head: &Head) -> Option<Scenario> {
    let treated = state.treated();
    if treated.is_empty() {
        return None;
    }
    let bearer = head.header("authorization");
    let bearer = bearer.and_then(|value| Some(value.split_once(' ')?.1.trim()));
    let credentials = [head.header("x-api-key"), bearer];
    credentials
        .into_iter()
        .flatten()
        .find_map(|key| treated.get(key).cloned())
}

/// `mock:…` in the model or as `metadata.user_id`, `[[mock:…]]` in the first user text.
fn tag(ask: &Ask) -> Option<String> {
    if let Some((_, name)) = ask.model.split_once("mock:") {
        return Some(name.to_owned());
    }
    if let Some(text) = ask
        .user_id
        .as_deref()
        .and_then(|id| id.strip_prefix("mock:"))
    {
        return Some(text.to_owned());
    }
    let text = ask.user_text(false);
    let (_, tagged) = text.split_once("[[mock:")?;
    // The last `]]`: the tag itself may hold some, in JSON.
    Some(tagged.rsplit_once("]]")?.0.to_owned())
}
