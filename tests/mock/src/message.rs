//! Makes up a message, as JSON and as the events of a stream.
//!
//! Invariant: both forms of one message carry the same content, stop reason and usage.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::request::Ask;
use crate::scenario::{Events, Scenario};
use crate::wire_order;

const WORDS: &str = "scripted words ";

/// A message that is to be sent.
pub(crate) struct Message {
    id: String,
    model: String,
    blocks: Vec<Block>,
    stop_reason: String,
    usage: Map<String, Value>,
}

enum Block {
    Text {
        deltas: Vec<String>,
    },
    Thinking {
        text: &'static str,
        signature: &'static str,
    },
    Tool {
        id: String,
        name: String,
        input: Value,
    },
}

impl Message {
    /// Makes up the answer to `ask`; `serial` makes ids unique.
    pub(crate) fn compose(ask: &Ask, scenario: &Scenario, serial: u64) -> Self {
        let events = scenario.events.clone().unwrap_or_else(|| wanted(ask));
        let tools = match events {
            Events::ToolUse => 1,
            Events::ParallelTools | Events::Everything => 2,
            _ => 0,
        };
        let mut blocks = Vec::new();
        if matches!(events, Events::Thinking | Events::Everything) {
            let (text, signature) = (
                "The script says what to answer.",
                "c2NyaXB0ZWQtc2lnbmF0dXJl",
            );
            blocks.push(Block::Thinking { text, signature });
        }
        let mut stop_reason = if tools > 0 { "tool_use" } else { "end_turn" };
        if events != Events::ToolUse {
            let mut text = text_of(ask, scenario);
            let max_chars = usize::try_from(ask.max_tokens.saturating_mul(4)).unwrap_or(usize::MAX);
            if let Some((end, _)) = text.char_indices().nth(max_chars) {
                text.truncate(end);
                stop_reason = "max_tokens";
            }
            blocks.push(Block::Text {
                deltas: deltas_of(&text, scenario.count),
            });
        }
        for index in 0..tools {
            let id = format!("toolu_mock{serial:08}{index}");
            blocks.push(tool(ask, index, id));
        }
        let output_chars: usize = blocks.iter().map(Block::chars).sum();
        let mut usage = Map::new();
        for (name, value) in [
            ("input_tokens", json!(ask.input_tokens())),
            ("cache_creation_input_tokens", json!(0)),
            ("cache_read_input_tokens", json!(0)),
            ("output_tokens", json!(output_chars.div_ceil(4).max(1))),
            ("service_tier", json!("standard")),
        ] {
            usage.insert(name.to_owned(), value);
        }
        usage.extend(scenario.usage.clone().unwrap_or_default());
        Self {
            id: format!("msg_mock{serial:08}"),
            model: ask.model.clone(),
            blocks,
            stop_reason: scenario
                .stop_reason
                .clone()
                .unwrap_or_else(|| stop_reason.to_owned()),
            usage,
        }
    }

    /// The message as the body of a JSON answer.
    pub(crate) fn to_json(&self) -> Bytes {
        let content: Vec<_> = self.blocks.iter().map(Block::whole).collect();
        Bytes::from(wire_order::to_text(&self.envelope(
            content,
            json!(self.stop_reason),
            json!(self.usage),
        )))
    }

    fn envelope(&self, content: Vec<Value>, stop_reason: Value, usage: Value) -> Value {
        json!({"id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": stop_reason, "stop_sequence": null, "usage": usage})
    }

    /// The message as events, each with its empty line.
    pub(crate) fn to_events(&self, scenario: &Scenario) -> Vec<Bytes> {
        let mut events = Vec::new();
        let ping = json!({"type": "ping"});
        for _ in 0..scenario.leading_pings {
            events.push(("ping", ping.clone()));
        }
        let mut start_usage = self.usage.clone();
        start_usage.insert("output_tokens".to_owned(), json!(1));
        let message = self.envelope(Vec::new(), Value::Null, json!(start_usage));
        events.push((
            "message_start",
            json!({"type": "message_start", "message": message}),
        ));
        for (index, block) in self.blocks.iter().enumerate() {
            events.push((
                "content_block_start",
                json!({"type": "content_block_start", "index": index,
                    "content_block": block.start()}),
            ));
            if index == 0 {
                events.extend(std::iter::repeat_n(
                    ("ping", ping.clone()),
                    scenario.pings.unwrap_or(1),
                ));
            }
            for delta in block.deltas() {
                events.push((
                    "content_block_delta",
                    json!({"type": "content_block_delta", "index": index, "delta": delta}),
                ));
            }
            let stop = json!({"type": "content_block_stop", "index": index});
            events.push(("content_block_stop", stop));
        }
        events.push((
            "message_delta",
            json!({"type": "message_delta", "usage": self.usage,
                "delta": {"stop_reason": self.stop_reason, "stop_sequence": null}}),
        ));
        events.push(("message_stop", json!({"type": "message_stop"})));
        let end = scenario.line_ending();
        let mut events: Vec<_> = events
            .iter()
            .map(|(name, data)| event(name, &wire_order::to_text(data), end))
            .collect();
        if scenario.events == Some(Events::Unknown) {
            let at = events.len() - 3;
            events.splice(at..at, unknown_events(end));
        }
        events
    }
}

/// One event; `end` is the line end.
pub(crate) fn event(name: &str, data: &str, end: &str) -> Bytes {
    Bytes::from(format!("event: {name}{end}data: {data}{end}{end}"))
}

/// The delta that an endless stream repeats.
pub(crate) fn endless_delta(end: &str) -> Bytes {
    let data = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"and on "}}"#;
    event("content_block_delta", data, end)
}

/// Events, deltas and framing that no client knows yet.
pub(crate) fn unknown_events(end: &str) -> Vec<Bytes> {
    vec![
        event(
            "brand_new_event",
            r#"{"type":"brand_new_event","lone":"\ud800","big":123456789012345678901234567890}"#,
            end,
        ),
        event(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"future_delta","\udc00":[1,1.0]}}"#,
            end,
        ),
        Bytes::from(format!(": a comment{end}{end}")),
        Bytes::from(format!(
            "id: 7{end}retry: 10{end}data: {{\"type\":{end}data:\"ping\"}}{end}{end}"
        )),
    ]
}

/// What the request asks for when the scenario leaves it open.
fn wanted(ask: &Ask) -> Events {
    let kind = |name: &str| {
        ask.value
            .get(name)
            .and_then(|value| value.get("type")?.as_str())
    };
    let has_tools = ask
        .value
        .get("tools")
        .and_then(Value::as_array)
        .is_some_and(|t| !t.is_empty());
    match (kind("tool_choice"), kind("thinking")) {
        (Some("any" | "tool"), _) if has_tools && !ask.has_tool_result() => Events::ToolUse,
        (_, Some("enabled" | "adaptive")) => Events::Thinking,
        _ => Events::Text,
    }
}

fn text_of(ask: &Ask, scenario: &Scenario) -> String {
    if let Some(text) = &scenario.text {
        return text.clone();
    }
    if let Some(bytes) = scenario.text_bytes {
        return made_up_text(bytes);
    }
    if let Some(count) = scenario.count {
        return WORDS.split_inclusive(' ').cycle().take(count).collect();
    }
    let said: String = ask.user_text(true).chars().take(80).collect();
    format!(
        "This is a scripted answer: no model was asked. You said: \u{201c}{said}\u{201d}. \
         Add an account to get answers from the real service."
    )
}

/// A text of so many bytes.
pub(crate) fn made_up_text(bytes: usize) -> String {
    WORDS.chars().cycle().take(bytes).collect()
}

/// Cuts the text into `count` deltas, by default one per word.
pub(crate) fn deltas_of(text: &str, count: Option<usize>) -> Vec<String> {
    let Some(count) = count else {
        return text.split_inclusive(' ').map(str::to_owned).collect();
    };
    let chars: Vec<_> = text.chars().collect();
    let at = |index: usize| index * chars.len() / count;
    (0..count)
        .map(|index| chars[at(index)..at(index + 1)].iter().collect())
        .collect()
}

/// A call of the tool that the request names or brings; without one, of a made-up tool.
fn tool(ask: &Ask, index: usize, id: String) -> Block {
    let tools = ask.value.get("tools").and_then(Value::as_array);
    let chosen = ask
        .value
        .get("tool_choice")
        .and_then(|choice| choice.get("name")?.as_str());
    let found = tools.and_then(|tools| {
        let by_name = tools.iter().find(|tool| tool["name"].as_str() == chosen);
        chosen
            .and(by_name)
            .or_else(|| tools.get(index.min(tools.len().checked_sub(1)?)))
    });
    let (name, input) = sample_call(found);
    Block::Tool { id, name, input }
}

/// The name of a tool and an input that fits its schema; without one, of a made-up tool.
pub(crate) fn sample_call(tool: Option<&Value>) -> (String, Value) {
    let name = tool
        .and_then(|tool| tool.get("name")?.as_str())
        .unwrap_or("get_weather");
    let schema = tool.and_then(|tool| tool.get("input_schema")?.get("properties")?.as_object());
    let input = match schema {
        Some(properties) => {
            let sample = |(name, schema): (&String, &Value)| (name.clone(), sample(schema));
            Value::Object(properties.iter().map(sample).collect())
        }
        None => json!({"location": "Paris"}),
    };
    (name.to_owned(), input)
}

fn sample(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => json!(7),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("Paris"),
    }
}

impl Block {
    fn chars(&self) -> usize {
        match self {
            Self::Text { deltas } => deltas.iter().map(|delta| delta.chars().count()).sum(),
            Self::Thinking { text, .. } => text.len(),
            Self::Tool { input, .. } => input.to_string().len(),
        }
    }

    fn whole(&self) -> Value {
        match self {
            Self::Text { deltas } => json!({"type": "text", "text": deltas.concat()}),
            Self::Thinking { text, signature } => {
                json!({"type": "thinking", "thinking": text, "signature": signature})
            }
            Self::Tool { id, name, input } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": input})
            }
        }
    }

    fn start(&self) -> Value {
        match self {
            Self::Text { .. } => json!({"type": "text", "text": ""}),
            Self::Thinking { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Self::Tool { id, name, .. } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
        }
    }

    fn deltas(&self) -> Vec<Value> {
        match self {
            Self::Text { deltas } => deltas
                .iter()
                .map(|text| json!({"type": "text_delta", "text": text}))
                .collect(),
            Self::Thinking { text, signature } => text
                .split_inclusive(' ')
                .map(|text| json!({"type": "thinking_delta", "thinking": text}))
                .chain([json!({"type": "signature_delta", "signature": signature})])
                .collect(),
            Self::Tool { input, .. } => input_deltas(input),
        }
    }
}

/// The deltas of a tool's input: an empty one, then its text in two halves.
pub(crate) fn input_deltas(input: &Value) -> Vec<Value> {
    let text = input.to_string();
    let (left, right) = text.split_at(text.floor_char_boundary(text.len() / 2));
    ["", left, right]
        .map(|part| json!({"type": "input_json_delta", "partial_json": part}))
        .to_vec()
}
