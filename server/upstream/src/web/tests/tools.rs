//! Tool calls: the message ends, the conversation waits, the results go on with it.

use std::time::Duration;

use serde_json::{Value, json};
use troupe_mock::{Scenario, StreamState};

use super::stage::{Message, Stage, body};
use crate::web::answered_tools;

fn with_tools(scenario: &str, stream: bool) -> Value {
    let mut asked = body(scenario, stream);
    asked["tools"] = json!([{"name": "get_weather", "input_schema": {"type": "object",
        "properties": {"location": {"type": "string"}}}}]);
    asked
}

/// The request that follows an answer, with results for its calls.
fn followed(asked: &Value, message: &Message, results: &[&str]) -> Value {
    let mut next = asked.clone();
    let blocks: Vec<_> = message
        .tool_ids()
        .iter()
        .zip(results)
        .map(|(id, text)| json!({"type": "tool_result", "tool_use_id": id, "content": text}))
        .collect();
    let messages = next["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": message.content}));
    messages.push(json!({"role": "user", "content": blocks}));
    next
}

#[tokio::test]
async fn a_result_goes_on_with_the_same_conversation() {
    for stream in [true, false] {
        let stage = Stage::with("sk-plain").await;
        let asked = with_tools("web_one_tool", stream);
        let call = stage.ask(&asked).await;
        assert_eq!(call.types(), ["tool_use"]);
        assert_eq!(call.content[0]["input"], json!({"location": "Paris"}));
        assert_eq!(
            call.delta,
            json!({"stop_reason": "tool_use", "stop_sequence": null})
        );
        let paused = stage.pauses.take().unwrap();
        assert_eq!(paused.tool_use_ids(), call.tool_ids());
        let state = stage.mock.web().snapshot();
        assert_eq!((state.paused, state.alive), (1, 1));

        let next = followed(&asked, &call, &["sunny"]);
        assert_eq!(
            answered_tools(next.to_string().as_bytes()),
            paused.tool_use_ids()
        );
        let answer = Message::read(stage.resume(paused, &next).await.unwrap()).await;
        assert_eq!(answer.types(), ["text"]);
        assert!(
            answer
                .text()
                .contains("get_weather said: \u{201c}sunny\u{201d}"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.stop_reason(), "end_turn");
        assert_ne!(answer.id, call.id);
        assert_eq!(answer.start["model"], "claude-x");
        assert!(answer.usage["input_tokens"].as_u64() > call.usage["input_tokens"].as_u64());
        stage.all_is_clean().await;
        let state = stage.mock.web().snapshot();
        assert_eq!(state.conversations.len(), 1);
        assert_eq!(state.conversations[0].completions, 1);
        assert_eq!(state.conversations[0].stream, StreamState::Ended);
        assert!(stage.pauses.take().is_none());
    }
}

#[tokio::test]
async fn several_tools_of_one_turn_and_chains_of_turns() {
    let mut stage = Stage::with("sk-plain").await;
    // Long enough for a busy machine.
    stage.limits.tool_silence_ms = 1_000;
    let asked = with_tools("web_two_tools", true);
    let calls = stage.ask(&asked).await;
    assert_eq!(calls.types(), ["text", "tool_use", "tool_use"]);
    let paused = stage.pauses.take().unwrap();
    assert_eq!(paused.tool_use_ids().len(), 2);
    let mut next = followed(&asked, &calls, &["one", "two"]);
    // In any order, and with words beside them.
    let content = next["messages"][2]["content"].as_array_mut().unwrap();
    content.reverse();
    content.push(json!({"type": "text", "text": "beside"}));
    let answer = Message::read(stage.resume(paused, &next).await.unwrap()).await;
    for said in [
        "said: \u{201c}one\u{201d}",
        "said: \u{201c}two\nbeside\u{201d}",
    ] {
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    stage.all_is_clean().await;

    let asked = with_tools("web_tool_chain", true);
    let first = stage.ask(&asked).await;
    let paused = stage.pauses.take().unwrap();
    let next = followed(&asked, &first, &["one"]);
    let second = Message::read(stage.resume(paused, &next).await.unwrap()).await;
    assert_eq!(
        (second.types(), second.stop_reason()),
        (vec!["tool_use"], "tool_use")
    );
    let paused = stage.pauses.take().unwrap();
    assert_eq!(paused.tool_use_ids(), second.tool_ids());
    let last = followed(&next, &second, &["two"]);
    let answer = Message::read(stage.resume(paused, &last).await.unwrap()).await;
    assert!(answer.text().contains("one") && answer.text().contains("two"));
    stage.all_is_clean().await;
    assert_eq!(stage.mock.web().snapshot().conversations.len(), 2);
}

#[tokio::test]
async fn a_tool_that_comes_after_the_silence_comes_with_the_next_message() {
    let mut stage = Stage::with("sk-plain").await;
    stage.limits.tool_silence_ms = 20;
    stage.mock.script([Scenario {
        event_delay_ms: 150,
        ..Scenario::named("web_two_tools").unwrap()
    }]);
    let asked = with_tools("web_two_tools", true);
    let first = stage.ask(&asked).await;
    assert_eq!(first.types(), ["text", "tool_use"]);
    let paused = stage.pauses.take().unwrap();
    let next = followed(&asked, &first, &["one"]);
    let second = Message::read(stage.resume(paused, &next).await.unwrap()).await;
    assert_eq!(second.types(), ["tool_use"]);
    let paused = stage.pauses.take().unwrap();
    let last = followed(&next, &second, &["two"]);
    let answer = Message::read(stage.resume(paused, &last).await.unwrap()).await;
    assert!(answer.text().contains("one") && answer.text().contains("two"));
    stage.all_is_clean().await;
    assert_eq!(stage.mock.web().snapshot().conversations.len(), 1);
}

#[tokio::test]
async fn a_paused_conversation_may_move_to_another_runtime() {
    let stage = Stage::with("sk-plain").await;
    let asked = with_tools("web_one_tool", true);
    let call = stage.ask(&asked).await;
    let paused = stage.pauses.take().unwrap();
    let next = followed(&asked, &call, &["sunny"]);
    let elsewhere = tokio::task::spawn_blocking(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        let resumed = runtime
            .block_on(async { Message::read(stage.resume(paused, &next).await.unwrap()).await });
        (stage, resumed)
    });
    let (stage, answer) = elsewhere.await.unwrap();
    assert!(answer.text().contains("sunny"));
    // The conversation's guard lives where the conversation was made.
    stage.all_is_clean().await;
}

#[tokio::test]
async fn a_pause_that_is_dropped_leaves_nothing() {
    let mut stage = Stage::with("sk-plain").await;
    stage.limits.pause_ms = 1_000;
    let before = std::time::Instant::now();
    stage.ask(&with_tools("web_one_tool", true)).await;
    let paused = stage.pauses.take().unwrap();
    let within =
        before + Duration::from_secs(1)..std::time::Instant::now() + Duration::from_secs(1);
    assert!(within.contains(&paused.expires_at()));
    assert!(!format!("{paused:?}").contains("sk-plain"));
    drop(paused);
    stage.all_is_clean().await;
}

#[tokio::test]
async fn what_does_not_fit_is_replayed_from_its_history() {
    // Another tool's result, and another model.
    for change in ["id", "model"] {
        let stage = Stage::with("sk-plain").await;
        let asked = with_tools("web_one_tool", true);
        let call = stage.ask(&asked).await;
        let paused = stage.pauses.take().unwrap();
        let mut next = followed(&asked, &call, &["sunny"]);
        next["messages"][2]["content"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "text", "text": "[[mock:web_text]]"}));
        if change == "id" {
            next["messages"][2]["content"][0]["tool_use_id"] = json!("toolu_other");
        } else {
            next["model"] = json!("claude-y");
        }
        let answer = Message::read(stage.resume(paused, &next).await.unwrap()).await;
        assert_eq!(answer.types(), ["text"]);
        let prompt = stage.completion()["prompt"].as_str().unwrap().to_owned();
        for part in [
            "[user ",
            "[tool call toolu_web",
            "{\"location\":\"Paris\"}",
            "[tool result toolu_",
            "]\nsunny",
        ] {
            assert!(prompt.contains(part), "{prompt}");
        }
        stage.all_is_clean().await;
        assert_eq!(stage.mock.web().snapshot().conversations.len(), 2);
    }
}

#[tokio::test]
async fn a_conversation_that_broke_while_it_waited_is_replayed() {
    let stage = Stage::with("sk-plain").await;
    let asked = with_tools("web_one_tool", true);
    let call = stage.ask(&asked).await;
    let paused = stage.pauses.take().unwrap();
    // Deleted by somebody else: the result finds nothing.
    let state = stage.mock.web().snapshot();
    let id = &state.conversations[0].id;
    let organization = &state.conversations[0].organization;
    let url = format!(
        "{}/api/organizations/{organization}/chat_conversations/{id}",
        stage.mock.url()
    );
    let deleted = stage
        .http
        .delete(url)
        .header("cookie", "sessionKey=sk-plain")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 204);
    let mut next = followed(&asked, &call, &["sunny [[mock:web_text]]"]);
    next["stream"] = json!(false);
    let answer = Message::read(stage.resume(paused, &next).await.unwrap()).await;
    assert!(answer.text().contains("You said"));
    stage.all_is_clean().await;
}

#[tokio::test]
async fn an_account_fault_at_the_result_is_not_replayed() {
    for key in [
        "sk-dead@tool_result",
        "sk-challenged@tool_result",
        "sk-limited@tool_result",
    ] {
        let stage = Stage::with(key).await;
        let asked = with_tools("web_one_tool", true);
        let call = stage.ask(&asked).await;
        let paused = stage.pauses.take().unwrap();
        let fault = stage
            .resume(paused, &followed(&asked, &call, &["x"]))
            .await
            .unwrap_err();
        assert!(fault.verdict.is_account_fault(), "{key}: {fault:?}");
        let over = stage.mock.web();
        over.wait_for(|state| state.running == 0).await.unwrap();
        assert_eq!(stage.mock.web().snapshot().conversations.len(), 1);
    }
}
