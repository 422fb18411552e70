//! What a caller is told of its own limits beside an answer.
//!
//! * `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`: of each dimension the
//!   limit with the least left for its size; nothing where there is none.
//! * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): all of them. What runs at once is a
//!   policy only: this very request is part of it, so that what is left of it tells nothing about the next.
//! * `anthropic-ratelimit-unified-*`: the spend of the fullest cap as it was before the request, see
//!   [`crate::error::spend`].
//!
//! What does not change within a window is written once per window and thread ([`shown`]); one allocation holds
//! everything that does.
//!
//! Invariant: no float and no date is formatted on the path of a request; limits of accounts and shadow limits are not
//! told.

mod shown;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use arc_swap::Guard;
use bytes::Bytes;
use smallvec::SmallVec;
use troupe_core::limit::{Gate, Limit, Scope, ScopeView};

use self::shown::{FAMILIES, Shelf, Shown};
use crate::error::Balance;
use crate::error::spend::{self, Spend};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMITS: HeaderName = HeaderName::from_static("ratelimit");
/// The limit, what is left of it, its reset.
const TRIPLES: [[HeaderName; 3]; FAMILIES] = [
    [
        HeaderName::from_static("anthropic-ratelimit-requests-limit"),
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderName::from_static("anthropic-ratelimit-requests-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-output-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ],
];
/// Room for everything that one answer can be told.
const MOST_HEADERS: usize = 3 * FAMILIES + 9;

/// A scope with limits, and its gate.
type Told<'a> = (&'a Arc<Gate>, Guard<Arc<ScopeView>>);

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

/// What a thread keeps from one answer to the next.
#[derive(Default)]
struct Desk {
    shelf: Shelf,
    text: Vec<u8>,
}

/// Tells what is left of the limits behind `gates` to a caller who asked for `model`; and what [`spend()`] said, where
/// callers are told of it.
pub fn headers<'a>(
    gates: impl IntoIterator<Item = &'a Arc<Gate>>,
    model: &str,
    unix_ms: u64,
    spend: Option<Spend>,
    out: &mut HeaderMap,
) {
    let told: SmallVec<[Told<'_>; 3]> = gates
        .into_iter()
        .map(|gate| (gate, gate.look()))
        .filter(|(_, view)| !view.limits.is_empty() && is_callers(view))
        .collect();
    if told.is_empty() {
        return;
    }
    DESK.with_borrow_mut(|Desk { shelf, text }| {
        let shown = shelf.find(&told, model, unix_ms);
        write(shown, &told, unix_ms, spend, text, out);
    });
}

/// The fullest cap on money that is the caller's own (its key's or its group's), without what nobody has counted yet:
/// asked before the answer's body is read, it is the spend from before the request.
#[must_use]
pub fn spend<'a>(
    gates: impl IntoIterator<Item = &'a Arc<Gate>>,
    model: &str,
    unix_ms: u64,
) -> Option<Spend> {
    let mut fullest: Option<Spend> = None;
    for gate in gates {
        let view = gate.look();
        if !matches!(view.scope, Scope::Key(_) | Scope::Group(_)) {
            continue;
        }
        let caps = view.limits.iter().filter(|limit| limit.name.is_spend());
        for limit in caps.filter(|limit| is_told(limit, model)) {
            let spend = spend_of(limit, unix_ms);
            if fullest.is_none_or(|other| spend.is_fuller(&other)) {
                fullest = Some(spend);
            }
        }
    }
    fullest
}

fn spend_of(limit: &Limit, unix_ms: u64) -> Spend {
    let cell = limit.cell(unix_ms);
    let period = limit.name.period();
    Spend {
        used_micro_usd: cell.map_or(0, |cell| cell.used()),
        cap_micro_usd: limit.rule.capacity(unix_ms),
        reset_ms: period.map_or(u64::MAX, |period| period.span(unix_ms).end_ms),
    }
}

fn is_callers(view: &ScopeView) -> bool {
    !matches!(view.scope, Scope::Account(_))
}

fn is_told(limit: &Limit, model: &str) -> bool {
    !limit.rule.is_shadow() && limit.applies(model)
}

/// Writes what changes with every request, and all headers.
fn write(
    shown: &Shown,
    told: &[Told<'_>],
    unix_ms: u64,
    spend: Option<Spend>,
    text: &mut Vec<u8>,
    out: &mut HeaderMap,
) {
    let mut digits = itoa::Buffer::new();
    let mut tightest: [Option<(usize, Balance)>; FAMILIES] = [None; FAMILIES];
    text.clear();
    for (at, line) in shown.lines.iter().enumerate() {
        let (gate, view) = &told[line.scope];
        let limit = &view.limits[line.limit];
        let balance = Balance {
            name: limit.name,
            limit: line.capacity,
            remaining: gate.left(limit, view, unix_ms),
            reset_ms: line.end_ms,
        };
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(&line.item);
        let left = balance.remaining.min(shown::MAX_INTEGER);
        text.extend_from_slice(digits.format(left).as_bytes());
        text.extend_from_slice(b";t=");
        let left_s = line.end_ms.saturating_sub(unix_ms).div_ceil(1_000);
        text.extend_from_slice(digits.format(left_s).as_bytes());
        if let Some(family) = line.family
            && tightest[family].is_none_or(|(_, other)| balance.is_tighter(&other))
        {
            tightest[family] = Some((at, balance));
        }
    }
    let limits = 0..text.len();
    let remaining = tightest.map(|told| {
        let (_, balance) = told?;
        Some(put(text, |text| {
            text.extend_from_slice(digits.format(balance.remaining).as_bytes());
        }))
    });
    let spent = spend.map(|spend| {
        let utilization = put(text, |text| spend.write_allowed(text));
        let reset = put(text, |text| {
            let seconds = spend.reset_ms.div_ceil(1_000);
            text.extend_from_slice(digits.format(seconds).as_bytes());
        });
        (spend, utilization, reset)
    });

    let written = Bytes::copy_from_slice(text);
    out.reserve(MOST_HEADERS);
    if let Some(policy) = &shown.policy {
        out.insert(POLICY, policy.clone());
    }
    if !limits.is_empty() {
        out.insert(LIMITS, value(&written, limits));
    }
    for ((told, left), [limit, rest, reset]) in tightest.into_iter().zip(remaining).zip(TRIPLES) {
        if let (Some((at, _)), Some(left)) = (told, left) {
            let line = &shown.lines[at];
            out.insert(limit, line.limit_text.clone());
            out.insert(rest, value(&written, left));
            out.insert(reset, line.reset_text.clone());
        }
    }
    if let Some((spend, utilization, reset)) = spent {
        tell_spend(
            spend,
            value(&written, utilization),
            value(&written, reset),
            out,
        );
    }
}

fn tell_spend(spend: Spend, utilization: HeaderValue, reset: HeaderValue, out: &mut HeaderMap) {
    let threshold = spend.threshold();
    let status = HeaderValue::from_static(match threshold {
        Some(_) => "allowed_warning",
        None => "allowed",
    });
    out.insert(spend::STATUS, status.clone());
    out.insert(spend::OVERAGE_STATUS, status);
    out.insert(spend::RESET, reset.clone());
    out.insert(spend::OVERAGE_RESET, reset);
    out.insert(spend::CLAIM, HeaderValue::from_static("overage"));
    out.insert(spend::UTILIZATION, utilization);
    if let Some(threshold) = threshold {
        out.insert(spend::THRESHOLD, threshold);
    }
}

/// Where in `text` that is which `write` appends.
fn put(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    let start = text.len();
    write(text);
    start..text.len()
}

/// Everything that is written here is printable ASCII.
fn value(written: &Bytes, range: Range<usize>) -> HeaderValue {
    HeaderValue::from_maybe_shared(written.slice(range)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
