use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::request_tokens;
use super::*;

fn image(data: &str) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
}

fn document(source: Value) -> Value {
    json!({"type": "document", "source": source})
}

fn pdf(data: &str) -> Value {
    document(json!({"type": "base64", "media_type": "application/pdf", "data": data}))
}

fn asked(content: Value) -> String {
    json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]})
        .to_string()
}

/// What the bound is above a token for each byte that is not base64.
#[track_caller]
fn beyond_text(content: Value, base64_chars: usize) -> u64 {
    let body = asked(content);
    // The two quotes count as data.
    let text = if base64_chars > 0 {
        body.len() - base64_chars - 2
    } else {
        body.len()
    };
    bound(body.as_bytes()) - text as u64
}

#[test]
fn text_counts_by_its_bytes() {
    for body in [
        asked(json!("Hello, wörld 𝄞")),
        asked(json!([{"type": "text", "text": "of \"base64\" and \"tools\" and its \"source\""}])),
        "{\"messages\": [".to_owned(),
        String::new(),
    ] {
        assert_eq!(bound(body.as_bytes()), body.len() as u64, "{body}");
    }
    assert_eq!(bound(b"\xff\"source\""), 9);
}

#[test]
fn images_and_documents_count_by_their_own_rules() {
    let data = BASE64_STANDARD.encode(vec![7u8; 30_000]);
    let chars = data.len();
    let two_pages = BASE64_STANDARD.encode(b"%PDF-1.7 <</Type /Page>> <</Type /Page>>");
    for (content, base64_chars, tokens) in [
        (json!([image(&data)]), chars, 5_000),
        (
            json!([{"type": "image", "source": {"type": "url", "url": "https://h/x.png"}}]),
            0,
            5_000,
        ),
        (
            json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}]),
            0,
            5_000,
        ),
        (json!([pdf(&two_pages)]), two_pages.len(), 6_000),
        (json!([pdf(&data)]), chars, 4 * 3_000),
        (
            json!([document(json!({"type": "url", "url": "https://h/x.pdf"}))]),
            0,
            300_000,
        ),
        (
            json!([document(json!({"type": "text", "data": "plain"}))]),
            0,
            0,
        ),
        (
            json!([document(
                json!({"type": "content", "content": [image(&data)]})
            )]),
            chars,
            5_000,
        ),
        (
            json!([{"type": "tool_result", "tool_use_id": "t", "content": [image(&data)]}]),
            chars,
            5_000,
        ),
    ] {
        assert_eq!(
            beyond_text(content.clone(), base64_chars),
            tokens,
            "{content}"
        );
    }
}

#[test]
fn base64_that_is_text_to_the_model_is_counted_as_text() {
    let data = BASE64_STANDARD.encode(vec![7u8; 30_000]);
    for content in [
        json!([{"type": "tool_use", "id": "t", "name": "n", "input": image(&data)}]),
        json!([{"type": "tool_use", "id": "t", "name": "n", "input": {"content": [image(&data)]}}]),
        json!([{"type": "text", "text": "x", "source": {"type": "base64", "data": data}}]),
        json!(image(&data)),
    ] {
        assert_eq!(beyond_text(content.clone(), 0), 0, "{content}");
    }
}

#[test]
fn no_spelling_hides_a_key() {
    let tools = r#"{"tools":[{"type":"bash_20250124","name":"bash"}],"messages":[]}"#;
    assert_eq!(bound(tools.as_bytes()), tools.len() as u64 + TOOLS_TOKENS);
    let hidden = tools.replace("\"tools\"", r#""t\u006fols""#);
    assert_eq!(bound(hidden.as_bytes()), hidden.len() as u64 + TOOLS_TOKENS);
    let body = asked(json!([{"type": "image", "source": {"type": "url", "url": "x"}}]));
    let hidden = body.replace("\"source\"", r#""\u0073ource""#);
    assert!(bound(hidden.as_bytes()) >= hidden.len() as u64 + IMAGE_MAX_TOKENS);
    // Letters of other alphabets are written so by many.
    let latin = r#"{"messages":[{"role":"user","content":"caf\u00e9 \u4f60"}]}"#;
    assert_eq!(bound(latin.as_bytes()), latin.len() as u64);
}

fn any_source() -> impl Strategy<Value = Value> {
    let file = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3_000),
        Just(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xff\xff\0\0\xff\xff".to_vec()),
        "(/Type ?/Page ){0,5}(/Type /ObjStm)?x{0,2000}".prop_map(String::into_bytes),
    ];
    prop_oneof![
        file.prop_map(|file| json!({"type": "base64", "data": BASE64_STANDARD.encode(file)})),
        "\\PC{0,20}".prop_map(|data| json!({"type": "base64", "data": data})),
        Just(json!({"type": "url", "url": "x"})),
        Just(json!({"type": "text", "data": "plain text"})),
        Just(json!({})),
        Just(json!(null)),
    ]
}

fn any_content() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "\\PC{0,40}".prop_map(|text| json!([{"type": "text", "text": text}])),
        any_source().prop_map(|source| json!([{"type": "image", "source": source}])),
        any_source().prop_map(|source| json!([{"type": "document", "source": source}])),
        Just(json!([{"type": "image"}, {"type": "document"}, {"type": "new"}, 1, null])),
        Just(json!("text")),
        Just(json!(null)),
    ];
    leaf.prop_recursive(6, 24, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|c| json!([{"type": "tool_result", "content": c}])),
            inner.clone().prop_map(
                |c| json!([{"type": "document", "source": {"type": "content", "content": c}}])
            ),
            inner.prop_map(|c| json!([{"type": "tool_use", "name": "n", "input": c}])),
        ]
    })
}

proptest! {
    #[test]
    fn never_less_than_the_estimate(
        messages in prop::collection::vec(any_content(), 0..4),
        system in "\\PC{0,20}",
        tools in prop::option::of("\\PC{0,20}"),
        bare in any::<bool>(),
    ) {
        let messages: Vec<_> = messages
            .into_iter()
            .map(|content| if bare { json!(1) } else { json!({"content": content}) })
            .collect();
        let mut body = json!({"system": system, "messages": messages});
        if let Some(tools) = tools {
            body["tools"] = json!([{"name": tools}]);
        }
        let body = body.to_string();
        let estimate = request_tokens(body.as_bytes());
        prop_assert!(Some(bound(body.as_bytes())) >= estimate, "{body}");
    }

    #[test]
    fn any_bytes_have_a_bound(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(bound(&body) >= body.len() as u64);
    }
}
