//! Counts what a message used, from the events of a stream or from a JSON answer.
//!
//! Invariant: reading never fails and never refuses. A field of an unknown type counts as absent, and
//! so does a count above [`COUNT_MAX`], which [`Nonsense`] tells; in a stream the later value of a field wins and a field that is not repeated keeps its value,
//! because the usage of `message_delta` is cumulative.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::JsonAnswer;
use crate::error::Text;
use crate::sse::{Event, EventKind};

/// The most that a message can have of anything; what an upstream tells beyond it is nonsense, which
/// would fill every sum that it is added to.
pub const COUNT_MAX: u64 = u32::MAX as u64;

/// Of which kind counts were told that no message can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nonsense {
    /// Input, or what was read from or written to the prompt cache.
    pub prompt: bool,
    pub output: bool,
    pub searches: bool,
}

impl Nonsense {
    pub fn is_any(self) -> bool {
        self.prompt || self.output || self.searches
    }

    fn note(&mut self, told: &Told<'_>) {
        self.output |= told.output_tokens.is_nonsense;
        self.prompt |= told.input_tokens.is_nonsense
            || told.cache_read_input_tokens.is_nonsense
            || told.cache_creation_input_tokens.is_nonsense;
    }
}

/// Tokens and paid calls of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that was neither read from nor written to the prompt cache.
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_input_tokens: u64,
    /// Tokens written with a life of five minutes, and those whose life was not told.
    pub cache_creation_5m: u64,
    /// Tokens written with a life of one hour.
    pub cache_creation_1h: u64,
    /// Calls of the server-side web search. Other server tools are not counted.
    pub web_search_requests: u64,
    /// `None` where the upstream tells none.
    pub service_tier: Option<ServiceTier>,
    /// What was told and is left out.
    pub nonsense: Nonsense,
}

/// The tier that served a message; a tier that is unknown here is the standard one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceTier {
    Standard,
    Priority,
    Batch,
}

impl ServiceTier {
    /// `None` for what is no string.
    fn read(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            r#""priority""# => Some(Self::Priority),
            r#""batch""# => Some(Self::Batch),
            word => word.starts_with('"').then_some(Self::Standard),
        }
    }
}

impl Usage {
    /// Reads the member `usage` of a JSON answer; `None` when there is none.
    pub fn from_json_body(body: &[u8]) -> Option<Self> {
        JsonAnswer::read(body)?.usage
    }

    /// Tokens written to the prompt cache, of either life.
    pub fn cache_creation_tokens(&self) -> u64 {
        self.cache_creation_5m
            .saturating_add(self.cache_creation_1h)
    }

    /// Takes over every field that the usage object `raw` tells; whether it told any.
    pub(crate) fn merge(&mut self, raw: &RawValue) -> bool {
        let Ok(told) = serde_json::from_str::<Told<'_>>(raw.get()) else {
            return false;
        };
        self.nonsense.note(&told);
        let mut any = self.nonsense.is_any();
        let mut set = |field: &mut u64, value: Option<u64>| {
            if let Some(value) = value {
                *field = value;
                any = true;
            }
        };
        set(&mut self.input_tokens, told.input_tokens.told);
        set(&mut self.output_tokens, told.output_tokens.told);
        set(
            &mut self.cache_read_input_tokens,
            told.cache_read_input_tokens.told,
        );
        if let Some(Creation {
            five_minutes,
            one_hour,
        }) = object(told.cache_creation)
        {
            set(&mut self.cache_creation_5m, five_minutes.told);
            set(&mut self.cache_creation_1h, one_hour.told);
            self.nonsense.prompt |= five_minutes.is_nonsense || one_hour.is_nonsense;
        }
        if let Some(ServerTools {
            web_search_requests,
        }) = object(told.server_tool_use)
        {
            set(&mut self.web_search_requests, web_search_requests.told);
            self.nonsense.searches |= web_search_requests.is_nonsense;
        }
        if let Some(tier) = told.service_tier.and_then(ServiceTier::read) {
            self.service_tier = Some(tier);
        }
        if let Some(total) = told.cache_creation_input_tokens.told {
            // The total says nothing of lives: keep a split that adds up to it, and take the
            // difference as the cheaper life otherwise.
            self.cache_creation_1h = self.cache_creation_1h.min(total);
            self.cache_creation_5m = total - self.cache_creation_1h;
            any = true;
        }
        any
    }
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
    #[serde(borrow, default)]
    cache_creation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    server_tool_use: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Creation {
    #[serde(rename = "ephemeral_5m_input_tokens", default)]
    five_minutes: Count,
    #[serde(rename = "ephemeral_1h_input_tokens", default)]
    one_hour: Count,
}

#[derive(Deserialize)]
struct ServerTools {
    #[serde(default)]
    web_search_requests: Count,
}

/// A count, or nothing where the value is of another type or beyond [`COUNT_MAX`].
#[derive(Default)]
struct Count {
    told: Option<u64>,
    is_nonsense: bool,
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let told = raw.parse().ok().filter(|count| *count <= COUNT_MAX);
        let is_beyond = |count: f64| count > u32::MAX.into();
        Ok(Self {
            told,
            is_nonsense: told.is_none() && raw.parse().is_ok_and(is_beyond),
        })
    }
}

fn object<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// Follows a stream and knows at any moment what the message has used so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageScanner {
    /// What the upstream has told; `None` before it told anything.
    pub usage: Option<Usage>,
    /// The model that answers, by `message_start`.
    pub model: Option<String>,
    /// The message's id, by `message_start`.
    pub message_id: Option<String>,
    /// From the last `message_delta` that told one; an open set.
    pub stop_reason: Option<String>,
    /// Whether a `message_delta` told the output tokens: without one `output_tokens` is only a
    /// start value and the output has to be estimated.
    pub output_is_final: bool,
    /// Whether `message_stop` came.
    pub stopped: bool,
    /// Characters of text, thinking and tool input seen in deltas.
    pub text_chars: u64,
}

impl UsageScanner {
    /// Takes one event of the stream.
    pub fn observe(&mut self, event: &Event<'_>) {
        match (event.kind, event.data.as_deref()) {
            (EventKind::ContentBlockDelta, _) => self.text_chars += event.text_chars,
            (EventKind::MessageStart, Some(data)) => self.message_start(data),
            (EventKind::MessageDelta, Some(data)) => self.message_delta(data),
            (EventKind::MessageStop, _) => self.stopped = true,
            _ => {}
        }
    }

    /// Output tokens for a stream that ended without its final usage: one per four characters
    /// already sent, at least what the upstream told.
    pub fn estimated_output_tokens(&self) -> u64 {
        let told = self.usage.map_or(0, |usage| usage.output_tokens);
        self.text_chars.div_ceil(4).max(told)
    }

    fn message_start(&mut self, data: &[u8]) {
        let Ok(start) = serde_json::from_slice::<MessageStart<'_>>(data) else {
            return;
        };
        let Some(answer) = start
            .message
            .and_then(|raw| JsonAnswer::read(raw.get().as_bytes()))
        else {
            return;
        };
        self.usage = answer.usage.or(self.usage);
        self.model = answer.model;
        self.message_id = answer.id;
        self.stop_reason = answer.stop_reason;
    }

    fn message_delta(&mut self, data: &[u8]) {
        let Ok(delta) = serde_json::from_slice::<MessageDelta<'_>>(data) else {
            return;
        };
        if let Some(raw) = delta.usage {
            let mut usage = self.usage.unwrap_or_default();
            if usage.merge(raw) {
                self.usage = Some(usage);
                let told = object::<Told<'_>>(Some(raw));
                self.output_is_final |= told.is_some_and(|told| told.output_tokens.told.is_some());
            }
        }
        if let Some(Stop {
            stop_reason: Text(Some(reason)),
        }) = object(delta.delta)
        {
            self.stop_reason = Some(reason);
        }
    }
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stop {
    #[serde(default)]
    stop_reason: Text,
}

#[cfg(test)]
mod tests;
