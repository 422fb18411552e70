//! From the surface's bytes to the client's, without a network.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use troupe_wire::sse::{Event, EventScanner};
use troupe_wire::usage::UsageScanner;

use crate::web::{
    collect::Collector,
    event::{EventReader, WebEvent, write_all},
    translate::{Terms, Translation},
};

const SURFACE: &str = include_str!("golden/surface.sse");
const CLIENT: &str = include_str!("golden/client.sse");
const ANSWER: &str = include_str!("golden/answer.json");

pub(super) fn terms() -> Terms {
    Terms {
        model: "claude-x".to_owned(),
        thinking: true,
        stop_sequences: Vec::new(),
        input_tokens: 7,
    }
}

/// What the client gets of a stream that came in these pieces.
pub(super) fn run<'a>(terms: Terms, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<WebEvent> {
    let (mut reader, mut translation) = (EventReader::default(), Translation::new(terms));
    let mut events = Vec::new();
    for piece in pieces {
        let (read, broken) = reader.push(Bytes::copy_from_slice(piece));
        assert_eq!(broken, None);
        for event in read {
            translation.push(event).unwrap();
        }
        events.extend(translation.take());
    }
    events
}

fn bytes(events: &[WebEvent]) -> String {
    String::from_utf8(write_all(events).to_vec()).unwrap()
}

fn crlf() -> String {
    SURFACE.replace('\n', "\r\n")
}

#[test]
fn the_stream_has_the_shape_of_the_messages_api() {
    for surface in [crlf(), SURFACE.to_owned()] {
        assert_eq!(bytes(&run(terms(), [surface.as_bytes()])), CLIENT);
    }
}

#[test]
fn no_cut_of_the_bytes_changes_it() {
    let surface = crlf();
    for at in 0..=surface.len() {
        let (head, tail) = surface.as_bytes().split_at(at);
        assert_eq!(bytes(&run(terms(), [head, tail])), CLIENT, "cut at {at}");
    }
    for size in [1, 2, 3, 7, 64] {
        let pieces = surface.as_bytes().chunks(size);
        assert_eq!(bytes(&run(terms(), pieces)), CLIENT, "pieces of {size}");
    }
}

#[test]
fn the_json_answer_has_the_same_blocks() {
    let surface = crlf();
    let mut collector = Collector::default();
    for event in run(terms(), [surface.as_bytes()]) {
        collector.push(&event);
    }
    let body = collector.finish().unwrap();
    assert_eq!(body, ANSWER.trim_end());
}

#[test]
fn the_gateways_own_scanner_reads_its_usage() {
    let (mut scanner, mut usage) = (EventScanner::new(), UsageScanner::default());
    let mut observe = |event: Event<'_>| usage.observe(&event);
    scanner.push(&Bytes::from_static(CLIENT.as_bytes()), &mut observe);
    assert!(usage.stopped && usage.output_is_final);
    assert_eq!(usage.model.as_deref(), Some("claude-x"));
    let told = usage.usage.unwrap();
    assert_eq!(told.input_tokens, 7);
    assert_eq!(told.output_tokens, usage.text_chars.div_ceil(4));
}

fn event(data: Value) -> String {
    format!(
        "event: {}\r\ndata: {data}\r\n\r\n",
        data["type"].as_str().unwrap()
    )
}

fn seen(stream: &str, terms: Terms) -> Vec<Value> {
    let events = run(terms, [stream.as_bytes()]);
    // What no tree can hold is null here; its bytes are compared elsewhere.
    let value = |event: &WebEvent| serde_json::to_value(&event.members).unwrap_or_default();
    events.iter().map(value).collect()
}

#[test]
fn thinking_that_was_not_asked_for_is_not_shown() {
    let terms = Terms {
        thinking: false,
        ..terms()
    };
    let events = seen(&crlf(), terms);
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("thinking") && !text.contains("signature"));
    let first = events
        .iter()
        .find(|event| event["type"] == "content_block_start");
    assert_eq!(first.unwrap()["index"], 0);
}

#[test]
fn what_a_message_lacks_is_added() {
    // No start, a block with its text in its start, an end without a reason.
    let stream = [
        event(
            json!({"type": "content_block_start", "index": 5, "content_block": {"type": "text", "text": "abc"}}),
        ),
        event(
            json!({"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "nobody's"}}),
        ),
        event(json!({"type": "message_stop"})),
        event(json!({"type": "ping"})),
    ];
    let events = seen(&stream.concat(), terms());
    let names: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let message = &events[0]["message"];
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(message["model"], "claude-x");
    assert_eq!(message["usage"]["input_tokens"], 7);
    assert_eq!(events[1]["index"], 0);
    assert_eq!(events[1]["content_block"]["text"], "");
    assert_eq!(events[2]["delta"]["text"], "abc");
    assert_eq!(
        events[4]["delta"],
        json!({"stop_reason": "end_turn", "stop_sequence": null})
    );
    assert_eq!(events[4]["usage"]["output_tokens"], 1);
}

#[test]
fn a_usage_that_is_told_is_kept() {
    let stream = [
        event(
            json!({"type": "message_start", "message": {"id": "a", "model": "m", "usage": {"input_tokens": 99}}}),
        ),
        event(
            json!({"type": "message_delta", "delta": {"stop_reason": "x"}, "usage": {"output_tokens": 88}}),
        ),
        event(json!({"type": "message_stop"})),
    ];
    let events = seen(&stream.concat(), terms());
    assert_eq!(events[0]["message"]["usage"], json!({"input_tokens": 99}));
    assert_eq!(events[0]["message"]["model"], "m");
    assert_eq!(events[1]["usage"], json!({"output_tokens": 88}));
}

#[test]
fn what_cannot_be_read_breaks_the_stream_after_what_could() {
    for broken in [
        "event: content_block_delta\r\ndata: {\"type\r\n\r\n",
        "event: message_start\r\ndata: []\r\n\r\n",
        "event: message_delta\r\n\r\n",
    ] {
        let good = event(json!({"type": "ping"}));
        let mut reader = EventReader::default();
        let (events, fault) = reader.push(Bytes::from(format!("{good}{broken}{good}")));
        assert_eq!(events.len(), 1, "{broken}");
        assert!(fault.is_some(), "{broken}");
    }
    for harmless in [
        "event: ping\r\n\r\n",
        "event: new\r\ndata: text\r\n\r\n",
        ": comment\r\n\r\n",
        "event: message_stop\r\n\r\n",
    ] {
        let (_, fault) = EventReader::default().push(Bytes::from(harmless));
        assert_eq!(fault, None, "{harmless}");
    }
}

#[test]
fn a_tool_call_that_is_no_json_is_told() {
    let stream = |reason: &str| {
        [
            event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "n"}})),
            event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"a\": "}})),
            event(json!({"type": "message_delta", "delta": {"stop_reason": reason}})),
            event(json!({"type": "message_stop"})),
        ]
        .concat()
    };
    for (reason, is_told) in [("tool_use", true), ("max_tokens", false)] {
        let mut collector = Collector::default();
        for event in run(terms(), [stream(reason).as_bytes()]) {
            collector.push(&event);
        }
        assert_eq!(collector.finish().is_err(), is_told);
    }
}

proptest! {
    #[test]
    fn any_sequence_of_events_gives_whole_messages(kinds in prop::collection::vec((0..8u8, 0..3u64), 0..40)) {
        let mut stream = String::new();
        for (kind, index) in kinds {
            stream += &event(match kind {
                0 => json!({"type": "message_start", "message": {"id": "m"}}),
                1 => json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
                2 => json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": "t", "name": "n"}}),
                3 => json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": "ab"}}),
                4 => json!({"type": "content_block_stop", "index": index}),
                5 => json!({"type": "message_delta", "delta": {}}),
                6 => json!({"type": "message_stop"}),
                _ => json!({"type": "ping"}),
            });
        }
        let terms = Terms { stop_sequences: vec!["bab".to_owned()], ..terms() };
        let events = seen(&stream, terms);
        let (mut open, mut begun, mut started, mut ended) = (Vec::new(), 0, false, false);
        for event in &events {
            prop_assert!(!ended);
            match event["type"].as_str().unwrap() {
                "message_start" => prop_assert!(!std::mem::replace(&mut started, true)),
                "content_block_start" => {
                    prop_assert!(started && event["index"] == begun);
                    open.push(event["index"].clone());
                    begun += 1;
                }
                "content_block_delta" => prop_assert!(open.contains(&event["index"])),
                "content_block_stop" => {
                    let before = open.len();
                    open.retain(|index| *index != event["index"]);
                    prop_assert_eq!(before, open.len() + 1);
                }
                "message_delta" => prop_assert!(started && open.is_empty()),
                "message_stop" => {
                    prop_assert!(started && open.is_empty());
                    ended = true;
                }
                _ => {}
            }
        }
    }
}
