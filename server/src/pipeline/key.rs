//! Who asks, and may they now: credential → key → a place at its gate.
//!
//! Invariant: the texts never contain the name of the credential header (clients would take it for a log-out of their
//! own) and never the credential. A key is looked at again when it sits down: reading a body may have taken minutes.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;
use troupe_actors::directory::Inactive;
use troupe_actors::key::KeyEntry;
use troupe_core::key::KeyRecord;
use troupe_storage::crypt::{display_prefix, plain_hash};

use super::exchange::{Exchange, Seat};
use super::limits::{self, Admission, Need};
use crate::error::Problem;
use crate::gateway::{Gateway, KeyWrite};
use crate::plan::Plan;

/// How often a gate that closes under a request is looked up again.
const LOOK_UPS: usize = 8;

/// Header of the gateway key where the usual ones carry the caller's own upstream credential.
pub const OWN_KEY: &str = "x-troupe-key";

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    pub entry: Arc<KeyEntry>,
    /// The request carries the caller's own upstream credential, and goes there with it.
    pub own: bool,
}

/// The key that a request's headers name.
///
/// # Errors
/// 401 of every kind; 400 for an upstream credential that this gateway does not pass through.
pub fn identify(gateway: &Gateway, headers: &HeaderMap, plan: &Plan) -> Result<Caller, Problem> {
    let usual = credential(headers);
    let (secret, own) = match (headers.get(OWN_KEY), &usual) {
        (None, _) => (usual?, false),
        // Nobody's own credential is expected: the header is one that nobody reads.
        (Some(_), Ok(usual)) if plan.passthrough.is_none() && known(gateway, usual).is_ok() => {
            (*usual, false)
        }
        (Some(key), _) => (key.as_bytes().trim_ascii(), has_credential(headers)),
    };
    let entry = known(gateway, secret)?;
    usable(gateway, &entry.record())?;
    match (headers.contains_key(OWN_KEY), own, &plan.passthrough) {
        (true, true, None) => Err(Problem::NotAllowed(
            "this gateway does not pass callers' own upstream credentials through; send the gateway key alone"
                .into(),
        )),
        (true, false, Some(_)) => Err(missing()),
        // Another gateway key beside it would be shown to the upstream.
        (true, true, Some(_)) if passed_on(headers).any(|s| known(gateway, s).is_ok()) => {
            Err(missing())
        }
        _ => Ok(Caller { entry, own }),
    }
}

fn known(gateway: &Gateway, secret: &[u8]) -> Result<Arc<KeyEntry>, Problem> {
    let directory = &gateway.directory;
    if let Some(entry) = directory.key(&gateway.hasher.hash(secret)) {
        return Ok(entry);
    }
    let foreign = directory
        .has_foreign_keys()
        .then(|| directory.foreign_key(&plain_hash(secret)))
        .flatten();
    let entry = foreign.ok_or(Problem::Credential("invalid gateway key".into()))?;
    if let Ok(secret) = std::str::from_utf8(secret) {
        let (id, secret) = (entry.record().id, SecretString::from(secret));
        gateway.ask_key_write(KeyWrite::Rehash { id, secret });
    }
    Ok(entry)
}

fn missing() -> Problem {
    Problem::Credential("the upstream credential that is to be passed through is missing".into())
}

/// What goes up as the caller's own credential, whatever scheme it came with.
fn passed_on(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = ["x-api-key", AUTHORIZATION.as_str()]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .map(|value| value.as_bytes().trim_ascii());
    values.flat_map(|value| {
        let after_scheme = value.iter().position(u8::is_ascii_whitespace);
        let bare = after_scheme.map(|at| value[at..].trim_ascii());
        std::iter::once(value).chain(bare)
    })
}

fn has_credential(headers: &HeaderMap) -> bool {
    headers.contains_key("x-api-key") || headers.contains_key(AUTHORIZATION)
}

/// # Errors
/// 401: it is revoked, expired or disabled.
pub(super) fn usable(gateway: &Gateway, record: &KeyRecord) -> Result<(), Problem> {
    let now = gateway.directory.clock().now();
    match record.unusable(now.unix_ms) {
        Some(why) => Err(Problem::Credential(
            format!("this gateway key is {why}").into(),
        )),
        None => Ok(()),
    }
}

/// The one credential of a request: `x-api-key`, `Authorization: Bearer`, or both if they are equal.
fn credential(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let mut found: Option<&[u8]> = None;
    let keys = headers
        .get_all("x-api-key")
        .map(|v| v.as_bytes().trim_ascii());
    let bearers = headers
        .get_all(AUTHORIZATION)
        .filter_map(|v| bearer(v.as_bytes()));
    for secret in keys.chain(bearers).filter(|s| !s.is_empty()) {
        match found {
            Some(other) if other != secret => {
                return Err(Problem::Credential(
                    "the request carries two different credentials".into(),
                ));
            }
            _ => found = Some(secret),
        }
    }
    found.ok_or(Problem::Credential("a gateway key is required".into()))
}

/// How the key that a request names would be shown: enough to see that it is the same again, never the key.
pub(super) fn shown(gateway: &Gateway, headers: &HeaderMap) -> Option<String> {
    let own = headers.get(OWN_KEY).map(|key| key.as_bytes().trim_ascii());
    let secret = own.or_else(|| credential(headers).ok())?;
    let text = std::str::from_utf8(secret).ok()?;
    Some(display_prefix(text, &gateway.hasher.hash(secret)))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| rest.trim_ascii())
}

/// Takes a place at the key's gate: presence, and what `need` says of its limits; of what is not counted, presence alone.
/// The model that the request is to be asked of instead, where a limit says so.
///
/// # Errors
/// The key's own refusals.
pub async fn sit(
    exchange: &mut Exchange,
    entry: &Arc<KeyEntry>,
    plan: &Plan,
    need: Option<&Need>,
    is_downgraded: bool,
) -> Result<Option<String>, Problem> {
    let record = Arc::clone(&entry.record());
    exchange.is_of(&record);
    let gateway = Arc::clone(&exchange.worker.gateway);
    usable(&gateway, &record)?;
    for _ in 0..LOOK_UPS {
        let key = gateway
            .directory
            .activate_key(entry)
            .map_err(|Inactive::Quarantined| quarantined())?;
        let now = gateway.directory.clock().now();
        let Some(hold) = key.entry.enter(now.mono_ms) else {
            continue;
        };
        let Some(need) = need else {
            exchange.sit(Seat {
                key,
                hold,
                is_counted: false,
                held: None,
            });
            return Ok(None);
        };
        match limits::admit(exchange, &key, entry, plan, need, is_downgraded).await? {
            Admission::Admitted(held) => {
                exchange.sit(Seat {
                    key,
                    hold,
                    is_counted: true,
                    held,
                });
                return Ok(None);
            }
            Admission::Downgrade(model) => return Ok(Some(model)),
            Admission::Again => {}
        }
    }
    Err(Problem::Overloaded("the key's actor"))
}

fn quarantined() -> Problem {
    Problem::NoAccount {
        why: "the actor of this key failed repeatedly and is quarantined; an operator must look"
            .into(),
        retry_after_s: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn credentials_of_every_form() {
        type Row = (
            &'static [(&'static str, &'static str)],
            Option<&'static str>,
        );
        let table: &[Row] = &[
            (&[("x-api-key", "k1")], Some("k1")),
            (&[("authorization", "Bearer k1")], Some("k1")),
            (&[("authorization", "bearer   k1 ")], Some("k1")),
            (
                &[("authorization", "BEARER k1"), ("x-api-key", "k1")],
                Some("k1"),
            ),
            (&[("authorization", "Bearer k2"), ("x-api-key", "k1")], None),
            (&[("x-api-key", "k1"), ("x-api-key", "k2")], None),
            (&[("authorization", "Basic k1")], None),
            (
                &[("authorization", "Basic abc"), ("x-api-key", "k1")],
                Some("k1"),
            ),
            (&[("x-api-key", " ")], None),
            (&[("authorization", "Bear")], None),
            (&[], None),
        ];
        for (pairs, expected) in table {
            let pairs: Vec<(&'static str, &'static str)> = pairs.to_vec();
            let headers = headers(&pairs);
            assert_eq!(
                credential(&headers).ok(),
                expected.map(str::as_bytes),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn texts_never_name_the_header() {
        for pairs in [
            &[][..],
            &[("x-api-key", "k1"), ("authorization", "Bearer k2")],
        ] {
            let problem = credential(&headers(pairs)).unwrap_err();
            assert!(!problem.message().contains("x-api-key"));
        }
    }
}
