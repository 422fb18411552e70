//! The texts of limits that stay as they are for the rest of a window, kept for the next answer of the same scopes.
//!
//! Invariant: an entry is used for exactly the views it was made of (it keeps their memory, not what they own, so that no
//! other view can take their place), and not beyond a window or a grant. The shelf is bounded; what falls off is written
//! anew.

use std::sync::{Arc, Weak};

use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use smallvec::SmallVec;
use troupe_core::limit::{Dimension, Limit, LimitName, Period, Scope, ScopeView};

use super::{Told, is_told};
use crate::error::rfc3339;

/// Dimensions with headers of their own: requests, input, output and all tokens.
pub const FAMILIES: usize = 4;
/// The largest integer of structured fields (RFC 9651, section 3.3.1).
pub const MAX_INTEGER: u64 = 999_999_999_999_999;
/// Callers whose texts a thread keeps; each takes about two kilobytes.
const PLACES: usize = 256;

/// Texts by the scopes and the model that they were written for.
#[derive(Default)]
pub struct Shelf {
    places: Vec<Option<Box<Shown>>>,
}

/// The texts for one caller and model.
pub struct Shown {
    views: SmallVec<[Weak<ScopeView>; 3]>,
    /// `None`: the same for all models.
    model: Option<Box<str>>,
    from_ms: u64,
    until_ms: u64,
    pub lines: Vec<Line>,
    pub policy: Option<HeaderValue>,
}

/// One limit that has windows.
pub struct Line {
    /// Its place among the scopes, and among the limits of the scope.
    pub scope: usize,
    pub limit: usize,
    /// Its place among the dimensions that have headers of their own.
    pub family: Option<usize>,
    pub capacity: u64,
    pub end_ms: u64,
    /// `"requests-minute";r=`
    pub item: Box<[u8]>,
    pub limit_text: HeaderValue,
    pub reset_text: HeaderValue,
}

// === impl Shelf ===

impl Shelf {
    pub(super) fn find(&mut self, told: &[Told<'_>], model: &str, unix_ms: u64) -> &Shown {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = &mut self.places[place_of(told, model)];
        if place
            .as_ref()
            .is_some_and(|shown| !shown.is_for(told, model, unix_ms))
        {
            *place = None;
        }
        place.get_or_insert_with(|| Box::new(Shown::new(told, model, unix_ms)))
    }
}

/// Spread enough: a clash costs a second writing.
fn place_of(told: &[Told<'_>], model: &str) -> usize {
    let tail = model.bytes().rev().take(8);
    let seed = told.last().map_or(0, |(_, view)| Arc::as_ptr(view).addr());
    let mixed = tail.fold(seed ^ model.len(), |mixed, byte| {
        mixed.rotate_left(5) ^ usize::from(byte)
    });
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - PLACES.ilog2())
}

// === impl Shown ===

impl Shown {
    fn is_for(&self, told: &[Told<'_>], model: &str, unix_ms: u64) -> bool {
        let same = |(kept, (_, view)): (&Weak<ScopeView>, &Told<'_>)| {
            std::ptr::eq(kept.as_ptr(), Arc::as_ptr(view))
        };
        (self.from_ms..self.until_ms).contains(&unix_ms)
            && self.views.len() == told.len()
            && self.views.iter().zip(told).all(same)
            && self.model.as_deref().is_none_or(|own| own == model)
    }

    fn new(told: &[Told<'_>], model: &str, unix_ms: u64) -> Self {
        let depends = told
            .iter()
            .any(|(_, view)| view.limits.iter().any(|limit| limit.models.is_some()));
        let mut shown = Self {
            views: told.iter().map(|(_, view)| Arc::downgrade(view)).collect(),
            model: depends.then(|| model.into()),
            from_ms: 0,
            until_ms: u64::MAX,
            lines: Vec::new(),
            policy: None,
        };
        let mut policy = Vec::new();
        for (scope, (_, view)) in told.iter().enumerate() {
            for (place, limit) in view.limits.iter().enumerate() {
                match limit.rule.grant.map(|grant| grant.until_ms) {
                    Some(end_ms) if unix_ms < end_ms => {
                        shown.until_ms = shown.until_ms.min(end_ms);
                    }
                    Some(end_ms) => shown.from_ms = shown.from_ms.max(end_ms),
                    None => {}
                }
                if is_told(limit, model) {
                    shown.add(scope, place, view, unix_ms, &mut policy);
                }
            }
        }
        shown.policy = Some(header(policy)).filter(|text| !text.is_empty());
        shown
    }

    fn add(
        &mut self,
        scope: usize,
        place: usize,
        view: &ScopeView,
        unix_ms: u64,
        policy: &mut Vec<u8>,
    ) {
        let limit = &view.limits[place];
        let capacity = limit.rule.capacity(unix_ms);
        let name = policy_name(&view.scope, limit);
        if !policy.is_empty() {
            policy.extend_from_slice(b", ");
        }
        let quota = capacity.min(MAX_INTEGER);
        policy.extend_from_slice(format!("{name};q={quota}{}", unit(limit.name)).as_bytes());
        let Some(span) = limit.name.period().map(|period| period.span(unix_ms)) else {
            return;
        };
        let window_s = (span.end_ms - span.start_ms) / 1_000;
        policy.extend_from_slice(format!(";w={window_s}").as_bytes());
        self.from_ms = self.from_ms.max(span.start_ms);
        self.until_ms = self.until_ms.min(span.end_ms);
        self.lines.push(Line {
            scope,
            limit: place,
            family: family(limit.name),
            capacity,
            end_ms: span.end_ms,
            item: format!("{name};r=").into_bytes().into(),
            limit_text: HeaderValue::from(capacity),
            reset_text: header(rfc3339(span.end_ms).into_bytes()),
        });
    }
}

/// The place of its headers among all.
fn family(name: LimitName) -> Option<usize> {
    match name.dimension()? {
        Dimension::Requests => Some(0),
        Dimension::InputTokens => Some(1),
        Dimension::OutputTokens => Some(2),
        Dimension::Tokens => Some(3),
        Dimension::Usd => None,
    }
}

/// Units that are not requests. The draft's registry has no tokens and no money; clients are to take them for words.
fn unit(name: LimitName) -> &'static str {
    match name.dimension() {
        None => ";qu=\"concurrent-requests\"",
        Some(Dimension::Requests) => "",
        Some(Dimension::InputTokens | Dimension::OutputTokens | Dimension::Tokens) => {
            ";qu=\"tokens\""
        }
        Some(Dimension::Usd) => ";qu=\"micro-usd\"",
    }
}

/// A string of structured fields that no other limit of the caller has: `"requests-minute"`,
/// `"group/tokens-day/claude-opus-*"`.
fn policy_name(whose: &Scope, limit: &Limit) -> String {
    let mut name = String::from('"');
    name.push_str(match whose {
        Scope::Gateway => "gateway/",
        Scope::Group(_) => "group/",
        Scope::Key(_) | Scope::Account(_) => "",
    });
    let dimension = limit.name.dimension();
    let dimension = dimension.map_or("concurrent", Dimension::as_str);
    name.extend(dimension.chars().map(|c| if c == '_' { '-' } else { c }));
    if let Some(period) = limit.name.period().map(Period::as_str) {
        name.push('-');
        name.push_str(period);
    }
    if let Some(models) = &limit.models {
        name.push('/');
        for byte in models.as_str().bytes() {
            match byte {
                b'"' | b'\\' => name.extend(['\\', char::from(byte)]),
                b'%' | ..=b' ' | 0x7f.. => name.push_str(&format!("%{byte:02x}")),
                _ => name.push(char::from(byte)),
            }
        }
    }
    name.push('"');
    name
}

/// Only printable ASCII is given to it.
fn header(text: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
}
