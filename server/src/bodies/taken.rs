//! What a worker took of one request, as it was sent and not to be kept so.
//!
//! Invariant: it lives in memory only, inside of its [`Held`] room; Debug shows none of it.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use troupe_core::RequestId;

use super::pack::{Kept, KeptBody};
use super::room::Held;
use super::settings::BodySettings;

/// Why bodies were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Errors,
    Sampled,
    All,
    /// Its key was being captured.
    Key,
}

/// One body as far as it was captured.
#[derive(Clone, Default)]
pub struct Part {
    pub bytes: Bytes,
    /// Of the whole.
    pub length_bytes: u64,
    pub content_type: Option<String>,
    /// Named where the bytes say nothing without being decoded.
    pub encoding: Option<String>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("length_bytes", &self.length_bytes)
            .finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Taken {
    pub id: RequestId,
    /// When the request began (ms since the Unix epoch).
    pub at_ms: u64,
    pub why: Why,
    pub settings: Arc<BodySettings>,
    /// `None` where it was not read by the gateway.
    pub request: Option<Part>,
    pub response: Option<Part>,
    pub request_headers: Vec<(String, String)>,
    pub held: Held,
}

impl Taken {
    /// Without what is not kept.
    #[must_use]
    pub fn clean(&self) -> Kept {
        let text = |text: &str| {
            let cleaned = self
                .settings
                .redactor
                .clean(text.as_bytes(), usize::MAX, false);
            String::from_utf8_lossy(&cleaned.bytes).into_owned()
        };
        let headers = self.request_headers.iter();
        Kept {
            why: self.why,
            request: self.request.as_ref().map(|part| self.cleaned(part)),
            response: self.response.as_ref().map(|part| self.cleaned(part)),
            request_headers: headers
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        }
    }

    fn cleaned(&self, part: &Part) -> KeptBody {
        let is_events = part
            .content_type
            .as_deref()
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if let Some(encoding) = &part.encoding {
            // Nothing can be found in it that must not be kept.
            let told = format!("[{} bytes, encoded: {encoding}]", part.length_bytes);
            return KeptBody {
                bytes: told.into_bytes(),
                length_bytes: part.length_bytes,
                content_type: part.content_type.clone(),
                cut: true,
                redacted: 1,
            };
        }
        let settings = &self.settings;
        let cleaned = settings
            .redactor
            .clean(&part.bytes, settings.limit_bytes, is_events);
        KeptBody {
            cut: cleaned.cut || part.length_bytes > part.bytes.len() as u64,
            bytes: cleaned.bytes,
            length_bytes: part.length_bytes,
            content_type: part.content_type.clone(),
            redacted: cleaned.redacted,
        }
    }
}
