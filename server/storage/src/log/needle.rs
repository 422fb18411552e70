//! What a row's line must contain as text, looked for before the line is parsed.
//!
//! Invariant: a line whose row matches the filter has every needle; values are looked for as JSON writes them, without
//! their field, so that spaces between do not matter.

use memchr::memmem::Finder;
use troupe_core::log::{LogFilter, StatusFilter};

/// Made once for a search.
#[derive(Debug)]
pub(super) struct Needles(Vec<Finder<'static>>);

impl Needles {
    pub(super) fn of(filter: &LogFilter) -> Self {
        let mut texts = Vec::new();
        let quoted = [
            filter.upstream_request_id.as_deref(),
            filter.account.as_deref(),
            filter.owner.as_deref(),
            filter.group.as_deref(),
            filter.model.as_deref(),
            filter.outcome.map(troupe_core::record::Outcome::as_str),
            filter.route.map(troupe_core::record::Route::as_str),
        ];
        texts.extend(quoted.into_iter().flatten().filter_map(json));
        if let [key] = &filter.keys[..] {
            texts.extend(serde_json::to_string(key).ok());
        }
        if let Some(error) = filter.error.as_deref().and_then(json) {
            texts.push(error.trim_matches('"').to_owned());
        }
        texts.extend(filter.session.map(|session| session.to_string()));
        if let Some(StatusFilter::Exact(status)) = filter.status {
            texts.push(status.to_string());
        }
        texts.retain(|text| !text.is_empty());
        let finder = |text: String| Finder::new(text.as_bytes()).into_owned();
        Self(texts.into_iter().map(finder).collect())
    }

    pub(super) fn are_in(&self, line: &[u8]) -> bool {
        self.0.iter().all(|needle| needle.find(line).is_some())
    }
}

fn json(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}
