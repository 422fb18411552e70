use proptest::prelude::*;
use serde_json::json;

use super::*;

const ANTHROPIC: &str = "sk-ant-api03-Zx81QwErTyUiOpAsDfGhJkLzXcVbNm0192837465-AA";
const TROUPE: &str = "troupe-8fKq2LmN5pRs7TuV9wXy1ZaB3cDe4FgH6iJkQ0rStUv";
const JWT: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9";

/// Texts with a secret, and the secret in them.
fn secrets() -> Vec<(String, String)> {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\nabcDEF123+/=\n-----END RSA PRIVATE KEY-----";
    let whole: Vec<String> = [
        ANTHROPIC,
        TROUPE,
        JWT,
        pem,
        "sk-proj-4f9aB7cD2eF6gH8iJ0kL",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwx",
        "glpat-x9_yZ12abCDefGH34ijk",
        "xoxb-123456789012-abcdefABCDEF",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
        "hf_AbCdEfGhIjKlMnOpQrStUvWx",
        "npm_AbCdEfGhIjKlMnOpQrStUvWx0123",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGP",
    ]
    .map(str::to_owned)
    .into();
    let mut all: Vec<_> = whole.into_iter().map(|s| (s.clone(), s)).collect();
    all.extend(
        [
            ("Authorization: Bearer ", "abcDEF0123456789-._~token"),
            ("Authorization: Basic ", "dXNlcjpwYXNzd29yZA=="),
            (
                "aws_secret_access_key = ",
                "wJalrXUtnFEMIbKbPxRfiCYEXAMPLEKEY1",
            ),
            ("DB_PASSWORD=", "correct-horse-battery-9"),
            ("api_key: '", "0123456789abcdef0123"),
            ("postgres://app:", "s3cr3t-of-db"),
        ]
        .map(|(before, secret)| {
            let after = if before.starts_with("postgres") {
                "@db/x"
            } else {
                ""
            };
            (format!("{before}{secret}{after}"), secret.to_owned())
        }),
    );
    all.extend(named());
    all
}

/// Values that are said to be secrets.
fn named() -> Vec<(String, String)> {
    let places = [
        ("get https://h/?token=", "abcDEF123456789", " now"),
        ("get https://h/a?x=1&key=", "abcDEF123456789", "&y=2"),
        (r#"{"password":""#, r#"abc\"DEF123456789"#, r#""}"#),
        (r#"{"password":""#, "abc,DEF;123(4)56789", r#""}"#),
        (r#"{"secret":[""#, "abcDEF123456789", r#""]}"#),
        (
            r#"{"secrets":["a", [""#,
            "abcDEF123456789",
            r#""]], "b": 1}"#,
        ),
        ("a=1&secret%3D", "abcDEF123456789", "&b"),
        ("%22password%22%3A", "%22abcDEF123456789", "%22"),
        ("<password>", "abcDEF123456789", "</password>"),
        (
            r#"<db:password a="b">"#,
            "abcDEF123456789",
            "</db:password>",
        ),
        ("run --password ", "abcDEF123456789", " --now"),
        (r#"["--db-token", ""#, "abcDEF123456789", r#""]"#),
        (r#"os.environ["API_KEY"] = b'"#, "abcDEF123456789", "'"),
        (
            r#"{"name":"DB_PASSWORD","value":""#,
            "abcDEF123456789",
            r#""}"#,
        ),
        (r#"password: "hint: secret=""#, "abcDEF123456789", r#"""#),
    ];
    places
        .map(|(before, secret, after)| (format!("{before}{secret}{after}"), secret.to_owned()))
        .into()
}

fn clean(raw: &[u8], events: bool) -> String {
    let cleaned = Redactor::default().clean(raw, usize::MAX, events);
    String::from_utf8_lossy(&cleaned.bytes).into_owned()
}

/// As it stands in JSON.
fn escaped(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    text[1..text.len() - 1].to_owned()
}

/// Every secret there is, as its characters stand within `levels` of JSON.
fn within(text: &str, levels: usize) -> String {
    (0..levels).fold(text.to_owned(), |text, _| escaped(&text))
}

fn unicode(text: &str) -> String {
    text.chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect()
}

/// An event stream that says `text` in pieces cut at `cuts`, as one kind of delta.
fn stream(text: &str, cuts: &[usize], kind: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (chars.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(chars.len());
    let (mut at, mut events) = (0, String::new());
    for cut in cuts {
        let piece: String = chars[at..cut].iter().collect();
        at = cut;
        let delta = json!({"type": "content_block_delta", "index": 1, "delta": {"type": format!("{kind}_delta"), kind: piece}});
        events.push_str(&format!("event: content_block_delta\ndata: {delta}\n\n"));
        let other = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "between "}});
        events.push_str(&format!("event: content_block_delta\ndata: {other}\n\n"));
    }
    events
}

/// What a reader of the events would put together of block 1.
fn said(events: &str) -> String {
    let lines = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let events = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of_block = events.filter(|event| event["index"] == 1);
    of_block
        .map(|event| {
            let delta = &event["delta"];
            let text = delta["text"].as_str().or(delta["partial_json"].as_str());
            text.unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn known_secrets_are_found_wherever_they_stand() {
    for (text, secret) in secrets() {
        for levels in 0..=LEVELS {
            let (raw, hidden) = (
                within(&format!("it is\n{text}\nso"), levels),
                within(&secret, levels),
            );
            let shown = clean(raw.as_bytes(), false);
            assert!(!shown.contains(&hidden), "{levels}: {shown}");
            assert!(
                shown.contains("[redacted ") && shown.contains("it is"),
                "{shown}"
            );
        }
        let shown = clean(format!(r#"{{"a":"{}"}}"#, unicode(&text)).as_bytes(), false);
        assert!(!shown.contains(&unicode(&secret)), "{shown}");
    }
}

#[test]
fn json_stays_json_and_the_rest_stays_as_it_was() {
    let body = json!({
        "model": "claude-opus-5", "max_tokens": 1024, "metadata": {"user_id": "u-1"},
        "tools": [{"name": "sh", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "Grüße \u{1f600} \\ \"quoted\" tasks-and-more, token counts, passwords: none"},
            {"type": "tool_use", "input": {"cmd": format!("export KEY={ANTHROPIC} && run"), "nested": json!({"k": TROUPE}).to_string()}},
        ]}],
    });
    let raw = body.to_string();
    let shown = clean(raw.as_bytes(), false);
    let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let input = &read["messages"][0]["content"][1]["input"];
    assert_eq!(input["cmd"], "export KEY=[redacted anthropic key] && run");
    assert_eq!(input["nested"], r#"{"k":"[redacted troupe key]"}"#);
    assert_eq!(
        read["messages"][0]["content"][0],
        body["messages"][0]["content"][0]
    );
    assert_eq!(
        (&read["model"], &read["tools"]),
        (&body["model"], &body["tools"])
    );
    let plain = "nothing of the kind: task-management, sk-short, 12345 https://example.org/a?b=c";
    assert_eq!(clean(plain.as_bytes(), true), plain);
}

#[test]
fn what_is_said_to_be_a_secret_is_replaced_and_nothing_beside_it() {
    for (text, secret) in named() {
        let shown = clean(text.as_bytes(), false);
        let (before, after) = text.split_once(&secret).unwrap();
        assert!(
            shown.starts_with(before) && !shown.contains("DEF"),
            "{shown}"
        );
        assert!(!after.starts_with('"') || shown.ends_with(after), "{shown}");
    }
    let others = [
        r#"{"max_tokens":1024,"tokens":[1,2],"password":{"type":"string","minLength":12}}"#,
        r#"{"text":"the secret: ","model":"claude-opus-5-20260101"}"#,
        r#"{"token":"","id":"msg_0123456789abcdef"}"#,
        "use <token> as in chapter-12-of-the-book; --password --host=db1.example.org",
        "https://example.org/a?page=2&monkey=abcDEF123456789",
    ];
    for text in others {
        assert_eq!(clean(text.as_bytes(), false), text);
    }
}

#[test]
fn heads_without_end_are_read_once() {
    for head in [
        "secret=",
        "secret:[",
        "--token ",
        "?key=",
        "<secret>",
        "secret:'",
        "secret=[[",
    ] {
        let raw = head.repeat((1 << 20) / head.len());
        // A second reading of each would take hours.
        assert!(!clean(raw.as_bytes(), true).is_empty(), "{head}");
    }
}

#[test]
fn blobs_are_told_by_length_and_hash() {
    let small = json!({"source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8gd29ybGQ="}});
    let told =
        "[base64 11 bytes sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9]";
    for raw in [
        small.to_string(),
        r#"{"source":{"type":"base64","media_type":"image/png","data":"aGVsbG8gd29ybGQ"#.into(),
        r#"{"source":{"data":"aGVsbG8gd29ybGQ=","media_type":"image/png","type":"base64"}}"#.into(),
    ] {
        let shown = clean(raw.as_bytes(), false);
        assert!(
            shown.contains(told) && !shown.contains("aGVsbG8"),
            "{shown}"
        );
    }
    let run = "QUJD".repeat(400);
    let lines = run
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line));
    let lines = lines.collect::<Vec<_>>().join("\n");
    for text in [run.clone(), lines] {
        for levels in 0..3 {
            let raw = within(&format!("a {text} z"), levels);
            let shown = clean(raw.as_bytes(), false);
            assert!(shown.starts_with("a [base64 1200 bytes sha256:"), "{shown}");
            assert!(shown.ends_with(" z") && !shown.contains("QUJD"), "{shown}");
        }
    }
    let events = stream(&run, &[10, 700, 900], "partial_json");
    let shown = clean(events.as_bytes(), true);
    assert!(said(&shown).starts_with("[base64 1200 bytes") && !shown.contains("QUJD"));
    let binary = clean(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", false);
    assert!(binary.starts_with("[binary 16 bytes sha256:"), "{binary}");
}

#[test]
fn the_operators_patterns_are_compiled_once_and_bounded() {
    let patterns = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let redactor = Redactor::new(&patterns(&["(?i)project [a-z]+", r"\b\d{3}-\d{4}\b"])).unwrap();
    let cleaned = redactor.clean(
        b"Project Falcon: call 555-1234 \\n555-9876",
        usize::MAX,
        false,
    );
    let shown = "[redacted pattern]: call [redacted pattern] \\n[redacted pattern]";
    assert_eq!(String::from_utf8_lossy(&cleaned.bytes), shown);
    assert_eq!(cleaned.redacted, 3);
    let why = |pattern: &str| Redactor::new(&patterns(&["ok", pattern])).unwrap_err();
    assert_eq!(why("(").0, 1);
    assert!(why("a*").1.contains("empty text"));
    assert!(why(r"(\w{500}){500}").1.contains("too large"));
    assert!(
        why(&"x".repeat(MAX_PATTERN_CHARS + 1))
            .1
            .contains("at most")
    );
}

#[test]
fn what_is_kept_ends_clean_wherever_it_is_cut() {
    for (text, secret) in secrets() {
        let raw = format!("{}{text} and on", "x ".repeat(50));
        let start = raw.find(&secret).unwrap();
        for keep in start.saturating_sub(2)..start + secret.len() + 2 {
            let cleaned = Redactor::default().clean(raw.as_bytes(), keep, false);
            let shown = String::from_utf8_lossy(&cleaned.bytes);
            assert!(cleaned.cut);
            let begun = &secret[..7];
            if keep > start {
                assert!(!shown[start - 1..].contains(begun), "{keep}: {shown}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_secret_survives_in_events(which: prop::sample::Index, cuts in prop::collection::vec(any::<usize>(), 0..12), tool: bool) {
        let all = secrets();
        let (text, secret) = which.get(&all);
        let text = format!("here {text} there");
        let (kind, text, hidden) = match tool {
            true => ("partial_json", format!("{{\"a\":\"{}\"}}", escaped(&text)), escaped(secret)),
            false => ("text", text, secret.clone()),
        };
        let events = stream(&text, &cuts, kind);
        let shown = clean(events.as_bytes(), true);
        let heard = said(&shown);
        prop_assert!(!heard.contains(&hidden), "{}", heard);
        // An escape that is cut between events may take the rest of its event's line with it.
        prop_assert!(shown.contains("[redacted "), "{}", shown);
        // Nor most of it.
        for piece in hidden.as_bytes().windows(12).map(String::from_utf8_lossy) {
            prop_assert!(!heard.contains(&*piece) && !shown.contains(&*piece), "{} in {}", piece, shown);
        }
    }

    #[test]
    fn any_bytes_are_cleaned_without_a_panic(mut raw: Vec<u8>, secret: prop::sample::Index, at: prop::sample::Index, keep in 0usize..400, events: bool) {
        let all = secrets();
        let (text, _) = secret.get(&all);
        let place = at.index(raw.len() + 1);
        raw.splice(place..place, text.bytes());
        let cleaned = Redactor::default().clean(&raw, keep, events);
        let shown = String::from_utf8_lossy(&cleaned.bytes).into_owned();
        prop_assert!(!shown.contains(text.as_str()));
    }

    #[test]
    fn broken_json_and_escapes_never_panic(raw in r#"(data: \{"index":1,"delta":\{"text":"|\\|\\u|\\u00|"|\}|\n|sk-ant-|é|eyJ|[a-z]{0,5}){0,40}"#) {
        let _ = clean(raw.as_bytes(), true);
        let _ = Redactor::default().clean(raw.as_bytes(), raw.len() / 2, true);
    }
}
