//! `POST /oauth/token` (RFC 6749 §3.2, §5; RFC 7523 §2.1; RFC 7636 §4.6).
//!
//! Invariant: a refresh token that arrived is counted before anything is decided; a code is taken by its first use,
//! right or wrong.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::facts::FamilySeed;
use super::families::Issued;
use super::request::{Parameters, fingerprint};
use super::{TOKEN, presets, request};
use crate::http::Head;
use crate::reply::Reply;
use crate::select;
use crate::state::State;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An error of RFC 6749 §5.2.
struct Refusal {
    status: u16,
    error: &'static str,
    description: &'static str,
}

pub(super) fn answer(state: &State, head: &Head, body: &Bytes, serial: u64) -> Reply {
    let parameters = request::read(head, body);
    if let Ok(parameters) = &parameters
        && let Some(token) = parameters.get("refresh_token")
    {
        state
            .oauth
            .change(|families, now| families.present(now, token));
    }
    let of_client = || {
        let id = parameters.as_ref().ok()?.get("client_id")?;
        presets::of_client(id)
    };
    let scenario = select::scripted(state, &head.method, TOKEN, false)
        .or_else(of_client)
        .unwrap_or_default();
    let scripted = Reply::scripted(&scenario);
    let takes_effect = scenario.takes_effect.unwrap_or(scripted.is_none());
    let processed = takes_effect.then(|| process(state, head, parameters, serial));
    let unprocessed = || Reply::whole(200, "application/json", Bytes::new());
    let mut reply = scripted.or(processed).unwrap_or_else(unprocessed);
    reply
        .headers
        .push(("cache-control".to_owned(), "no-store".to_owned()));
    reply.dress(state, scenario, serial);
    reply
}

fn process(
    state: &State,
    head: &Head,
    parameters: Result<Parameters, &'static str>,
    serial: u64,
) -> Reply {
    if head.method != "POST" {
        return Reply::error(405, "method not allowed");
    }
    let invalid = |description| Refusal {
        status: 400,
        error: "invalid_request",
        description,
    };
    match parameters
        .map_err(invalid)
        .and_then(|read| grant(state, &read, serial))
    {
        Ok(issued) => Reply::json(200, &issued.to_json()),
        Err(refusal) => Reply::json(
            refusal.status,
            &json!({"error": refusal.error, "error_description": refusal.description}),
        ),
    }
}

fn grant(state: &State, parameters: &Parameters, serial: u64) -> Result<Issued, Refusal> {
    let value = |name: &str| {
        parameters
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let needed = |name, description| {
        value(name).ok_or(Refusal {
            status: 400,
            error: "invalid_request",
            description,
        })
    };
    let client_id = client(state, parameters)?;
    match needed("grant_type", "grant_type is missing")? {
        "refresh_token" => {
            let token = needed("refresh_token", "refresh_token is missing")?;
            state
                .oauth
                .change(|families, now| families.renew(now, token, client_id.as_deref()))
                .map_err(invalid_grant)
        }
        "authorization_code" => {
            let code = needed("code", "code is missing")?;
            login(state, code, parameters, client_id, serial)
        }
        "client_credentials" => {
            let (Some(id), Some(_)) = (client_id, value("client_secret")) else {
                return Err(invalid_client("a secret is needed"));
            };
            let seed = FamilySeed {
                family: format!("client:{id}"),
                scope: value("scope").map(str::to_owned),
                ..FamilySeed::default()
            };
            Ok(state
                .oauth
                .change(|families, now| families.grant(now, seed)))
        }
        JWT_BEARER => {
            let assertion = needed("assertion", "assertion is missing")?;
            let hash = fingerprint(assertion);
            state.oauth.change(|families, now| {
                families.note_assertion(hash);
                let mut expected = families.config.jwt_expected.iter();
                if expected.any(|(name, wanted)| value(name) != Some(wanted)) {
                    return Err(invalid_grant("no rule accepts the assertion"));
                }
                let of = value("service_account_id")
                    .or(client_id.as_deref())
                    .unwrap_or("any");
                let seed = FamilySeed {
                    family: format!("jwt:{of}"),
                    scope: value("scope").map(str::to_owned),
                    organization_id: value("organization_id").map(str::to_owned),
                    ..FamilySeed::default()
                };
                Ok(families.grant(now, seed))
            })
        }
        _ => Err(Refusal {
            status: 400,
            error: "unsupported_grant_type",
            description: "grant_type is not known",
        }),
    }
}

/// The client's id without the fault that it names.
fn client(state: &State, parameters: &Parameters) -> Result<Option<String>, Refusal> {
    let Some(id) = parameters.get("client_id").filter(|id| !id.is_empty()) else {
        let any = state
            .oauth
            .read(|families| families.config.clients.is_empty());
        return any
            .then_some(None)
            .ok_or(invalid_client("client_id is missing"));
    };
    let id = id.rsplit_once('~').map_or(&**id, |(id, _)| id);
    let given = parameters.get("client_secret").map_or("", String::as_str);
    let accepted = state.oauth.read(|families| {
        let clients = &families.config.clients;
        clients.is_empty() || clients.get(id).is_some_and(|secret| secret == given)
    });
    accepted.then(|| Some(id.to_owned())).ok_or(invalid_client(
        "the client is not known, or its secret is wrong",
    ))
}

fn login(
    state: &State,
    code: &str,
    parameters: &Parameters,
    client_id: Option<String>,
    serial: u64,
) -> Result<Issued, Refusal> {
    let value = |name: &str| parameters.get(name).map_or("", String::as_str);
    let pending = state.codes().take(code);
    let pending = pending.ok_or(invalid_grant("code is not known, or was used before"))?;
    let own_id = pending
        .client_id
        .rsplit_once('~')
        .map_or(&*pending.client_id, |(id, _)| id);
    if Some(own_id) != client_id.as_deref() {
        return Err(invalid_grant("code was issued to another client"));
    }
    if value("redirect_uri") != pending.redirect_uri {
        return Err(invalid_grant("redirect_uri is not the one of the login"));
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(value("code_verifier")));
    if challenge != pending.challenge {
        return Err(invalid_grant("code_verifier does not match the challenge"));
    }
    if parameters.contains_key("state") && value("state") != pending.state {
        return Err(invalid_grant("state is not the one of the login"));
    }
    let seed = FamilySeed {
        family: format!("login:{serial}"),
        client_id,
        scope: Some(pending.scope).filter(|scope| !scope.is_empty()),
        organization_id: pending.organization.or(Some("org-mock".to_owned())),
        account_id: Some("account-mock".to_owned()),
        ..FamilySeed::default()
    };
    Ok(state
        .oauth
        .change(|families, now| families.login(now, seed)))
}

fn invalid_grant(description: &'static str) -> Refusal {
    Refusal {
        status: 400,
        error: "invalid_grant",
        description,
    }
}

fn invalid_client(description: &'static str) -> Refusal {
    Refusal {
        status: 401,
        error: "invalid_client",
        description,
    }
}

impl Issued {
    fn to_json(&self) -> Value {
        let mut answer = json!({"token_type": "Bearer", "access_token": self.access_token, "expires_in": self.expires_in_s});
        if let Some(token) = &self.refresh_token {
            answer["refresh_token"] = json!(token);
        }
        if let Some(scope) = &self.scope {
            answer["scope"] = json!(scope);
        }
        if let Some(id) = &self.organization_id {
            answer["organization"] = json!({"uuid": id, "name": "Mock organization"});
        }
        if let Some(id) = &self.account_id {
            answer["account"] = json!({"uuid": id, "email_address": "mock@example.com"});
        }
        answer
    }
}
