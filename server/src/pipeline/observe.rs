//! Observers: what reads an answer beside the stream. They never change it.
//!
//! Invariant: an observer holds a bounded amount, and its failure changes nothing for the client.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use troupe_core::record::{RequestRecord, TokenUsage};
use troupe_wire::usage::{Usage, UsageScanner};

/// Largest JSON answer whose usage is read.
const MAX_JSON: usize = 8 << 20;

/// Usage of a JSON answer, read when it is whole.
#[derive(Debug, Default)]
pub struct JsonUsage {
    chunks: SmallVec<[Bytes; 2]>,
    length: usize,
}

impl JsonUsage {
    /// Remembers a chunk (no copy).
    pub fn push(&mut self, chunk: &Bytes) {
        self.length += chunk.len();
        if self.length <= MAX_JSON {
            self.chunks.push(chunk.clone());
        } else {
            self.chunks.clear();
        }
    }

    /// Takes the usage over into the row.
    pub fn finish(&mut self, record: &mut RequestRecord) {
        let usage = match self.chunks.as_slice() {
            [] => None,
            [one] => Usage::from_json_body(one),
            many => {
                let mut whole = BytesMut::with_capacity(self.length);
                many.iter().for_each(|chunk| whole.extend_from_slice(chunk));
                Usage::from_json_body(&whole)
            }
        };
        self.chunks.clear();
        if let Some(usage) = usage {
            record.usage = tokens(&usage);
        }
    }
}

/// Takes what a stream told over into the row; estimates the output of one that ended without its final usage.
pub fn stream_usage(scanner: &UsageScanner, record: &mut RequestRecord) {
    if let Some(usage) = &scanner.usage {
        record.usage = tokens(usage);
        if !scanner.output_is_final {
            record.usage.output = scanner.estimated_output_tokens();
            record.estimated = true;
        }
    }
}

/// What a stream has used so far, its output estimated while it has not told; `None` before it told anything.
#[must_use]
pub fn so_far(scanner: &UsageScanner) -> Option<(TokenUsage, Tier)> {
    let told = scanner.usage.as_ref()?;
    let mut usage = tokens(told);
    if !scanner.output_is_final {
        usage.output = scanner.estimated_output_tokens();
    }
    Some((usage, tier(told)))
}

fn tokens(usage: &Usage) -> TokenUsage {
    TokenUsage {
        input: usage.input_tokens,
        output: usage.output_tokens,
        cache_read: usage.cache_read_input_tokens,
        cache_write_5m: usage.cache_creation_5m,
        cache_write_1h: usage.cache_creation_1h,
        web_searches: usage.web_search_requests,
    }
}
