//! Chooses the scenario of a request to the web-session surface.
//!
//! Invariant: the order is the one in `web.rs`; a scripted answer that does not fit a request is
//! left for the one it fits.

use super::completion::Ask;
use super::organizations::Session;
use super::scenario::{Endpoint, WebScenario};
use crate::http::Head;
use crate::scenario::Scenario;
use crate::select;
use crate::state::State;

pub(super) struct Request<'a> {
    pub(super) head: &'a Head,
    pub(super) path: &'a str,
    pub(super) endpoint: Endpoint,
    pub(super) session: &'a Session,
    /// Of a completion that could be read.
    pub(super) ask: Option<&'a Ask>,
}

/// # Errors
/// When the request names a scenario that does not exist; the text is for a 400.
pub(super) fn scenario(state: &State, request: &Request<'_>) -> Result<Scenario, String> {
    let by_path = || select::scripted(state, &request.head.method, request.path, false);
    if let Some(scenario) = scripted(state, request).or_else(by_path) {
        return Ok(scenario);
    }
    if let Some(text) = request.head.header("x-mock-scenario") {
        return Scenario::parse(text);
    }
    if let Some(scenario) = of_session(request.session, request.endpoint) {
        return Ok(scenario);
    }
    match request.ask.map(of_text) {
        Some(Some(found)) => found,
        Some(None) => Ok(state.config.default_scenario.clone()),
        None => Ok(Scenario::default()),
    }
}

/// Takes the first scripted answer that is for this endpoint and cookie.
fn scripted(state: &State, request: &Request<'_>) -> Option<Scenario> {
    let fits = |web: &WebScenario| {
        let cookie = web.cookie.as_deref();
        web.at.unwrap_or(Endpoint::Completion) == request.endpoint
            && cookie.is_none_or(|cookie| request.session.cookie.contains(cookie))
    };
    let mut script = state.script();
    let at = script
        .iter()
        .position(|answer| answer.path.is_none() && answer.web.as_ref().is_some_and(fits))?;
    let keeps = script[at].web.as_ref().is_some_and(|web| web.keep);
    if keeps {
        script.get(at).cloned()
    } else {
        script.remove(at)
    }
}

/// What a word of the session key asks for at this endpoint.
fn of_session(session: &Session, endpoint: Endpoint) -> Option<Scenario> {
    session.words().find_map(|word| {
        let (name, only_at) = match word.split_once('@') {
            Some((name, at)) => (name, Some(Endpoint::named(at)?)),
            None => (word, None),
        };
        let scenario = Scenario::named(&format!("web_{name}"))?;
        let applies = match only_at {
            Some(at) => at == endpoint,
            None => scenario.status.is_some() || endpoint == Endpoint::Completion,
        };
        applies.then_some(scenario)
    })
}

/// What the model, the prompt or an attachment asks for.
fn of_text(ask: &Ask) -> Option<Result<Scenario, String>> {
    if let Some((_, name)) = ask.model.split_once("mock:") {
        return Some(Scenario::parse(name));
    }
    let attached = ask.attachments.iter().map(|attached| &attached.content);
    std::iter::once(&ask.prompt)
        .chain(attached)
        .find_map(|text| tag(text))
}

/// The last tag of a text: in a conversation that was written out, the newest turn decides.
fn tag(text: &str) -> Option<Result<Scenario, String>> {
    let (_, tagged) = text.rsplit_once("[[mock:")?;
    // A tag may hold `]]` itself, in JSON, so the first end that can be read is taken.
    let mut ends = tagged.match_indices("]]").map(|(end, _)| end).take(16);
    let first = Scenario::parse(&tagged[..ends.next()?]);
    let read = |end: usize| Scenario::parse(&tagged[..end]).ok();
    Some(first.or_else(|error| ends.find_map(read).ok_or(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tag_counts_and_may_hold_brackets() {
        let name = |text: &str| {
            tag(text).map(|read| read.map(|scenario| scenario.name.unwrap_or_default()))
        };
        assert_eq!(name("no tag"), None);
        assert_eq!(name("[[mock:web_text"), None);
        let two = "[[mock:web_text]] [1]] and [[mock:web_dead]] [2]]";
        assert_eq!(name(two), Some(Ok("web_dead".to_owned())));
        let json = r#"[[mock:{"name":"x","headers":[["a","]]"]]}]] rest ]]"#;
        assert_eq!(name(json), Some(Ok("x".to_owned())));
        assert!(name("[[mock:nonsense]]").is_some_and(|read| read.is_err()));
    }

    #[test]
    fn words_of_the_session_key() {
        let status = |key: &str, endpoint| {
            let session = Session::of(&format!("sessionKey={key}")).unwrap();
            of_session(&session, endpoint).map(|scenario| scenario.status)
        };
        assert_eq!(status("sk-1", Endpoint::Create), None);
        assert_eq!(status("sk-challenged", Endpoint::Create), Some(Some(302)));
        assert_eq!(status("sk-dead@upload", Endpoint::Create), None);
        assert_eq!(status("sk-dead@upload", Endpoint::Upload), Some(Some(401)));
        assert_eq!(status("sk-dead@nowhere", Endpoint::Upload), None);
        assert_eq!(status("sk-deadbeef", Endpoint::Upload), None);
        assert_eq!(status("sk-mid_error", Endpoint::Create), None);
        assert_eq!(status("sk-mid_error", Endpoint::Completion), Some(None));
    }
}
