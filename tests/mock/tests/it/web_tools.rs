//! Completions that pause for their tools.

use serde_json::{Value, json};
use troupe_mock::StreamState;

use crate::client::mock;
use crate::web_client::{COOKIE, Session, ask, joined, types};

#[tokio::test]
async fn a_stream_pauses_and_goes_on_with_what_the_tool_said() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let mut stream = talk.stream("[[mock:web_one_tool]]").await;
    let ids = stream.calls(1).await;
    let seen = talk.when(|seen| seen.stream == StreamState::Paused).await;
    assert_eq!(seen.pending_tools, ids);
    assert_eq!(server.web().snapshot().paused, 1);
    let entries = server.journal().entries();
    assert!(entries.last().is_some_and(|entry| !entry.is_over()));

    assert_eq!(talk.complete(ask("meanwhile")).await.status, 409);
    assert_eq!(talk.say("toolu_other", "x").await, 400);
    let pause = stream.until(|_| true).await;
    let content = json!([{"type": "text", "text": "21 °C"}, {"type": "image", "source": {}}]);
    assert_eq!(talk.result(&ids[0], content, false).await.status, 202);
    assert_eq!(talk.say(&ids[0], "again").await, 400);
    let events = stream.rest().await;
    assert_eq!(types(&events)[..pause.len()], types(&pause));
    assert_eq!(joined(&pause, "partial_json"), r#"{"a":7}"#);
    let went_on = &events[pause.len()];
    assert_eq!(
        (&went_on["type"], &went_on["index"]),
        (&json!("content_block_start"), &json!(1))
    );
    let text = joined(&events, "text");
    assert!(
        text.contains("first said: \u{201c}21 °C\n[image]\u{201d}."),
        "{text}"
    );
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let seen = talk.when(|seen| seen.stream == StreamState::Ended).await;
    assert_eq!(seen.tool_results.len(), 1);
    assert_eq!(seen.tool_results[0].tool_name, "first");
}

#[tokio::test]
async fn two_tools_need_both_results_in_any_order() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let mut stream = talk.stream("[[mock:web_two_tools]]").await;
    let ids = stream.calls(2).await;
    let failed = json!([{"type": "text", "text": "no network"}]);
    assert_eq!(talk.result(&ids[1], failed, true).await.status, 202);
    let seen = talk.when(|seen| seen.stream == StreamState::Paused).await;
    assert_eq!(seen.pending_tools, ids[..1]);
    assert_eq!(talk.say(&ids[0], "fine").await, 202);
    let events = stream.rest().await;
    let text = joined(&events, "text");
    assert!(text.starts_with("Let me look that up."), "{text}");
    assert!(
        text.contains("second failed with: \u{201c}no network\u{201d}"),
        "{text}"
    );
    assert!(text.contains("first said: \u{201c}fine\u{201d}"), "{text}");
    let indices: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "content_block_start")
        .map(|event| event["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, [0, 1, 2, 3]);
}

#[tokio::test]
async fn tool_after_tool_on_one_stream() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    assert_eq!(talk.think(json!("extended")).await.status, 202);
    let mut stream = talk.stream("[[mock:web_tool_chain]]").await;
    let first = stream.calls(1).await;
    assert_eq!(talk.say(&first[0], "one").await, 202);
    let both = stream.calls(2).await;
    assert_eq!(talk.say(&first[0], "late").await, 400);
    assert_eq!(talk.say(&both[1], "two").await, 202);
    let events = stream.rest().await;
    assert_eq!(events[1]["content_block"]["type"], "thinking");
    let text = joined(&events, "text");
    assert!(text.contains("first said: \u{201c}one\u{201d}. second said: \u{201c}two\u{201d}."));
}

#[tokio::test]
async fn a_paused_stream_ends_with_its_client_or_its_conversation() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let left = session.conversation(1).await;
    let mut stream = left.stream("[[mock:tool_use]]").await;
    let ids = stream.calls(1).await;
    drop(stream);
    let seen = left
        .when(|seen| seen.stream == StreamState::Abandoned)
        .await;
    assert!(seen.pending_tools.is_empty());
    let aborted = |entry: &troupe_mock::Entry| entry.aborted_at_ms.is_some();
    let entry = server.journal().wait_for_entry(aborted).await.unwrap();
    assert!(entry.path().ends_with("/completion"));
    assert_eq!(left.say(&ids[0], "too late").await, 400);
    let again = left.complete(ask("go on")).await;
    assert_eq!(again.status, 200);

    let deleted = session.conversation(2).await;
    let mut stream = deleted.stream("[[mock:web_one_tool]]").await;
    stream.calls(1).await;
    deleted
        .when(|seen| seen.stream == StreamState::Paused)
        .await;
    assert_eq!(deleted.delete().await.status, 204);
    let events = stream.rest().await;
    assert_eq!(types(&events).last(), Some(&"content_block_stop"));
    deleted.when(|seen| seen.stream == StreamState::Ended).await;
    let snapshot = server.web().snapshot();
    assert_eq!((snapshot.alive, snapshot.running), (1, 0));
}

#[tokio::test]
async fn many_paused_streams_at_once() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let mut paused = Vec::new();
    for number in 0..20 {
        let talk = session.conversation(number).await;
        let stream = talk.stream("[[mock:web_one_tool]]").await;
        paused.push((talk, stream));
    }
    let web = server.web();
    web.wait_for(|web| web.paused == 20).await.unwrap();
    for (number, (talk, mut stream)) in paused.into_iter().enumerate().rev() {
        let ids = stream.calls(1).await;
        let said = format!("result {number}");
        assert_eq!(talk.say(&ids[0], &said).await, 202);
        let events: Vec<Value> = stream.rest().await;
        assert!(joined(&events, "text").contains(&said));
    }
    web.wait_for(|web| web.running == 0).await.unwrap();
}

#[tokio::test]
async fn faults_count_events_across_the_pause() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let tag = r#"[[mock:{"name":"web_one_tool","truncate_after_events":10}]]"#;
    let mut stream = talk.stream(tag).await;
    let ids = stream.calls(1).await;
    assert_eq!(talk.say(&ids[0], "x").await, 202);
    assert_eq!(stream.rest().await.len(), 10);
    talk.when(|seen| seen.stream == StreamState::Cut).await;

    let tag = r#"[[mock:{"name":"web_one_tool","error":{"after_events":9},"split":"whole"}]]"#;
    let mut stream = talk.stream(tag).await;
    let ids = stream.calls(1).await;
    assert_eq!(talk.say(&ids[0], "x").await, 202);
    let got = stream.rest().await;
    assert_eq!((got.len(), &got[9]["type"]), (10, &json!("error")));
    assert_eq!(
        talk.when(|seen| !seen.stream.is_running()).await.stream,
        StreamState::Ended
    );
}

#[tokio::test]
async fn a_fault_at_the_pause_comes_before_the_results() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let tag = r#"[[mock:{"name":"web_one_tool","reset_after_events":7}]]"#;
    let got = talk.complete(ask(tag)).await;
    assert!(got.reset, "{}", got.text());
    talk.when(|seen| seen.stream == StreamState::Cut).await;
    let tag = r#"[[mock:{"name":"web_one_tool","stall_after_events":7}]]"#;
    let mut stream = talk.stream(tag).await;
    let ids = stream.calls(1).await;
    assert_eq!(talk.say(&ids[0], "unheard").await, 202);
    let seen = talk.when(|seen| seen.tool_results.len() == 1).await;
    assert_eq!(seen.stream, StreamState::Open);
    drop(stream);
    talk.when(|seen| seen.stream == StreamState::Abandoned)
        .await;
}
