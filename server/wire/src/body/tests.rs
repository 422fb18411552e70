use super::*;
use crate::resources::ResourceKind;

fn read(text: &str) -> Result<RequestPeek, PeekError> {
    RequestPeek::read(&Bytes::from(text.to_owned()))
}

#[test]
fn reads_the_fields_and_their_spans() {
    let text = r#"{ "stream" : true, "model": "claude-\u0061", "max_tokens":1024,
        "metadata":{"user_id":"user_1","x":1}, "messages":[] }"#;
    let peek = read(text).unwrap();
    assert_eq!(peek.model, "claude-a");
    assert_eq!(&text[peek.model_spans[0].clone()], r#""claude-\u0061""#);
    assert!(peek.stream);
    assert_eq!(peek.max_tokens, Some(1024));
    assert_eq!(peek.user_id.as_deref(), Some("user_1"));
    assert_eq!(peek.cache, None);
    assert!(peek.resources.is_empty());
}

#[test]
fn accepts_what_a_tree_would_not() {
    let deep = format!(
        "{{\"model\":\"m\",\"x\":{}{}}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    for text in [
        r#"{"model":"m","x":"\ud800"}"#,
        r#"{"model":"m","\ud800":1,"\udfff":{"\ud800":"\ud800"}}"#,
        r#"{"model":"m","x":123456789012345678901234567890123456789e999}"#,
        r#"{"model":"m","x":1,"x":2,"messages":[1],"messages":[2]}"#,
        r#"{"model":"m","metadata":{"user_id":"\ud800"}}"#,
        r#"{"model":"m","metadata":null,"stream":null,"max_tokens":null}"#,
        r#"{"mod\u0065l":"m","model":"m","stream":true,"stream":true}"#,
        " \n{\"model\":\"m\"}\r\n\t ",
        &deep,
    ] {
        let peek = read(text).unwrap_or_else(|error| panic!("{error}: {text:.80}"));
        assert_eq!(peek.model, "m");
        assert_eq!(peek.user_id, None);
    }
}

#[test]
fn refuses_with_field_and_position() {
    for (text, message) in [
        (
            "",
            "invalid JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "[]",
            "invalid JSON: invalid type: sequence, expected a JSON object at line 1 column 0",
        ),
        (
            "{\"model\":\"m\"",
            "invalid JSON: EOF while parsing an object at line 1 column 12",
        ),
        (
            "{\"model\":\"m\"} x",
            "invalid JSON: trailing characters at line 1 column 15",
        ),
        ("{}", "model: field required"),
        (
            "{\n \"model\": 7}",
            "model: must be a string at line 2 column 11",
        ),
        (
            "{\"model\":\"\\ud800\"}",
            "model: must be a string at line 1 column 10",
        ),
        (
            "{\"model\":null}",
            "model: must be a string at line 1 column 10",
        ),
        (
            "{\"model\":\"a\",\"model\":\"b\"}",
            "model: given twice with different values at line 1 column 22",
        ),
        (
            "{\"model\":\"a\",\"stream\":\"yes\"}",
            "stream: must be a boolean at line 1 column 23",
        ),
        (
            "{\"model\":\"a\",\"max_tokens\":-1}",
            "max_tokens: must be a non-negative integer at line 1 column 27",
        ),
        (
            "{\"model\":\"a\",\"max_tokens\":1.5}",
            "max_tokens: must be a non-negative integer at line 1 column 27",
        ),
        (
            "{\"model\":\"a\",\"stream\":true,\"str\\u0065am\":false}",
            "stream: given twice with different values at line 1 column 42",
        ),
        (
            "{\"model\":\"a\",\"metadata\":[]}",
            "metadata: must be an object at line 1 column 25",
        ),
        (
            "{\"model\":\"a\",\"metadata\":{\"user_id\":5}}",
            "metadata: user_id must be a string at line 1 column 25",
        ),
        (
            "{\"model\":\"a\",\"metadata\":{\"user_id\":\"x\",\"user_id\":\"y\"}}",
            "metadata: user_id is given twice with different values at line 1 column 25",
        ),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
    }
    let error = RequestPeek::read(&Bytes::from_static(b"{\"model\":\n\"\xff\"}")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body is not valid UTF-8 at line 2 column 2"
    );
}

#[test]
fn finds_resources_under_any_spelling_of_the_key() {
    let ids = |text: &str| {
        let found = read(text).unwrap().resources;
        found
            .into_iter()
            .map(|found| (found.kind, found.id))
            .collect::<Vec<_>>()
    };
    let file = |id: &str| (ResourceKind::File, id.to_owned());
    let container = |id: &str| (ResourceKind::Container, id.to_owned());
    assert_eq!(
        ids(
            r#"{"model":"m","a":[{"file_id" : "file_2"},{"source":{"file_id":"file_1"}}],
            "b":{"file_id":"file_1"},"batch_id":"msgbatch_1",
            "container":{"skills":[{"skill_id":"skill_1"}],"id":"container_1"}}"#
        ),
        [
            file("file_1"),
            file("file_2"),
            container("container_1"),
            (ResourceKind::Batch, "msgbatch_1".into()),
            (ResourceKind::Skill, "skill_1".into()),
        ]
    );
    assert_eq!(
        ids(r#"{"model":"m","a":{"file\u005fid":"file_\u0031"}}"#),
        [file("file_1")]
    );
    assert_eq!(
        ids(r#"{"model":"m","c\u006fntainer":{"i\u0064":"c1"},"container":"c2"}"#),
        [container("c1"), container("c2")]
    );
    for text in [
        r#"{"model":"m","text":"say \"file_id\": \"file_1\" now","required":["file_id"]}"#,
        r#"{"model":"m","properties":{"file_id":{"type":"string"}},"container":null}"#,
        r#"{"model":"m","text":"\u0061 \"file_id\":\"file_1\""}"#,
    ] {
        assert!(ids(text).is_empty(), "{text}");
    }
}

#[test]
fn a_nest_of_containers_costs_no_square() {
    let depth = 200_000;
    let nest = "{\"container\":".repeat(depth);
    let text = format!(
        "{{\"model\":\"m\",\"container\":{nest}1{}}}",
        "}".repeat(depth)
    );
    assert!(read(&text).unwrap().resources.is_empty());
}

fn marks(system: &str, messages: &str) -> CacheMarks {
    let text = format!(r#"{{"model":"m","messages":[{messages}],"system":[{system}]}}"#);
    read(&text).unwrap().cache.unwrap()
}

const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;

#[test]
fn cache_hashes_follow_the_prefix_and_the_conversation() {
    let block = |text: &str, mark: bool| {
        if mark {
            format!(r#"{{"type":"text",{MARK},"text":"{text}"}}"#)
        } else {
            format!(r#"{{"type":"text","text":"{text}"}}"#)
        }
    };
    let one = marks(&block("sys", true), &block("first", true));
    let two = marks(
        &block("sys", true),
        &[
            block("first", false),
            block("second", true),
            block("third", false),
        ]
        .join(","),
    );
    assert_eq!((one.count, two.count), (2, 2));
    assert_eq!(one.conversation_hash, two.conversation_hash);
    assert_ne!(one.prefix_hash, two.prefix_hash);

    // What follows the last mark does not count, the text of the marked block does.
    let more = [
        block("first", false),
        block("second", true),
        block("other", false),
    ]
    .join(",");
    assert_eq!(
        marks(&block("sys", true), &more).prefix_hash,
        two.prefix_hash
    );
    let other = [block("first", false), block("Second", true)].join(",");
    assert_ne!(
        marks(&block("sys", true), &other).prefix_hash,
        two.prefix_hash
    );

    // Marks in the system prompt alone: the prefix ends there, the conversation does not.
    let left = marks(&block("sys", true), &block("a", false));
    let right = marks(&block("sys", true), &block("b", false));
    assert_eq!(left.prefix_hash, right.prefix_hash);
    assert_ne!(left.conversation_hash, right.conversation_hash);

    assert_eq!(
        read(r#"{"model":"m","text":"\"cache_control\": x"}"#)
            .unwrap()
            .cache,
        None
    );
    let automatic = read(&format!(r#"{{"model":"m",{MARK}}}"#))
        .unwrap()
        .cache
        .unwrap();
    assert_eq!(automatic.count, 1);
}
