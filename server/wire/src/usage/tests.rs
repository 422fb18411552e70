use bytes::Bytes;

use super::*;
use crate::sse::EventScanner;

fn scan(stream: &str) -> UsageScanner {
    let mut scanner = UsageScanner::default();
    let mut events = EventScanner::new();
    events.push(&Bytes::from(stream.to_owned()), &mut |event| {
        scanner.observe(&event)
    });
    scanner
}

#[test]
fn a_stream_as_the_service_sends_it() {
    let scanner = scan(include_str!("../../golden/stream.sse"));
    let usage = Usage {
        input_tokens: 2095,
        output_tokens: 503,
        cache_read_input_tokens: 1000,
        cache_creation_5m: 148,
        cache_creation_1h: 100,
        web_search_requests: 2,
        service_tier: Some(ServiceTier::Standard),
        nonsense: Nonsense::default(),
    };
    assert_eq!(scanner.usage, Some(usage));
    assert_eq!(scanner.model.as_deref(), Some("claude-sonnet-4-5-20250929"));
    assert_eq!(scanner.message_id.as_deref(), Some("msg_01"));
    assert_eq!(scanner.stop_reason.as_deref(), Some("end_turn"));
    assert_eq!(
        scanner.text_chars,
        "Hello, wörld\n".chars().count() as u64 + 9 + 3
    );
    assert!(scanner.output_is_final && scanner.stopped);
}

#[test]
fn an_aborted_stream_is_estimated() {
    let scanner = scan(concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"123456789\"}}\n\n",
    ));
    assert_eq!(scanner.usage.unwrap().input_tokens, 9);
    assert!(!scanner.output_is_final && !scanner.stopped);
    assert_eq!(scanner.estimated_output_tokens(), 3);
}

#[test]
fn wrong_types_count_as_absent() {
    let scanner = scan(concat!(
        "event: message_start\ndata: {\"message\":{\"model\":7,\"usage\":{\"input_tokens\":5,",
        "\"output_tokens\":\"x\",\"cache_creation\":[],\"server_tool_use\":null}}}\n\n",
        "event: message_delta\ndata: {\"delta\":7,\"usage\":{\"output_tokens\":-3}}\n\n",
        "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"\\ud800\"},\"usage\":\"no\"}\n\n",
        "event: message_delta\ndata: not json\n\n",
    ));
    assert_eq!(
        scanner.usage,
        Some(Usage {
            input_tokens: 5,
            ..Default::default()
        })
    );
    assert_eq!(scanner.stop_reason, None);
    assert!(!scanner.output_is_final);
}

#[test]
fn counts_that_no_message_can_have_are_left_out_and_told() {
    for (count, kept, is_nonsense) in [
        ("4294967295", 4_294_967_295, false),
        ("4294967296", 0, true),
        ("18446744073709551615", 0, true),
        ("99999999999999999999999999", 0, true),
        ("1e300", 0, true),
        ("-18446744073709551616", 0, false),
        ("1.5", 0, false),
        ("null", 0, false),
    ] {
        let body = format!(
            r#"{{"usage":{{"input_tokens":{count},"output_tokens":{count},"server_tool_use":{{"web_search_requests":{count}}}}}}}"#
        );
        let usage = Usage::from_json_body(body.as_bytes()).unwrap_or_default();
        let counts = [
            usage.input_tokens,
            usage.output_tokens,
            usage.web_search_requests,
        ];
        assert_eq!(counts, [kept; 3], "{count}");
        let Nonsense {
            prompt,
            output,
            searches,
        } = usage.nonsense;
        assert_eq!([prompt, output, searches], [is_nonsense; 3], "{count}");
    }
    let scanner = scan(concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"123456789\"}}\n\n",
        "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":18446744073709551615}}\n\n",
    ));
    assert!(!scanner.output_is_final && scanner.usage.unwrap().nonsense.output);
    assert_eq!(scanner.estimated_output_tokens(), 3);
}

#[test]
fn tiers_and_paid_calls() {
    let usage = |text: &str| Usage::from_json_body(text.as_bytes()).unwrap();
    for (told, tier) in [
        (r#""priority""#, Some(ServiceTier::Priority)),
        (r#""batch""#, Some(ServiceTier::Batch)),
        (r#""standard""#, Some(ServiceTier::Standard)),
        (r#""of_tomorrow""#, Some(ServiceTier::Standard)),
        ("null", None),
        ("7", None),
        (r#"{"a":1}"#, None),
    ] {
        let body = format!(r#"{{"usage":{{"input_tokens":1,"service_tier":{told}}}}}"#);
        assert_eq!(usage(&body).service_tier, tier, "{told}");
    }
    let tools = usage(
        r#"{"usage":{"server_tool_use":{"web_fetch_requests":5,"of_tomorrow":{"x":[]},"web_search_requests":2}}}"#,
    );
    assert_eq!(tools.web_search_requests, 2);
    let scanner = scan(concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"service_tier\":\"priority\"}}}\n\n",
        "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":3,\"server_tool_use\":{\"web_search_requests\":1}}}\n\n",
    ));
    let told = scanner.usage.unwrap();
    assert_eq!(
        (told.service_tier, told.web_search_requests),
        (Some(ServiceTier::Priority), 1)
    );
}

#[test]
fn the_text_of_an_error_is_no_output() {
    let scanner = scan(concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded, and a long text about it\"}}\n\n",
        "data: {\"type\":\"error\",\"delta\":{\"text\":\"not a delta\"}}\n\n",
    ));
    assert_eq!(scanner.text_chars, 0);
    assert_eq!(scanner.estimated_output_tokens(), 1);
    let refused = br#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#;
    assert_eq!(Usage::from_json_body(refused), None);
}

#[test]
fn the_total_of_cache_writes_keeps_a_known_split() {
    let usage = |text: &str| Usage::from_json_body(text.as_bytes()).unwrap();
    let only_total = usage(r#"{"usage":{"cache_creation_input_tokens":70}}"#);
    assert_eq!(
        (only_total.cache_creation_5m, only_total.cache_creation_1h),
        (70, 0)
    );
    let split = usage(
        r#"{"usage":{"cache_creation":{"ephemeral_1h_input_tokens":50,
            "ephemeral_5m_input_tokens":20},"cache_creation_input_tokens":70}}"#,
    );
    assert_eq!((split.cache_creation_5m, split.cache_creation_1h), (20, 50));
    assert_eq!(split.cache_creation_tokens(), 70);
}

#[test]
fn json_answers() {
    let body = br#"{"id":"msg_1","content":[{"text":"\ud800","usage":{"input_tokens":1}}],
        "model":"m","stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4,"new":{}}}"#;
    let answer = JsonAnswer::read(body).unwrap();
    assert_eq!(answer.id.as_deref(), Some("msg_1"));
    assert_eq!(answer.model.as_deref(), Some("m"));
    assert_eq!(answer.stop_reason.as_deref(), Some("tool_use"));
    assert_eq!(
        answer.usage,
        Some(Usage {
            input_tokens: 3,
            output_tokens: 4,
            ..Default::default()
        })
    );
    for nothing in [
        "",
        "[]",
        "null",
        "{\"usage\":7}",
        "{\"usage\":{}}",
        "{\"usage\":{\"input",
    ] {
        assert_eq!(Usage::from_json_body(nothing.as_bytes()), None, "{nothing}");
    }
}
