//! What the surface says of faults and limits within its stream.
//!
//! Invariant: pure; a limit that is only near says nothing here.

use troupe_core::account::Verdict;

use super::{
    event::WebEvent,
    fault::WebFault,
    members::Members,
    signal::{dead, throttled, told, until},
};

/// The event that tells how full the account's windows are.
const MESSAGE_LIMIT: &str = "message_limit";

/// The fault that an `error` event is. `now_ms` since the Unix epoch.
pub(super) fn fault(event: &WebEvent, now_ms: u64) -> WebFault {
    let error = event.members.object("error").unwrap_or_default();
    let kind = error.text("type").unwrap_or_default();
    let said = error.text("message").unwrap_or_default();
    let resets = resets(&error, now_ms);
    match kind.as_str() {
        "overloaded_error" => WebFault::new(Verdict::Overloaded, told(&said, "overloaded")),
        "rate_limit_error" | "exceeded_limit" => throttled(resets),
        _ if resets.is_some() => throttled(resets),
        "authentication_error" | "permission_error" => dead(),
        "invalid_request_error" => {
            WebFault::request(told(&said, "the web surface refused the request"))
        }
        _ => WebFault::platform(told(
            &said,
            "the web surface ended the answer with an error",
        )),
    }
}

/// `None` when the event is not about limits; else the fault that a limit reached is for the requests to come.
pub(super) fn limit(event: &WebEvent, now_ms: u64) -> Option<Option<WebFault>> {
    if event.name() != MESSAGE_LIMIT {
        return None;
    }
    let limit = event.members.object(MESSAGE_LIMIT).unwrap_or_default();
    let is_exceeded = limit.text("type").as_deref() == Some("exceeded_limit");
    Some(is_exceeded.then(|| throttled(resets(&limit, now_ms))))
}

fn resets(members: &Members<'_>, now_ms: u64) -> Option<u64> {
    let at = ["resetsAt", "resets_at"].map(|name| members.parse::<u64>(name));
    until(at.into_iter().flatten().next()?, now_ms)
}
