//! Observers: what reads an answer beside the stream. They never change it.
//!
//! Invariant: an observer holds a bounded amount, and its failure changes nothing for the client.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use troupe_core::price::{PriceTable, Tier};
use troupe_core::record::{RequestRecord, TokenUsage};
use troupe_wire::JsonAnswer;
use troupe_wire::usage::{Nonsense, ServiceTier, Usage, UsageScanner};

/// Largest JSON answer whose usage is read.
const MAX_JSON: usize = 8 << 20;

/// A token is about this many bytes, where nothing better can be said.
pub const BYTES_PER_TOKEN: usize = 4;

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

    /// Takes the usage over into the row; an output that makes no sense is estimated by the answer's length.
    pub fn finish(&mut self, record: &mut RequestRecord) -> Nonsense {
        let answer = match self.chunks.as_slice() {
            [] => None,
            [one] => JsonAnswer::read(one),
            many => {
                let mut whole = BytesMut::with_capacity(self.length);
                many.iter().for_each(|chunk| whole.extend_from_slice(chunk));
                JsonAnswer::read(&whole)
            }
        };
        self.chunks.clear();
        let Some((answer, told)) = answer.and_then(|answer| Some((answer.model, answer.usage?)))
        else {
            return Nonsense::default();
        };
        let mut usage = tokens(&told);
        if told.nonsense.output {
            let by_length = self.length.div_ceil(BYTES_PER_TOKEN);
            usage.output = usage.output.max(by_length as u64);
        }
        record.estimated |= told.nonsense.is_any();
        take_over(record, usage, tier(&told), answer.as_deref());
        told.nonsense
    }
}

/// Takes what a stream told over into the row; estimates the output of one that ended without its final usage.
pub fn stream_usage(scanner: &UsageScanner, record: &mut RequestRecord) -> Nonsense {
    let nonsense = scanner.usage.map_or_else(Nonsense::default, |u| u.nonsense);
    if let Some((usage, tier)) = so_far(scanner) {
        // A web session counts by estimate from the start.
        record.estimated |= !scanner.output_is_final || nonsense.prompt || nonsense.searches;
        take_over(record, usage, tier, scanner.model.as_deref());
    }
    nonsense
}

/// What a stream has used so far, its output estimated while it has not told; `None` before it told or sent anything.
#[must_use]
pub fn so_far(scanner: &UsageScanner) -> Option<(TokenUsage, Tier)> {
    let told = match &scanner.usage {
        Some(told) => *told,
        // It sends, and does not count.
        None if scanner.text_chars > 0 => Usage::default(),
        None => return None,
    };
    let mut usage = tokens(&told);
    if !scanner.output_is_final {
        usage.output = scanner.estimated_output_tokens();
    }
    Some((usage, tier(&told)))
}

/// `answered`: the model that the upstream says it was; [`price`] judges whether that matters.
fn take_over(record: &mut RequestRecord, usage: TokenUsage, tier: Tier, answered: Option<&str>) {
    record.usage = usage;
    record.service_tier = Some(tier).filter(|tier| *tier != Tier::Standard);
    record.priced_as = answered
        .filter(|answered| !usage.is_zero() && record.model.as_deref() != Some(answered))
        .map(Arc::from);
}

/// Puts what the row's usage cost into it, at the prices of the model that answered, if they are known.
pub fn price(record: &mut RequestRecord, prices: &PriceTable) {
    let asked = record.model.as_deref().unwrap_or_default();
    let meter = prices.meter_of_answer(record.priced_as.as_deref(), asked);
    if record.priced_as.is_some() && meter == prices.meter(asked) {
        record.priced_as = None;
    }
    record.unpriced = !meter.is_known();
    record.cost_micro_usd = meter.cost(&record.usage, record.service_tier.unwrap_or_default());
}

fn tier(usage: &Usage) -> Tier {
    match usage.service_tier {
        Some(ServiceTier::Priority) => Tier::Priority,
        Some(ServiceTier::Batch) => Tier::Batch,
        Some(ServiceTier::Standard) | None => Tier::Standard,
    }
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

#[cfg(test)]
mod tests {
    use troupe_core::RequestId;
    use troupe_core::record::Route;
    use troupe_wire::EventScanner;
    use uuid::Uuid;

    use super::*;

    fn row(model: &str) -> RequestRecord {
        let id = RequestId(Uuid::from_u128(1));
        let mut record = RequestRecord::begin(id, 1, Route::Messages);
        record.model = Some(model.into());
        record
    }

    fn answered(asked: &str, body: &str) -> RequestRecord {
        let mut record = row(asked);
        let mut observer = JsonUsage::default();
        let (start, end) = body.split_at(body.len() / 2);
        for piece in [start, end] {
            observer.push(&Bytes::copy_from_slice(piece.as_bytes()));
        }
        observer.finish(&mut record);
        price(&mut record, &PriceTable::built_in());
        record
    }

    fn streamed(asked: &str, events: &'static str) -> RequestRecord {
        let mut record = row(asked);
        let mut scanner = UsageScanner::default();
        EventScanner::new().push(&Bytes::from_static(events.as_bytes()), &mut |event| {
            scanner.observe(&event);
        });
        stream_usage(&scanner, &mut record);
        price(&mut record, &PriceTable::built_in());
        record
    }

    #[test]
    fn the_model_that_answered_is_priced() {
        for (asked, answered_by, cost, priced_as, unpriced) in [
            ("claude-opus-5", "claude-opus-5-20260101", 500, None, false),
            (
                "claude-opus-5",
                "claude-haiku-4-5",
                100,
                Some("claude-haiku-4-5"),
                false,
            ),
            (
                "fast",
                "claude-haiku-4-5",
                100,
                Some("claude-haiku-4-5"),
                false,
            ),
            ("claude-opus-5", "nobody-s", 500, None, false),
            // As the dearest known model.
            ("fast", "nobody-s", 1_500, None, true),
        ] {
            let body = format!(r#"{{"model":"{answered_by}","usage":{{"input_tokens":100}}}}"#);
            let record = answered(asked, &body);
            assert_eq!(record.cost_micro_usd, cost, "{asked} {answered_by}");
            assert_eq!(
                record.priced_as.as_deref(),
                priced_as,
                "{asked} {answered_by}"
            );
            assert_eq!(record.unpriced, unpriced, "{asked} {answered_by}");
        }
    }

    #[test]
    fn tiers_and_searches_are_priced() {
        let body = r#"{"usage":{"output_tokens":100,"service_tier":"batch","server_tool_use":{"web_search_requests":2}}}"#;
        let record = answered("claude-sonnet-4-5", body);
        assert_eq!(record.service_tier, Some(Tier::Batch));
        assert_eq!(record.cost_micro_usd, 750 + 20_000);
    }

    #[test]
    fn an_output_that_makes_no_sense_is_estimated() {
        let text = "x".repeat(400);
        let body = format!(
            r#"{{"content":"{text}","usage":{{"input_tokens":7,"output_tokens":18446744073709551615}}}}"#
        );
        let record = answered("claude-sonnet-4-5", &body);
        assert!(record.estimated && record.usage.input == 7, "{record:?}");
        assert!((100..200).contains(&record.usage.output), "{record:?}");
        let record = streamed(
            "claude-sonnet-4-5",
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"12345678\"}}\n\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":18446744073709551615}}\n\n",
        );
        assert_eq!((record.usage.output, record.estimated), (2, true));
    }

    #[test]
    fn text_of_a_stream_that_counts_nothing_is_not_free() {
        let record = streamed(
            "claude-sonnet-4-5",
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"12345678\"}}\n\n",
        );
        assert_eq!((record.usage.output, record.estimated), (2, true));
        assert_eq!(record.cost_micro_usd, 30);
        let refused = streamed(
            "claude-sonnet-4-5",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a long text\"}}\n\n",
        );
        assert!(refused.usage.is_zero() && !refused.estimated && refused.cost_micro_usd == 0);
    }
}
