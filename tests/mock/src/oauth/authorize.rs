//! `GET /oauth/authorize`: the person has always agreed already (RFC 6749 §4.1.1, RFC 7636 §4.3).
//!
//! Invariant: a code is given out only with a challenge; a request that names no usable redirect is never redirected.

use bytes::Bytes;
use url::Url;

use super::AUTHORIZE;
use super::request::{Parameters, query};
use crate::codes::PendingCode;
use crate::http::Head;
use crate::reply::Reply;
use crate::select;
use crate::state::State;

/// A redirect to it shows `code#state` as text instead; so does one to a path that ends in `/code/callback`.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

pub(super) fn answer(state: &State, head: &Head, serial: u64) -> Reply {
    let scenario = select::scripted(state, &head.method, AUTHORIZE, false).unwrap_or_default();
    let page = || match head.method.as_str() {
        "GET" => page(state, &query(head), serial),
        _ => Reply::error(405, "method not allowed"),
    };
    let mut reply = Reply::scripted(&scenario).unwrap_or_else(page);
    reply.dress(state, scenario, serial);
    reply
}

fn page(state: &State, asked: &Parameters, serial: u64) -> Reply {
    let value = |name: &str| asked.get(name).map_or("", String::as_str);
    let refused = |what: &str| Reply::whole(400, "text/plain", Bytes::from(what.to_owned()));
    let (redirect_uri, client_id) = (value("redirect_uri"), value("client_id"));
    if client_id.is_empty() {
        return refused("client_id is missing");
    }
    let Ok(redirect) = Url::parse(redirect_uri) else {
        return refused("redirect_uri is no URL");
    };
    if client_id.ends_with("~denied") {
        return redirected(
            redirect,
            &[("error", "access_denied"), ("state", value("state"))],
        );
    }
    if value("response_type") != "code" {
        return redirected(
            redirect,
            &[
                ("error", "unsupported_response_type"),
                ("state", value("state")),
            ],
        );
    }
    if value("code_challenge_method") != "S256" || value("code_challenge").len() != 43 {
        return redirected(
            redirect,
            &[("error", "invalid_request"), ("state", value("state"))],
        );
    }
    let pending = PendingCode {
        challenge: value("code_challenge").to_owned(),
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        scope: value("scope").to_owned(),
        state: value("state").to_owned(),
        organization: None,
    };
    let code = state.codes().issue(serial, pending);
    if redirect_uri == OUT_OF_BAND || redirect.path().ends_with("/code/callback") {
        let shown = format!("{code}#{}", value("state"));
        return Reply::whole(200, "text/plain", Bytes::from(shown));
    }
    redirected(redirect, &[("code", &code), ("state", value("state"))])
}

fn redirected(mut redirect: Url, pairs: &[(&str, &str)]) -> Reply {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    redirect.query_pairs_mut().extend_pairs(given);
    let mut reply = Reply::whole(302, "text/plain", Bytes::new());
    reply.headers.push(("location".to_owned(), redirect.into()));
    reply
}
