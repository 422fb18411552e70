//! Ordinary answers over real sockets: the calls that are made, and what the client gets.

use serde_json::{Value, json};
use troupe_mock::{Scenario, StreamState};

use super::stage::{Message, Stage, body};
use crate::web::WebBody;

#[tokio::test]
async fn a_text_takes_four_calls_and_leaves_nothing() {
    for stream in [true, false] {
        let mut stage = Stage::with("sk-plain").await;
        let answer = stage.open(&body("web_text", stream)).await.unwrap();
        assert!(!answer.answered_locally);
        let organization = answer.organization.clone().unwrap();
        assert!(organization.paid);
        let message = Message::read(answer).await;
        assert_eq!(message.start["model"], "claude-x");
        assert_eq!(message.types(), ["text"]);
        assert!(
            message.text().contains("You said: \u{201c}hello [[mock"),
            "{}",
            message.text()
        );
        assert_eq!(message.stop_reason(), "end_turn");
        let output = message.usage["output_tokens"].as_u64().unwrap();
        assert_eq!(output, (message.text().chars().count() as u64).div_ceil(4));
        assert_eq!(message.usage["input_tokens"], 10);
        stage.all_is_clean().await;
        let calls = [
            "GET organizations",
            "POST chat_conversations",
            "POST completion",
            "DELETE conversation",
        ];
        assert_eq!(stage.calls(), calls);
        let last = stage
            .mock
            .web()
            .snapshot()
            .conversations
            .last()
            .cloned()
            .unwrap();
        assert_eq!((last.stream, last.extended), (StreamState::Ended, false));

        // Told what was learnt, the account is not asked again.
        stage.account.organization = Some(organization);
        let again = stage.open(&body("web_text", stream)).await.unwrap();
        assert_eq!(again.organization, None);
        Message::read(again).await;
        stage.all_is_clean().await;
        assert_eq!(stage.calls()[4..], calls[1..]);
    }
}

#[tokio::test]
async fn our_headers_are_our_own() {
    let mut stage = Stage::with("a=b; sessionKey=sk-plain").await;
    stage
        .account
        .headers
        .insert("x-extra".to_owned(), "1".to_owned());
    stage.ask(&body("web_text", true)).await;
    stage.all_is_clean().await;
    for entry in stage.mock.journal().entries() {
        assert_eq!(entry.header("user-agent"), Some(crate::USER_AGENT));
        assert_eq!(entry.header("cookie"), Some("a=b; sessionKey=sk-plain"));
        assert_eq!(entry.header("x-extra"), Some("1"));
        let is_completion = entry.path().ends_with("/completion");
        let accept = if is_completion {
            "text/event-stream"
        } else {
            "application/json"
        };
        assert_eq!(entry.headers_named("accept").collect::<Vec<_>>(), [accept]);
        for absent in ["origin", "referer", "sec-ch-ua", "sec-fetch-site"] {
            assert_eq!(entry.header(absent), None);
        }
    }
}

#[tokio::test]
async fn thinking_is_switched_on_where_the_plan_has_it() {
    let mut asked = body("web_thinking", true);
    asked["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    for (key, types, puts) in [
        ("sk-max", &["thinking", "text"][..], 1),
        ("sk-free", &["text"][..], 0),
        ("sk-max-extended", &["thinking", "text"][..], 0),
    ] {
        let stage = Stage::with(key).await;
        let message = stage.ask(&asked).await;
        assert_eq!(message.types(), types, "{key}");
        if types.len() == 2 {
            assert_eq!(
                message.content[0]["thinking"],
                "The script says what to answer."
            );
            assert_eq!(message.content[0]["signature"], "c2NyaXB0ZWQtc2lnbmF0dXJl");
        }
        let put = stage
            .calls()
            .iter()
            .filter(|call| call.starts_with("PUT"))
            .count();
        assert_eq!(put, puts, "{key}");
        stage.all_is_clean().await;
    }
    // On by default and not asked for: switched off.
    let stage = Stage::with("sk-extended").await;
    assert_eq!(
        stage.ask(&body("web_thinking", true)).await.types(),
        ["text"]
    );
    assert!(stage.calls().contains(&"PUT conversation".to_owned()));
}

#[tokio::test]
async fn files_are_uploaded_and_long_prompts_attached() {
    let stage = Stage::with("sk-plain").await;
    let image = |data: &str| json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    let long = "word ".repeat(4_000);
    let content = json!([image("AAAA"), {"type": "text", "text": long}, image("BBBB")]);
    let tools = json!([{"name": "get", "input_schema": {"type": "object", "x": 1.50}, "cache_control": {"type": "ephemeral"}}]);
    let message = stage
        .ask(
            &json!({"model": "mock:web_text", "max_tokens": 9, "tools": tools,
            "messages": [{"role": "user", "content": content}]}),
        )
        .await;
    assert!(message.text().contains("Files: 2."), "{}", message.text());
    let state = stage.mock.web().snapshot();
    let names = state.conversations[0].files.iter().map(|id| {
        let file = state.files.iter().find(|file| file.id == *id).unwrap();
        (
            file.name.as_str(),
            file.content_type.as_str(),
            file.size_bytes,
        )
    });
    let names: Vec<_> = names.collect();
    assert_eq!(
        names,
        [
            ("image-1.png", "image/png", 3),
            ("image-2.png", "image/png", 3)
        ]
    );
    let completion = stage.completion();
    assert_eq!(completion["prompt"], "");
    assert_eq!(completion["max_tokens_to_sample"], 9);
    assert_eq!(completion["model"], "mock:web_text");
    assert_eq!(completion["attachments"][0]["file_name"], "paste.txt");
    assert_eq!(
        completion["tools"],
        json!([{"name": "get", "input_schema": {"type": "object", "x": 1.5}}])
    );
    stage.all_is_clean().await;
}

#[tokio::test]
async fn awkward_streams_come_out_whole() {
    let stage = Stage::with("sk-plain").await;
    let streamed = stage.ask(&body("web_long", true)).await;
    let collected = stage.ask(&body("web_long", false)).await;
    assert_eq!(streamed.text(), "schöne Wörter 😀 ".repeat(400));
    assert_eq!(streamed.content, collected.content);
    let unknown = stage.ask(&body("web_unknown", true)).await;
    assert_eq!(unknown.types(), ["text", "future_block"]);
    assert_eq!(unknown.names.last().unwrap(), "message_stop");
    stage.all_is_clean().await;
}

#[tokio::test]
async fn a_stop_sequence_ends_the_upstream_too() {
    for stream in [true, false] {
        let stage = Stage::with("sk-plain").await;
        let mut asked = body("web_stop_bait", stream);
        asked["stop_sequences"] = json!(["never", "HALT"]);
        let message = stage.ask(&asked).await;
        assert_eq!(message.text(), "Words, HAL and more before the ");
        assert_eq!(
            message.delta,
            json!({"stop_reason": "stop_sequence", "stop_sequence": "HALT"})
        );
        stage.all_is_clean().await;

        // An answer without end: only closing the stream ends it.
        stage.mock.script([Scenario {
            endless: true,
            text: Some("xx HALT".to_owned()),
            web: Some(troupe_mock::WebScenario::default()),
            ..Scenario::default()
        }]);
        assert_eq!(stage.ask(&asked).await.text(), "xx ");
        stage.all_is_clean().await;
        let last = stage
            .mock
            .web()
            .snapshot()
            .conversations
            .last()
            .cloned()
            .unwrap();
        assert_eq!(last.stream, StreamState::Abandoned);
    }
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_stream_and_the_conversation() {
    let stage = Stage::with("sk-plain").await;
    let answer = stage.open(&body("web_endless", true)).await.unwrap();
    assert_eq!(stage.mock.web().snapshot().running, 1);
    drop(answer);
    stage.all_is_clean().await;
    // Also before the first event has come.
    let (asked, web) = (body("web_slow", true), stage.mock.web());
    let slow = stage.open(&asked);
    tokio::select! {
        _ = slow => panic!("it is slow"),
        begun = web.wait_for(|state| state.running == 1) => { begun.unwrap(); }
    }
    stage.all_is_clean().await;
}

#[tokio::test]
async fn chats_are_preserved_when_that_is_wanted() {
    let mut stage = Stage::with("sk-plain").await;
    stage.preserve_chats = true;
    stage.ask(&body("web_text", true)).await;
    stage.ask(&body("web_text", false)).await;
    let state = stage
        .mock
        .web()
        .wait_for(|state| state.running == 0)
        .await
        .unwrap();
    assert_eq!(state.alive, 2);
    assert_ne!(state.conversations[0].id, state.conversations[1].id);
    assert!(!stage.calls().iter().any(|call| call.starts_with("DELETE")));
}

#[tokio::test]
async fn a_connection_test_asks_nobody() {
    let stage = Stage::with("sk-dead").await;
    for stream in [true, false] {
        let asked = json!({"model": "claude-x", "max_tokens": 1, "stream": stream,
            "messages": [{"role": "user", "content": "quota"}]});
        let answer = stage.open(&asked).await.unwrap();
        assert!(answer.answered_locally);
        assert!(matches!(
            (&answer.body, stream),
            (WebBody::Stream(_), true) | (WebBody::Json(_), false)
        ));
        let message = Message::read(answer).await;
        assert!(message.id.starts_with("msg_troupe_test_"));
        assert_eq!(
            (message.text().as_str(), message.stop_reason()),
            ("OK", "end_turn")
        );
        assert_eq!(message.start["model"], "claude-x");
    }
    assert_eq!(stage.calls(), [""; 0]);
}

#[tokio::test]
async fn a_wrong_request_costs_no_call() {
    let stage = Stage::with("sk-plain").await;
    let url: Value = json!({"type": "image", "source": {"type": "url", "url": format!("{}/x", stage.mock.url())}});
    let asked = json!({"max_tokens": 9, "messages": [{"role": "user", "content": [url]}]});
    let fault = stage.open(&asked).await.unwrap_err();
    assert_eq!(fault.status, 400);
    assert_eq!(stage.calls(), [""; 0]);
}
