//! `/__mock/oauth…`: the authorization server's state, for tests in other languages.
//!
//! Invariant: a token is shown only to the one who seeds it; all else is hashes.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::facts::{FamilySeed, OauthConfig};
use super::families::Families;
use crate::reply::Reply;
use crate::state::State;

pub(crate) const USAGE: &str =
    "GET, POST (seed) or PUT (configure) /__mock/oauth, POST /__mock/oauth/revoke or /expire";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    family: String,
}

/// Answers, when the name after `/__mock/` is one of these.
pub(crate) fn answer(state: &State, method: &str, name: &str, body: &Bytes) -> Option<Reply> {
    let reply = match (method, name) {
        ("GET", "oauth") => {
            let families = state.oauth.facts();
            let families: serde_json::Map<_, _> = families
                .iter()
                .map(|facts| (facts.family.clone(), json!(facts)))
                .collect();
            let assertions = state.oauth.read(Families::assertions);
            Ok(json!({"families": families, "assertions": assertions}))
        }
        ("POST", "oauth") => read::<FamilySeed>(body)
            .map(|seed| json!(state.oauth.change(|families, now| families.seed(now, seed)))),
        ("PUT", "oauth") => read::<OauthConfig>(body).map(|config| {
            state.oauth.change(|families, _| families.config = config);
            json!({})
        }),
        ("POST", "oauth/revoke") => read::<Named>(body).and_then(|named| {
            let found = state
                .oauth
                .change(|families, _| families.revoke(&named.family));
            found.then(|| json!({})).ok_or("no such family".to_owned())
        }),
        ("POST", "oauth/expire") => read::<Named>(body).and_then(|named| {
            let found = state
                .oauth
                .change(|families, now| families.expire(now, &named.family));
            found.then(|| json!({})).ok_or("no such family".to_owned())
        }),
        _ => return None,
    };
    Some(match reply {
        Ok(value) => Reply::json(200, &value),
        Err(message) => Reply::error(400, &message),
    })
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
