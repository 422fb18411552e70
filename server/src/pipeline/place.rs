//! Which session a request belongs to, and the account that served it before.
//!
//! The session is named, in this order, by `x-claude-code-session-id`, by the session part of `metadata.user_id`, or by
//! the prefix that the body marks for the prompt cache. It is always scoped by the key.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix_web::http::header::HeaderMap;
use smallvec::SmallVec;
use troupe_core::{AccountId, KeyId, SessionKey};
use troupe_wire::body::RequestPeek;

use super::exchange::Exchange;
use crate::plan::Plan;

/// The session's key, if the request has a session.
#[must_use]
pub fn session_key(
    key: KeyId,
    headers: &HeaderMap,
    peek: Option<&RequestPeek>,
) -> Option<SessionKey> {
    let header = headers
        .get("x-claude-code-session-id")
        .map(|v| v.as_bytes())
        .filter(|v| !v.is_empty());
    let session = match (header, peek) {
        (Some(id), _) => hashed(0, id),
        (None, Some(peek)) => match (peek.user_id.as_deref().and_then(session_part), &peek.cache) {
            (Some(id), _) => hashed(0, id.as_bytes()),
            (None, Some(marks)) => hashed(1, &marks.conversation_hash.to_le_bytes()),
            (None, None) => return None,
        },
        (None, None) => return None,
    };
    Some(SessionKey { key, session })
}

fn hashed(kind: u8, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, bytes).hash(&mut hasher);
    hasher.finish()
}

/// The part of a `metadata.user_id` that names a session: after `session_`, or the member `session_id` of a JSON text.
fn session_part(user_id: &str) -> Option<&str> {
    let after = |mark: &str| user_id.find(mark).map(|at| &user_id[at + mark.len()..]);
    let json = || after("\"session_id\":\"").and_then(|rest| rest.split('"').next());
    let json = user_id.trim_start().starts_with('{').then(json).flatten();
    json.or_else(|| after("session_"))
        .filter(|id| !id.is_empty())
}

/// Attends the session (its actor is started on first use) and returns the account it prefers.
pub fn attend(exchange: &mut Exchange, plan: &Plan, session: SessionKey) -> Option<AccountId> {
    exchange.record.session = Some(session.session);
    if !plan.affinity {
        return None;
    }
    let directory = &exchange.worker.gateway.directory;
    let now = directory.clock().now();
    let enter = || {
        let active = directory.session(session)?;
        let hold = active.entry.enter(now.mono_ms)?;
        Some((active, hold))
    };
    // An idle actor may leave between the two: the next look starts another.
    let (active, hold) = enter().or_else(enter)?;
    let preferred = active.view.load().preferred(now.unix_ms);
    exchange.attend(active, hold);
    preferred
}

/// A hash of the set of betas that a request asks for, 0 for none: what one set makes fail says nothing of another.
#[must_use]
pub fn betas(headers: &HeaderMap) -> u64 {
    let mut names: SmallVec<[&[u8]; 8]> = headers
        .get_all("anthropic-beta")
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return 0;
    }
    names.sort_unstable();
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows outlive the binary that wrote them: where the standard library hashes otherwise, ours must go on as before.
    #[test]
    fn a_session_has_the_same_name_in_every_release() {
        let names = (hashed(0, b"s-1"), hashed(1, b"s-1"));
        assert_eq!(
            names,
            (8_101_443_692_762_344_715, 7_181_643_253_702_584_418)
        );
    }

    #[test]
    fn the_session_part_of_a_user_id() {
        let table = [
            ("user_ab_account_cd_session_1234-56", Some("1234-56")),
            (r#"{"device_id":"d","session_id":"s-1"}"#, Some("s-1")),
            ("user-123", None),
            ("session_", None),
        ];
        for (user_id, part) in table {
            assert_eq!(session_part(user_id), part, "{user_id}");
        }
    }
}
