//! A thousand generated event streams are the same on both sides of the gateway.
//!
//! The generator is seeded: every run sends the same bytes.

use troupe_mock::{Framing, MockConfig, Scenario, Split};

use crate::gateway::{Client, FIRST, Setup, Stage, request, stream};

const STREAMS: usize = 1_000;
const KIB: usize = 1024;

/// Numbers that are the same in every run (splitmix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const DELTAS: &[&str] = &[
    r#"{"type":"text_delta","text":"Hello"}"#,
    r#"{"type":"text_delta","text":"\ud83d"}"#,
    r#"{"type":"text_delta","text":"žluť 漢字 🎭 \u0000"}"#,
    r#"{"type":"input_json_delta","partial_json":"{\"a\":\"\\ud8"}"#,
    r#"{"type":"thinking_delta","thinking":"hm"}"#,
    r#"{"type":"signature_delta","signature":"c2ln"}"#,
    r#"{"type":"citations_delta","citation":{"n":12345678901234567890123}}"#,
    r#"{"type":"hologram_delta","x":1,"x":2, "y" : [ ] }"#,
];

const ODD_EVENTS: &[&str] = &[
    "event: ping|data: {\"type\": \"ping\"}",
    "event: brand_new|data: {\"type\":\"brand_new\",\"v\":1.0}",
    "event: two_lines|data: {\"a\":|data: 1}",
    "data: {\"type\":\"content_block_delta\",\"index\":0}",
    "data",
    "event",
    ":",
    ": a comment",
    ":keep-alive|event: noted|data:x",
    "id: 7|retry: 10|data:  two spaces",
    "event: not_json|data: {{{",
    "field without colon|data: x",
    "event: message_stopped|data: {\"type\":\"message_stopped\"}",
    "event:error_not|data:{}",
];

/// One stream as the pieces a scripted upstream writes.
fn events(random: &mut Random, index: usize) -> Vec<String> {
    let ends: &[&str] = match index % 4 {
        0 => &["\n"],
        1 => &["\r\n"],
        2 => &["\r"],
        _ => &["\n", "\r\n", "\r"],
    };
    let mut events = vec![
        r#"event: message_start|data: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3,"output_tokens":1}}}"#.to_owned(),
    ];
    if index.is_multiple_of(7) {
        events.insert(0, "event: ping|data: {\"type\":\"ping\"}".to_owned());
    }
    for _ in 0..random.below(12) {
        let event = match random.below(3) {
            0 => random.pick(ODD_EVENTS).to_owned(),
            _ => format!(
                "event: content_block_delta|data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{}}}",
                random.pick(DELTAS)
            ),
        };
        events.push(event);
    }
    if let Some(bytes) = large(random, index) {
        events.push(format!(
            "event: content_block_delta|data: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"{}\"}}}}",
            "z".repeat(bytes)
        ));
    }
    events.push(
        r#"event: message_delta|data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#.to_owned(),
    );
    events.push(r#"event: message_stop|data: {"type":"message_stop"}"#.to_owned());
    let mut framed: Vec<_> = events
        .iter()
        .map(|event| frame(random, event, ends))
        .collect();
    // After the end, and without the empty line that would end an event: still the upstream's bytes.
    match index % 11 {
        3 => framed.push(": a last word\n".to_owned()),
        5 => framed.push("\n".to_owned()),
        _ => {}
    }
    if index % 50 == 9 {
        framed[0].insert(0, '\u{feff}');
    }
    framed
}

fn large(random: &mut Random, index: usize) -> Option<usize> {
    match index % 100 {
        17 => Some(1_100 * KIB + random.below(200_000)),
        23 | 61 => Some(65 * KIB + random.below(60_000)),
        40 => Some(1_024 * KIB - 150 + random.below(300)),
        _ => None,
    }
}

/// Lines are told apart by `|`; an empty one ends the event.
fn frame(random: &mut Random, event: &str, ends: &[&str]) -> String {
    let mut text = String::new();
    for line in event.split('|') {
        text.push_str(line);
        text.push_str(random.pick(ends));
    }
    // A CR and an LF would be one line's end.
    let end = random.pick(ends);
    text.push_str(if text.ends_with('\r') && end == "\n" {
        "\r"
    } else {
        end
    });
    if random.below(20) == 0 {
        text.push_str(":\n\n");
    }
    text
}

fn scenario(random: &mut Random, index: usize) -> Scenario {
    let events = events(random, index);
    let bytes: usize = events.iter().map(String::len).sum();
    let split = match random.below(5) {
        0 => Split::None,
        1 => Split::Whole,
        _ if bytes < 8 * KIB => Split::Bytes([1, 2, 3, 5, 7, 64][random.below(6)]),
        _ => Split::Bytes(1_000 + random.below(70_000)),
    };
    Scenario {
        split,
        framing: match index % 13 {
            4 | 8 => Framing::ContentLength,
            _ => Framing::Auto,
        },
        ..Scenario::raw_events(events)
    }
}

fn sent(scenario: &Scenario) -> String {
    match &scenario.events {
        Some(troupe_mock::Events::Raw(events)) => events.concat(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn a_thousand_streams_come_down_as_they_are() {
    let stage = Stage::start(Setup {
        mock: MockConfig {
            journal_entries: 1,
            ..MockConfig::default()
        },
        ..Setup::default()
    });
    let mut random = Random(0x7205_9e00);
    let ask = request(
        "POST",
        "/v1/messages",
        &[("x-api-key", FIRST)],
        stream().as_bytes(),
    );
    let mut client: Client = stage.client().await;
    for index in 0..STREAMS {
        let scenario = scenario(&mut random, index);
        let expected = sent(&scenario);
        stage.mock().script([scenario.clone()]);
        client.send(&ask).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "stream {index}: {}", answer.text());
        let same = answer.whole && answer.body == expected.as_bytes();
        assert!(
            same,
            "{}",
            difference(index, &scenario, &expected, &answer.body)
        );
    }
    let completed = format!("route=\"messages\",status=\"200\",outcome=\"completed\"}} {STREAMS}");
    stage.until_metric(&completed).await;
}

/// Where two streams part, without a megabyte of them.
fn difference(index: usize, scenario: &Scenario, expected: &str, got: &[u8]) -> String {
    let expected = expected.as_bytes();
    let at = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = at.saturating_sub(40).min(bytes.len());
        let to = (at + 80).min(bytes.len());
        String::from_utf8_lossy(&bytes[from..to]).into_owned()
    };
    format!(
        "stream {index} ({:?}, {:?}) differs at byte {at} of {}/{}:\n{:?}\n{:?}",
        scenario.split,
        scenario.framing,
        expected.len(),
        got.len(),
        around(expected),
        around(got)
    )
}

/// The gateway's own pings aside, a slow stream is the same too, in whichever thread's turn.
#[tokio::test]
async fn a_slow_stream_differs_only_by_pings() {
    let stage = Stage::configured("streaming: { keepalive: 250ms }");
    let scenario = Scenario {
        event_delay_ms: 600,
        ..Scenario::raw_events([
            "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\r\n\r\n",
            "event: odd\rdata: 1\r\r",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ])
    };
    stage.mock().script([scenario.clone()]);
    let answer = stage.post(stream()).await;
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    let text = answer.text();
    assert!(text.matches(ping).count() >= 2, "{text}");
    assert_eq!(text.replace(ping, ""), sent(&scenario));
}
