//! What a request becomes, without a network.

use serde_json::{Value, json};

use crate::web::{
    WebFault, WebLimits,
    ask::Ask,
    prompt::Prompt,
    request_test::is_test,
    tool_result::{answered_tools, results_for},
};

const PIXEL: &str = "aGVhZA==";

fn request(members: Value) -> Vec<u8> {
    let mut body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello there"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

fn build(members: Value) -> Result<Prompt, WebFault> {
    let body = request(members);
    Prompt::build(&Ask::read(&body)?, "f00d", &WebLimits::default())
}

fn text(members: Value) -> String {
    build(members).unwrap().text
}

#[test]
fn a_single_message_is_sent_as_it_is() {
    assert_eq!(text(json!({})), "hello there");
    let blocks = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]);
    assert_eq!(
        text(json!({"messages": [{"role": "user", "content": blocks}]})),
        "a\n\nb"
    );
}

#[test]
fn turns_stand_under_marks() {
    let messages = json!([
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hidden", "signature": "s"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {"n": 12345678901234567890u64, "b": [1.50]}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [{"type": "text", "text": "no"}]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "yes"},
            {"type": "tool_result", "tool_use_id": "toolu_3"},
            {"type": "text", "text": "and?"},
        ]},
    ]);
    let system = json!([{"type": "text", "text": "Be brief."}]);
    assert_eq!(
        text(json!({"system": system, "messages": messages})),
        "[system f00d]\nBe brief.\n\n[user f00d]\nweather?\n\n[assistant f00d]\nI look.\n\n\
         [tool call toolu_1 get f00d]\n{\"b\":[1.5],\"n\":12345678901234567890}\n\n\
         [user f00d]\n\n[tool error toolu_1 f00d]\nno\n\n[tool result toolu_2 f00d]\nyes\n\n[tool result toolu_3 f00d]\nand?"
    );
}

#[test]
fn files_are_named_where_they_stood() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}});
    let pdf = json!({"type": "document", "title": "Report", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}});
    let plain = json!({"type": "document", "context": "old", "source": {"type": "text", "media_type": "text/plain", "data": "words"}});
    let mixed = json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}, image]}});
    let content = json!([{"type": "text", "text": "see"}, image, pdf, plain, mixed]);
    let prompt = build(json!({"messages": [{"role": "user", "content": content}]})).unwrap();
    assert_eq!(
        prompt.text,
        "see\n\n[file image-1.png f00d]\n\n[file document-2.pdf f00d]\nReport\n\n[document document-3.txt f00d]\nold\n\n\
         [document document-4.txt f00d]"
    );
    let files: Vec<_> = prompt
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.media_type))
        .collect();
    assert_eq!(
        files,
        [
            ("image-1.png", "image/png"),
            ("document-2.pdf", "application/pdf"),
            ("image-3.png", "image/png")
        ]
    );
    assert_eq!(prompt.files[0].bytes, "head");
    let attachments = serde_json::to_value(&prompt.attachments).unwrap();
    assert_eq!(
        attachments[0],
        json!({"extracted_content": "words", "file_name": "document-3.txt", "file_type": "txt", "file_size": 5})
    );
    assert!(
        attachments[1]["extracted_content"]
            .as_str()
            .unwrap()
            .starts_with("inner\n\n[file image-3.png")
    );
}

#[test]
fn a_long_text_becomes_an_attachment() {
    let limit = WebLimits::default().prompt_max_bytes;
    for (bytes, is_attached) in [(limit, false), (limit + 1, true)] {
        let long = "x".repeat(bytes);
        let prompt = build(json!({"messages": [{"role": "user", "content": long}]})).unwrap();
        assert_eq!(prompt.text.is_empty(), is_attached);
        let attachments = serde_json::to_value(&prompt.attachments).unwrap();
        let expected = json!([{"extracted_content": long, "file_name": "paste.txt", "file_type": "txt", "file_size": bytes}]);
        assert_eq!(attachments, if is_attached { expected } else { json!([]) });
    }
}

#[test]
fn what_cannot_be_done_is_told() {
    let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let image = |source: Value| block(json!({"type": "image", "source": source}));
    let many = vec![
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}});
        21
    ];
    for (members, words) in [
        (json!({"messages": []}), "messages: at least one"),
        (json!({"messages": "x"}), "messages: "),
        (json!({"max_tokens": null}), "max_tokens: "),
        (json!({"max_tokens": 0}), "max_tokens: "),
        (json!({"stop_sequences": [""]}), "stop_sequences: "),
        (json!({"mcp_servers": [{}]}), "mcp_servers: not supported"),
        (
            json!({"output_config": {"format": {}}}),
            "output_config.format: not supported",
        ),
        (
            json!({"tool_choice": {"type": "any"}}),
            "tool_choice.type \"any\": not supported",
        ),
        (
            json!({"tools": [{"type": "web_search_20250305", "name": "w"}]}),
            "tools.0: type \"web_search_20250305\"",
        ),
        (json!({"thinking": {}}), "thinking.type"),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
            "last message of the assistant",
        ),
        (
            json!({"messages": [{"role": "robot", "content": "a"}]}),
            "messages.0.role",
        ),
        (
            json!({"messages": [{"role": "user", "content": 7}]}),
            "messages.0.content: must be",
        ),
        (
            json!({"messages": [{"role": "user", "content": many}]}),
            "at most 20",
        ),
        (
            image(json!({"type": "url", "url": "http://x"})),
            "messages.0.content.0.source: type \"url\"",
        ),
        (
            image(json!({"type": "file", "file_id": "f"})),
            "type \"file\"",
        ),
        (
            image(json!({"type": "base64", "media_type": "image/tiff", "data": PIXEL})),
            "image/tiff",
        ),
        (
            image(json!({"type": "base64", "media_type": "image/png", "data": "?"})),
            "not valid base64",
        ),
        (
            block(json!({"type": "search_result"})),
            "block type \"search_result\"",
        ),
        (
            block(json!({"type": "server_tool_use"})),
            "block type \"server_tool_use\"",
        ),
        (block(json!({"type": "text"})), "messages.0.content.0.text"),
        (block(json!({"text": "x"})), "messages.0.content.0.type"),
        (
            block(json!({"type": "tool_use", "id": "a]\nb", "name": "n"})),
            "messages.0.content.0.id",
        ),
    ] {
        let fault = build(members.clone()).expect_err(&members.to_string());
        assert_eq!((fault.status, fault.kind), (400, "invalid_request_error"));
        assert!(
            fault.message.contains(words),
            "{members}: {}",
            fault.message
        );
    }
}

#[test]
fn fields_without_effect_are_named() {
    let body = request(
        json!({"temperature": 1, "metadata": {}, "brand_new": [], "mcp_servers": [],
        "tool_choice": {"type": "none"}, "tools": [{"name": "x"}]}),
    );
    let ask = Ask::read(&body).unwrap();
    assert_eq!(
        ask.ignored,
        ["brand_new", "mcp_servers", "metadata", "temperature"]
    );
    assert!(ask.tools.is_empty());
    assert!(
        Ask::read(&request(json!({"thinking": {"type": "adaptive"}})))
            .unwrap()
            .thinking
    );
    assert!(
        !Ask::read(&request(json!({"thinking": {"type": "disabled"}})))
            .unwrap()
            .thinking
    );
    assert!(
        !Ask::read(&request(json!({"thinking": null})))
            .unwrap()
            .thinking
    );
}

#[test]
fn only_certain_tests_are_answered_here() {
    let message = |content: Value| json!([{"role": "user", "content": content}]);
    for (members, expected) in [
        (
            json!({"max_tokens": 1, "messages": message(json!("Hi"))}),
            true,
        ),
        (
            json!({"max_tokens": 1, "messages": message(json!([{"type": "text", "text": "quota"}]))}),
            true,
        ),
        (
            json!({"max_tokens": 1, "stream": true, "messages": message(json!(" test\n"))}),
            true,
        ),
        (
            json!({"max_tokens": 2, "messages": message(json!("Hi"))}),
            false,
        ),
        (
            json!({"max_tokens": 1, "messages": message(json!("Hi you"))}),
            false,
        ),
        (
            json!({"max_tokens": 1, "messages": message(json!([{"type": "text", "text": "hi"}, {"type": "text", "text": "hi"}]))}),
            false,
        ),
        (
            json!({"max_tokens": 1, "system": "x", "messages": message(json!("Hi"))}),
            false,
        ),
        (
            json!({"max_tokens": 1, "tools": [{"name": "t"}], "messages": message(json!("Hi"))}),
            false,
        ),
        (
            json!({"max_tokens": 1, "messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": "hi"}]}),
            false,
        ),
    ] {
        let body = request(members.clone());
        assert_eq!(is_test(&Ask::read(&body).unwrap()), expected, "{members}");
    }
}

#[test]
fn only_the_results_of_the_open_calls_go_on() {
    let calls = ["a".to_owned(), "b".to_owned()];
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": id, "cache_control": {}});
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}});
    let by_url = json!({"type": "image", "source": {"type": "url", "url": "http://x"}});
    let extra = json!({"type": "text", "text": "extra"});
    for (content, texts) in [
        (
            json!([result("b"), result("a")]),
            Some(json!([["a"], ["b"]])),
        ),
        (
            json!([result("a"), extra, result("b")]),
            Some(json!([["a"], ["b", "extra"]])),
        ),
        (json!([result("a")]), None),
        (json!([result("a"), result("b"), result("c")]), None),
        (json!([result("a"), result("a")]), None),
        (json!([result("a"), result("b"), image]), None),
        (
            json!([result("a"), {"type": "tool_result", "tool_use_id": "b", "content": [by_url]}]),
            None,
        ),
        (json!("text"), None),
    ] {
        let body = request(json!({"messages": [{"role": "user", "content": content}]}));
        let ask = Ask::read(&body).unwrap();
        let found = results_for(ask.messages.last().unwrap(), &calls);
        let found = found.map(|found| serde_json::to_value(found).unwrap());
        let told = found.as_ref().map(|found| {
            let all = found.as_array().unwrap().iter();
            let all = all.map(|result| {
                let blocks = result["content"].as_array().unwrap().iter();
                blocks
                    .map(|block| block["text"].clone())
                    .collect::<Vec<_>>()
            });
            json!(all.collect::<Vec<_>>())
        });
        assert_eq!(told, texts, "{content}");
    }
    let body = request(
        json!({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": [result("b"), result("a")]}]}),
    );
    assert_eq!(answered_tools(&body), ["b", "a"]);
    assert!(answered_tools(&request(json!({}))).is_empty());
    assert!(answered_tools(b"?").is_empty());
}
