//! Web sessions: one message, by the scripted web surface, as a client of the Messages API gets it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    gateway::{Pool, Said, WEB, ask, ask_tools, request, scripted, secret, web},
    process,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// One account with these words in its session key.
fn pool(words: &str) -> Pool {
    Pool::serving(&["accounts:\n", &web("one", words, ""), WEB].concat())
}

fn thinking(mut asked: Value) -> Value {
    asked["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    asked
}

/// The same message as a stream and as JSON, with what the surface does not tell filled in.
#[tokio::test]
async fn a_message_is_a_message() {
    let pool = pool("plain");
    let mut texts = Vec::new();
    for stream in [true, false] {
        let answer = pool.ask("any", ask("web_text", stream).to_string()).await;
        assert!(answer.header("request-id").is_some());
        assert!(answer.header("server-timing").is_some());
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(answer.header("x-troupe-ignored"), None);
        let said = Said::of(&answer);
        assert_eq!(said.types(), ["text"]);
        assert_eq!(
            (&*said.stop_reason, &said.stop_sequence),
            ("end_turn", &Value::Null)
        );
        assert_eq!(said.start["model"], "claude-sonnet-5");
        assert_eq!(
            (&said.start["type"], &said.start["role"]),
            (&json!("message"), &json!("assistant"))
        );
        assert!(said.start["id"].as_str().is_some_and(|id| !id.is_empty()));
        for tokens in ["input_tokens", "output_tokens"] {
            assert!(
                said.usage[tokens].as_u64().is_some_and(|tokens| tokens > 0),
                "{said:?}"
            );
        }
        if stream {
            assert_eq!(
                answer.header("content-type"),
                Some("text/event-stream; charset=utf-8")
            );
            assert!(!answer.text().contains('\r') && !answer.text().contains("parent_uuid"));
        } else {
            assert_eq!(
                answer.header("content-length"),
                Some(&*answer.body.len().to_string())
            );
        }
        texts.push((said.text(), said.usage));
        pool.until_clean().await;
    }
    assert_eq!(texts[0], texts[1]);
    // The organisation is asked for once.
    let asked = pool.web_calls();
    let times = |call: &str| asked.iter().filter(|found| *found == call).count();
    assert_eq!(times("GET organizations"), 1, "{asked:?}");
    assert_eq!(
        (times("POST completion"), times("DELETE conversation")),
        (2, 2),
        "{asked:?}"
    );
}

/// Nothing of the gateway's or its client's is sent along, and nothing that says that it is somebody else.
#[tokio::test]
async fn the_surface_sees_an_honest_gateway() {
    let pool = pool("plain");
    let headers = [
        ("user-agent", "a client/1.0"),
        ("cookie", "theirs=1"),
        ("origin", "https://pages.example"),
        ("anthropic-beta", "a-beta"),
        ("x-claude-code-session-id", "s-1"),
    ];
    let body = ask("web_text", true).to_string();
    assert_eq!(pool.ask_with("any", &headers, body).await.status, 200);
    pool.until_clean().await;
    let entries = pool.mock.journal().entries();
    assert!(!entries.is_empty());
    for entry in entries {
        let agent = entry.header("user-agent").unwrap_or_default();
        assert!(agent.starts_with("troupe/"), "{agent}");
        for name in [
            "origin",
            "referer",
            "x-api-key",
            "anthropic-beta",
            "sec-ch-ua",
            "x-claude-code-session-id",
        ] {
            assert_eq!(entry.header(name), None, "{name}");
        }
        assert_eq!(
            entry.header("cookie"),
            Some("sessionKey=sk-plain-of-one-0123456789")
        );
        assert!(
            !entry
                .headers
                .iter()
                .any(|(_, value)| value.windows(9).any(|w| w == b"secret-of"))
        );
    }
}

/// Thinking is switched on for who asks for it, where the plan has it.
#[tokio::test]
async fn thinking_as_asked_for() {
    let table = [
        ("plain", true, vec!["thinking", "text"]),
        ("plain", false, vec!["text"]),
        ("free", true, vec!["text"]),
        // Conversations that come with it are switched back.
        ("extended", false, vec!["text"]),
        ("extended", true, vec!["thinking", "text"]),
    ];
    for (words, wanted, types) in table {
        let pool = pool(words);
        for stream in [true, false] {
            let asked = ask("web_thinking", stream);
            let asked = if wanted { thinking(asked) } else { asked };
            let said = pool.said("any", &asked).await;
            assert_eq!(said.types(), types, "{words} {wanted} {stream}");
            if types.len() > 1 {
                assert_eq!(
                    said.content[0]["thinking"],
                    "The script says what to answer."
                );
                assert_eq!(said.content[0]["signature"], "c2NyaXB0ZWQtc2lnbmF0dXJl");
            }
        }
        pool.until_clean().await;
    }
}

/// Images go up as files, a long prompt as a text of its own.
#[tokio::test]
async fn images_and_long_prompts_are_attached() {
    let pool = pool("plain");
    let mut asked = ask("web_text", false);
    let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    asked["messages"][0]["content"] = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": pixel}},
        {"type": "text", "text": "What is it? [[mock:web_text]]"},
    ]);
    let said = pool.said("any", &asked).await;
    assert!(said.text().contains("Files: 1."), "{}", said.text());
    let state = pool.until_clean().await;
    let file = &state.files[0];
    assert_eq!((&*file.content_type, file.size_bytes), ("image/png", 70));
    assert_eq!(state.conversations[0].files, std::slice::from_ref(&file.id));

    let mut asked = ask("web_text", true);
    let long = format!(
        "A long story. {}[[mock:web_text]]",
        "and so on ".repeat(2_000)
    );
    asked["messages"][0]["content"] = json!(long);
    let said = pool.said("any", &asked).await;
    assert!(
        said.text()
            .contains("paste.txt says: \u{201c}A long story."),
        "{}",
        said.text()
    );
    let completion = pool.completions().pop().unwrap();
    assert_eq!(completion["prompt"], "");
    assert_eq!(completion["attachments"][0]["extracted_content"], long);
    pool.until_clean().await;

    // What it has no means for is said before anything is asked.
    let before = pool.web_calls().len();
    for block in [
        json!({"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:1/x.png"}}),
        json!({"type": "container_upload", "file_id": "file_1"}),
    ] {
        asked["messages"][0]["content"] = json!([block]);
        let answer = pool.ask("any", asked.to_string()).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (400, "invalid_request_error")
        );
        assert!(
            answer.text().contains("web session account"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(pool.web_calls().len(), before);
}

/// A stop sequence is found though it lies over several events, and ends the upstream's stream.
#[tokio::test]
async fn stop_sequences_lie_over_events() {
    let pool = pool("plain");
    for stream in [true, false] {
        let mut asked = ask("web_stop_bait", stream);
        asked["stop_sequences"] = json!(["NEVER", "HALT"]);
        let said = pool.said("any", &asked).await;
        assert_eq!(said.text(), "Words, HAL and more before the ");
        assert_eq!(
            (&*said.stop_reason, &said.stop_sequence),
            ("stop_sequence", &json!("HALT"))
        );
        asked["stop_sequences"] = json!(["NEVER"]);
        let said = pool.said("any", &asked).await;
        assert!(
            said.text().ends_with("before the HALT and words after it."),
            "{}",
            said.text()
        );
        assert_eq!(
            (&*said.stop_reason, &said.stop_sequence),
            ("end_turn", &Value::Null)
        );
        pool.until_clean().await;
    }
    // A stream that would never end does.
    pool.script([scripted("web_endless", |_| {})]);
    let mut asked = ask("web_endless", true);
    asked["stop_sequences"] = json!(["chunk", "e"]);
    let said = pool.said("any", &asked).await;
    assert_eq!(said.stop_reason, "stop_sequence");
    pool.until_clean().await;
}

/// However the surface cuts its stream, and whatever else it sends.
#[tokio::test]
async fn odd_streams_are_whole_messages() {
    let pool = pool("plain");
    for stream in [true, false] {
        let long = pool.said("any", &ask("web_long", stream)).await;
        assert_eq!(long.text(), "schöne Wörter 😀 ".repeat(400));
        let unknown = pool.said("any", &ask("web_unknown", stream)).await;
        assert_eq!(unknown.types(), ["text", "future_block"]);
    }
    pool.until_clean().await;
}

/// Fields without effect are named; a connection test costs no conversation.
#[tokio::test]
async fn what_is_not_done_is_said() {
    let pool = pool("plain");
    let mut asked = ask("web_text", true);
    asked["temperature"] = json!(0.5);
    asked["metadata"] = json!({"user_id": "u"});
    let answer = pool.ask("any", asked.to_string()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("x-troupe-ignored"),
        Some("metadata, temperature")
    );
    assert_eq!(answer.header("x-troupe-answered-locally"), None);
    pool.until_clean().await;

    // Names that no header can carry, or should.
    let mut asked = ask("web_text", false);
    for name in [&*"long".repeat(20_000), "two\r\nlines", "größe", "", "a, b"] {
        asked[name] = json!(1);
    }
    let answer = pool.ask("any", asked.to_string()).await;
    assert_eq!(answer.status, 200);
    let names = ["(another)"; 5].join(", ");
    assert_eq!(answer.header("x-troupe-ignored"), Some(&*names));
    pool.until_clean().await;

    let before = pool.web_calls().len();
    for stream in [true, false] {
        let probe = json!({"model": "claude-sonnet-5", "max_tokens": 1, "stream": stream,
            "messages": [{"role": "user", "content": "ping"}]});
        let answer = pool.ask("any", probe.to_string()).await;
        assert_eq!(answer.header("x-troupe-answered-locally"), Some("true"));
        let said = Said::of(&answer);
        assert_eq!((&*said.text(), &*said.stop_reason), ("OK", "end_turn"));
    }
    assert_eq!(pool.web_calls().len(), before);

    let mut forced = ask_tools("web_one_tool", true);
    forced["tool_choice"] = json!({"type": "any"});
    let answer = pool.ask("any", forced.to_string()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(pool.web_calls().len(), before);
}

/// What was used is estimated, counted and priced.
#[tokio::test]
async fn usage_is_counted() {
    let pool = pool("plain");
    let said = pool.said("any", &ask("web_text", true)).await;
    let output = said.usage["output_tokens"].as_u64().unwrap();
    let account = pool.until("one", "served", |account| {
        account["stats"]["succeeded"] == 1
    });
    let used = &account["stats"]["models"]["claude-sonnet-5"];
    assert_eq!(
        (&used["requests"], &used["tokens"]["output"]),
        (&json!(1), &json!(output))
    );
    assert_eq!(used["tokens"]["input"], said.usage["input_tokens"]);
    assert!(
        used["cost_micro_usd"].as_u64().is_some_and(|cost| cost > 0),
        "{account:#}"
    );
    let mut row = Value::Null;
    let written = process::until(PATIENCE, || {
        let rows = pool.operate("request.tail", json!({})).expect("rows");
        let rows = rows["requests"].as_array().expect("rows").clone();
        row = rows
            .into_iter()
            .find(|row| row["route"] == "messages")
            .unwrap_or_default();
        !row.is_null()
    });
    assert!(written, "no row");
    assert_eq!(
        (&row["estimated"], &row["usage"]["output"]),
        (&json!(true), &json!(output)),
        "{row:#}"
    );
    assert_eq!(row["cost_micro_usd"], used["cost_micro_usd"], "{row:#}");
    assert_eq!(
        (&row["auth"], &row["account_name"]),
        (&json!("web"), &json!("one")),
        "{row:#}"
    );
    let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
    let counted =
        format!("troupe_tokens_total{{type=\"output\",model=\"claude-sonnet-5\"}} {output}\n");
    assert!(metrics.contains(&counted), "{metrics}");
}

/// While the surface is silent the client hears pings, not before its first event.
#[tokio::test]
async fn silence_is_kept_alive() {
    let config = [
        "accounts:\n",
        &web("one", "plain", ""),
        WEB,
        "streaming: { keepalive: 200ms }\n",
    ];
    let pool = Pool::serving(&config.concat());
    pool.script([scripted("web_stall", |_| {})]);
    let secret = secret("any");
    let mut client = crate::gateway::Client::connect(pool.address).await;
    let body = ask("web_stall", true).to_string();
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    client
        .send(&request("POST", "/v1/messages", &headers, body.as_bytes()))
        .await;
    let mut answer = client.head().await;
    assert_eq!(answer.status, 200);
    for _ in 0..3 {
        answer.body.clear();
        assert!(client.until(&mut answer, "event: ping\n").await);
    }
    drop(client);
    pool.until_clean().await;
}

/// A surface that falls silent, breaks off or never begins: no such answer looks finished.
#[tokio::test]
async fn a_broken_answer_is_told() {
    let config = [
        "accounts:\n",
        &web("one", "plain", ""),
        WEB,
        "streaming: { idle_timeout: 400ms, first_event_timeout: 400ms, response_timeout: 600ms }\n",
        "routing: { max_attempts: 1 }\n",
    ];
    let pool = Pool::serving(&config.concat());
    let cases = [
        ("web_cut", true, 200),
        ("web_early_end", true, 200),
        ("web_mid_error", true, 200),
        ("web_stall", true, 200),
        ("web_cut", false, 502),
        ("web_mid_error", false, 529),
        ("web_stall", false, 504),
        ("web_slow", true, 504),
        ("web_slow", false, 504),
        ("web_overloaded", true, 529),
        ("stall_before_head", true, 504),
    ];
    for (scenario, stream, status) in cases {
        pool.script([scripted(scenario, |_| {})]);
        let mut answer = pool.ask("any", ask(scenario, stream).to_string()).await;
        // It is avoided for a moment after a fault, but nobody else is there.
        assert_eq!(
            answer.status,
            status,
            "{scenario} {stream}: {}",
            answer.text()
        );
        if status == 200 {
            let events = answer.events();
            assert_eq!(
                events.last().unwrap(),
                "error",
                "{scenario}: {}",
                answer.text()
            );
            assert!(
                !events.iter().any(|name| name == "message_stop"),
                "{scenario}"
            );
        } else {
            assert!(
                !answer.error_type().is_empty(),
                "{scenario}: {}",
                answer.text()
            );
        }
        answer.body.clear();
        pool.until_clean().await;
    }
    let healthy = || process::until(PATIENCE, || pool.account("one")["state"] == "active");
    assert!(healthy());
    assert_eq!(
        pool.said("any", &ask("web_text", true)).await.types(),
        ["text"]
    );
}
