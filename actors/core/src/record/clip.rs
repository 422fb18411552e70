//! How long the texts of a row may be.
//!
//! Invariant: a row is small, whatever clients and upstreams wrote; what is not too long is not copied.

use std::sync::Arc;

use super::RequestRecord;

/// Longest name in a row, in bytes; what is longer is cut and ends in `…`.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest error in a row, in bytes; what is longer is cut and ends in `…`.
pub const ERROR_BYTES_MAX: usize = 2 << 10;

const CUT: &str = "…";

impl RequestRecord {
    /// Cuts names and errors that clients or upstreams wrote too long.
    pub fn clip(&mut self) {
        for name in [
            &mut self.model,
            &mut self.downgraded_from,
            &mut self.priced_as,
        ]
        .into_iter()
        .flatten()
        {
            clip_name(name);
        }
        if let Some(id) = &mut self.upstream_request_id {
            clip(id, NAME_BYTES_MAX);
        }
        let failed = self.failed.iter_mut().map(|failed| &mut failed.error);
        failed.chain(&mut self.error).for_each(clip_error);
    }
}

/// Cuts a name to [`NAME_BYTES_MAX`].
pub fn clip_name(name: &mut Arc<str>) {
    if name.len() > NAME_BYTES_MAX {
        *name = format!("{}{CUT}", kept(name, NAME_BYTES_MAX)).into();
    }
}

/// Cuts an error to [`ERROR_BYTES_MAX`].
pub fn clip_error(error: &mut String) {
    clip(error, ERROR_BYTES_MAX);
}

fn clip(text: &mut String, max: usize) {
    if text.len() > max {
        // Made anew: a long text would keep its memory.
        *text = format!("{}{CUT}", kept(text, max));
    }
}

fn kept(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max - CUT.len())]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{FailedAttempt, Route};
    use super::*;
    use crate::account::Auth;
    use crate::id::RequestId;

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        for (text, kept) in [
            ("a".repeat(256), "a".repeat(256)),
            ("a".repeat(257), format!("{}…", "a".repeat(253))),
            ("é".repeat(200), format!("{}…", "é".repeat(126))),
        ] {
            let mut name: Arc<str> = text.into();
            clip_name(&mut name);
            assert_eq!(*name, *kept);
        }
    }

    #[test]
    fn a_name_that_is_not_too_long_is_the_same() {
        let name: Arc<str> = "claude-opus-5".into();
        let mut clipped = Arc::clone(&name);
        clip_name(&mut clipped);
        assert!(Arc::ptr_eq(&name, &clipped));
    }

    #[test]
    fn every_text_of_others_is_cut() {
        let long = "x".repeat(8 << 20);
        let mut row = RequestRecord::begin(RequestId(Uuid::from_u128(1)), 1, Route::Messages);
        row.model = Some(long.as_str().into());
        row.downgraded_from = row.model.clone();
        row.priced_as = row.model.clone();
        row.upstream_request_id = Some(long.clone());
        row.failed = vec![FailedAttempt {
            account: "main".into(),
            auth: Auth::ApiKey,
            status: None,
            error: long.clone(),
            began_us: 0,
            took_us: 0,
        }];
        row.error = Some(long);
        row.clip();
        let bytes = serde_json::to_vec(&row).unwrap().len();
        assert!(bytes < 6 << 10, "{bytes}");
    }
}
