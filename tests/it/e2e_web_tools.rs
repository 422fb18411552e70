//! Tools over web sessions: a call ends the message and pauses the conversation, its result goes on with it.

use serde_json::{Value, json};
use troupe_mock::{Scenario, WebSnapshot};

use crate::gateway::{
    Client, Pool, Said, WEB, api, ask_tools, keys, request, scripted, secret, web,
};

const TWO_KEYS: [(&str, &str); 2] = [("any", ""), ("other", "")];

fn config(more: &str) -> String {
    let accounts = [
        "accounts:\n",
        &web("one", "plain", ""),
        &web("two", "plain", ""),
    ];
    [&accounts.concat(), WEB, &keys(&TWO_KEYS), more].concat()
}

async fn paused(pool: &Pool, count: usize) -> WebSnapshot {
    pool.until_web("paused", |state| state.paused == count)
        .await
}

/// The conversation whose call was answered has gone on, and there is no other.
fn assert_one_conversation(state: &WebSnapshot, results: &[&str]) {
    assert_eq!(state.conversations.len(), 1, "{state:#?}");
    let conversation = &state.conversations[0];
    assert_eq!(conversation.completions, 1);
    let texts: Vec<_> = conversation
        .tool_results
        .iter()
        .map(|result| &*result.text)
        .collect();
    assert_eq!(texts, results);
}

/// On any thread, by stream or JSON, with another session, and whoever of the accounts would be next.
#[tokio::test]
async fn a_result_goes_on_with_its_conversation() {
    let more = "server: { bind: \"BIND\", threads: 3, drain: { delay: 0s } }\nrouting: { strategy: round_robin }\n";
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let pool = Pool::serving(&config(more));
        let mut asked = ask_tools("web_one_tool", first);
        let headers = [("x-claude-code-session-id", "first")];
        let call = Said::of(&pool.ask_with("any", &headers, asked.to_string()).await);
        assert_eq!(
            (call.types(), &*call.stop_reason),
            (vec!["tool_use"], "tool_use")
        );
        assert_eq!(call.content[0]["input"], json!({"location": "Paris"}));
        let state = paused(&pool, 1).await;
        assert_eq!(state.conversations[0].pending_tools, call.tool_ids());
        asked["stream"] = json!(second);
        let next = call.answered(&asked, &["sunny"]);
        let headers = [("x-claude-code-session-id", "second")];
        let said = Said::of(&pool.ask_with("any", &headers, next.to_string()).await);
        assert_eq!(
            (said.types(), &*said.stop_reason),
            (vec!["text"], "end_turn")
        );
        assert!(
            said.text().contains("said: \u{201c}sunny\u{201d}"),
            "{}",
            said.text()
        );
        assert_ne!(said.start["id"], call.start["id"]);
        assert_one_conversation(&pool.until_clean().await, &["sunny"]);
    }
}

/// Many at once over several threads: each its own.
#[tokio::test]
async fn many_conversations_wait_at_once() {
    let more = "server: { bind: \"BIND\", threads: 3, drain: { delay: 0s } }\n";
    let pool = Pool::serving(&config(more));
    let asked = ask_tools("web_one_tool", true);
    let calls = pool.burst(40, "any", &asked.to_string()).await;
    let calls: Vec<_> = calls.iter().map(Said::of).collect();
    paused(&pool, 40).await;
    let next = calls.iter().enumerate();
    let next = next.map(|(at, call)| call.answered(&asked, &[&format!("result {at}.")]));
    let answers = pool.each("any", next).await;
    for (at, text) in answers
        .iter()
        .map(|answer| Said::of(answer).text())
        .enumerate()
    {
        assert!(
            text.contains(&format!("said: \u{201c}result {at}.\u{201d}")),
            "{text}"
        );
    }
    let state = pool.until_clean().await;
    assert_eq!(state.conversations.len(), 40);
}

/// Two calls of one turn wait for both results, in whatever order; a chain is one conversation.
#[tokio::test]
async fn several_calls_and_chains() {
    let pool = Pool::serving(&config(""));
    let asked = ask_tools("web_two_tools", true);
    let calls = pool.said("any", &asked).await;
    assert_eq!(calls.types(), ["text", "tool_use", "tool_use"]);
    paused(&pool, 1).await;
    let mut next = calls.answered(&asked, &["first", "second"]);
    next["messages"][2]["content"]
        .as_array_mut()
        .unwrap()
        .reverse();
    let said = pool.said("any", &next).await;
    assert!(
        said.text().contains("first") && said.text().contains("second"),
        "{}",
        said.text()
    );
    assert_one_conversation(&pool.until_clean().await, &["first", "second"]);

    let pool = Pool::serving(&config(""));
    let asked = ask_tools("web_tool_chain", false);
    let first = pool.said("any", &asked).await;
    paused(&pool, 1).await;
    let next = first.answered(&asked, &["one"]);
    let second = pool.said("any", &next).await;
    assert_eq!(second.types(), ["tool_use"]);
    let last = second.answered(&next, &["two"]);
    let said = pool.said("any", &last).await;
    assert!(said.text().contains("one") && said.text().contains("two"));
    assert_one_conversation(&pool.until_clean().await, &["one", "two"]);
}

/// Results that are errors, images, nothing or with words beside them.
#[tokio::test]
async fn results_of_every_kind() {
    let table = [
        (json!({"content": "no", "is_error": true}), "no", true),
        (json!({}), "", false),
        (json!({"content": null}), "", false),
        (
            json!({"content": [{"type": "text", "text": "a"}, {"type": "image", "source":
            {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]}),
            "a\n[image]",
            false,
        ),
    ];
    let pool = Pool::serving(&config(""));
    for (result, text, is_error) in table {
        let asked = ask_tools("web_one_tool", true);
        let call = pool.said("any", &asked).await;
        let mut next = call.answered(&asked, &[""]);
        let block = &mut next["messages"][2]["content"][0];
        block.as_object_mut().unwrap().remove("content");
        for (name, value) in result.as_object().unwrap() {
            block[name] = value.clone();
        }
        pool.said("any", &next).await;
        let state = pool.until_clean().await;
        let found = &state.conversations.last().unwrap().tool_results[0];
        assert_eq!((&*found.text, found.is_error), (text, is_error), "{result}");
    }
    assert_eq!(pool.mock.web().snapshot().conversations.len(), 4);
}

/// A call belongs to the key that got it: another's request is answered from its own history.
#[tokio::test]
async fn a_conversation_is_its_keys_own() {
    let pool = Pool::serving(&config(""));
    let asked = ask_tools("web_one_tool", true);
    let call = pool.said("any", &asked).await;
    let next = call.answered(&asked, &["theirs [[mock:web_text]]"]);
    let said = pool.said("other", &next).await;
    assert!(said.text().contains("You said"), "{}", said.text());
    let state = pool.until_web("replayed", |state| state.alive == 1).await;
    assert_eq!((state.conversations.len(), state.paused), (2, 1));
    assert!(
        state
            .conversations
            .iter()
            .all(|found| found.tool_results.is_empty())
    );
    // It still waits for whom it is.
    let next = call.answered(&asked, &["ours"]);
    assert!(
        pool.said("any", &next)
            .await
            .text()
            .contains("said: \u{201c}ours\u{201d}")
    );
    assert_eq!(pool.until_clean().await.conversations.len(), 2);
}

fn prompt(pool: &Pool) -> String {
    let completion = pool.completions().pop().unwrap();
    completion["prompt"].as_str().unwrap().to_owned()
}

/// A conversation that has waited long enough is deleted; its result is answered from the request's history.
#[tokio::test]
async fn a_pause_ends() {
    let short = "web_session: { enabled: true, acknowledge_terms: true, pause: 300ms }\n";
    let pool = Pool::serving(&["accounts:\n", &web("one", "plain", ""), short].concat());
    let asked = ask_tools("web_one_tool", true);
    let call = pool.said("any", &asked).await;
    pool.until_clean().await;
    let next = call.answered(&asked, &["late [[mock:web_text]]"]);
    let said = pool.said("any", &next).await;
    assert_eq!(said.types(), ["text"]);
    let prompt = prompt(&pool);
    for part in [
        "[user ",
        "[tool call toolu_web",
        "{\"location\":\"Paris\"}",
        "[tool result toolu_web",
        "\nlate",
    ] {
        assert!(prompt.contains(part), "{part:?} in {prompt}");
    }
    assert_eq!(pool.until_clean().await.conversations.len(), 2);
}

/// A restart forgets who waits: the chats are deleted at its end, and histories are replayed.
#[tokio::test]
async fn a_restart_lets_go_and_replays() {
    let mut pool = Pool::serving(&config(""));
    let asked = ask_tools("web_one_tool", true);
    let call = pool.said("any", &asked).await;
    paused(&pool, 1).await;
    pool.stop();
    let state = pool.mock.web().snapshot();
    assert_eq!((state.alive, state.running), (0, 0), "{state:#?}");
    pool.serve();
    let next = call.answered(&asked, &["late [[mock:web_text]]"]);
    assert!(pool.said("any", &next).await.text().contains("You said"));
    assert_eq!(pool.until_clean().await.conversations.len(), 2);

    let call = pool.said("any", &asked).await;
    paused(&pool, 1).await;
    pool.kill();
    pool.serve();
    let next = call.answered(&asked, &["late [[mock:web_text]]"]);
    assert!(pool.said("any", &next).await.text().contains("You said"));
}

/// Two requests with the same result at once: one goes on with the conversation, the other is replayed.
#[tokio::test]
async fn a_result_that_comes_twice_is_taken_once() {
    let more = "server: { bind: \"BIND\", threads: 3, drain: { delay: 0s } }\n";
    let pool = Pool::serving(&config(more));
    let asked = ask_tools("web_one_tool", true);
    for round in 0..5 {
        let call = pool.said("any", &asked).await;
        let next = call
            .answered(&asked, &["twice [[mock:web_text]]"])
            .to_string();
        let answers = pool.burst(3, "any", &next).await;
        let texts: Vec<_> = answers
            .iter()
            .map(|answer| Said::of(answer).text())
            .collect();
        let gone_on = texts
            .iter()
            .filter(|text| text.contains("get_weather said"))
            .count();
        assert_eq!(gone_on, 1, "{texts:?}");
        let state = pool.until_clean().await;
        assert_eq!(state.conversations.len(), (round + 1) * 3);
    }
}

/// A result that comes while the call's own answer still runs: nobody waits yet, and nothing is lost.
#[tokio::test]
async fn a_result_that_comes_too_early_is_replayed() {
    let pool = Pool::serving(&config(""));
    pool.script([Scenario {
        event_delay_ms: 100,
        ..scripted("web_two_tools", |_| {})
    }]);
    let asked = ask_tools("web_two_tools", true);
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut client = Client::connect(pool.address).await;
    client
        .send(&request(
            "POST",
            "/v1/messages",
            &headers,
            asked.to_string().as_bytes(),
        ))
        .await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "\"toolu_web").await);
    let text = answer.text();
    let id = text
        .split("\"toolu_web")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let mut next = asked.clone();
    let messages = next["messages"].as_array_mut().unwrap();
    let id = format!("toolu_web{id}");
    messages.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "get_weather", "input": {}}]}));
    messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "x [[mock:web_text]]"}]}));
    assert!(pool.said("any", &next).await.text().contains("You said"));
    client.rest(&mut answer).await;
    let calls = Said::of(&answer);
    assert_eq!(calls.stop_reason, "tool_use");
    // And that one goes on by itself.
    let results = ["one"; 2];
    let last = calls.answered(&asked, &results[..calls.tool_ids().len()]);
    assert!(
        pool.said("any", &last)
            .await
            .text()
            .contains("said: \u{201c}one\u{201d}")
    );
    assert_eq!(pool.until_clean().await.conversations.len(), 2);
}

/// Results that cannot be: the request is refused or replayed, and the conversation is let go, not kept.
#[tokio::test]
async fn results_that_make_no_sense() {
    let pool = Pool::serving(&config(""));
    let asked = ask_tools("web_one_tool", true);
    let table: [(Value, u16); 5] = [
        (json!([{"content": 7}]), 400),
        (json!([{"content": [{"type": "text"}]}]), 400),
        (json!([{"content": [{"type": "audio", "x": 1}]}]), 400),
        (
            json!([{"content": "[[mock:web_text]]", "is_error": "yes"}]),
            200,
        ),
        // One more than was asked for.
        (
            json!([{"content": "a"}, {"tool_use_id": "toolu_more", "content": "[[mock:web_text]]"}]),
            200,
        ),
    ];
    for (results, status) in table {
        let call = pool.said("any", &asked).await;
        let mut next = call.answered(&asked, &[""]);
        let id = call.tool_ids()[0];
        let blocks: Vec<_> = results
            .as_array()
            .unwrap()
            .iter()
            .map(|result| {
                let mut block = json!({"type": "tool_result", "tool_use_id": id});
                for (name, value) in result.as_object().unwrap() {
                    block[name] = value.clone();
                }
                block
            })
            .collect();
        next["messages"][2]["content"] = json!(blocks);
        let answer = pool.ask("any", next.to_string()).await;
        assert_eq!(answer.status, status, "{results}: {}", answer.text());
    }
    // An id that is no id, of a megabyte, for which nobody waits.
    let call = pool.said("any", &asked).await;
    let mut next = call.answered(&asked, &["x"]);
    next["messages"][2]["content"][0]["tool_use_id"] = json!("x".repeat(1 << 20));
    assert_eq!(pool.ask("any", next.to_string()).await.status, 400);
    next = call.answered(&asked, &[&"huge ".repeat(2 << 20)]);
    assert_eq!(pool.said("any", &next).await.types(), ["text"]);
    // What was asked for one more call than there is waits under the name of another, until its time is over.
    pool.until_web("over", |state| state.running <= 1 && state.alive <= 1)
        .await;
}

/// Where every conversation has its place: over the bounds the newest is let go at once.
#[tokio::test]
async fn paused_conversations_are_bounded() {
    let pool = Pool::serving(&config("sessions: { max: 3 }\n"));
    let asked = ask_tools("web_one_tool", true);
    let mut calls = Vec::new();
    for _ in 0..6 {
        calls.push(pool.said("any", &asked).await);
    }
    let state = pool
        .until_web("let go", |state| state.alive == 3 && state.paused == 3)
        .await;
    assert_eq!(state.conversations.len(), 6);
    for (at, call) in calls.iter().enumerate() {
        let said = pool
            .said("any", &call.answered(&asked, &["x [[mock:web_text]]"]))
            .await;
        assert_eq!(
            said.text().contains("get_weather said"),
            at < 3,
            "{at}: {}",
            said.text()
        );
    }
    pool.until_clean().await;

    // Of one key, so many and no more; what is let go serves nobody else's places.
    let pool = Pool::serving(&config(""));
    let answers = pool.burst(140, "any", &asked.to_string()).await;
    assert!(
        answers
            .iter()
            .all(|answer| Said::of(answer).stop_reason == "tool_use")
    );
    pool.until_web("let go", |state| state.alive == 128 && state.paused == 128)
        .await;
    pool.said("other", &asked).await;
    pool.until_web("of another", |state| state.paused == 129)
        .await;
    // Requests for what nobody waits for keep nothing.
    let asks = (0..200).map(|at| {
        let mut next = calls[0].answered(&asked, &["x [[mock:web_text]]"]);
        next["messages"][2]["content"][0]["tool_use_id"] = json!(format!("toolu_none{at}"));
        next
    });
    let answers = pool.each("any", asks).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
    let active = metrics
        .lines()
        .find_map(|line| line.strip_prefix("troupe_sessions_active "));
    let active: f64 = active.unwrap().parse().unwrap();
    assert!(active <= 129.0, "{active} sessions");
}

/// An account that fails at the result: the next serves it from its history.
#[tokio::test]
async fn a_fault_at_the_result_goes_to_the_next() {
    for words in [
        "dead@tool_result",
        "challenged@tool_result",
        "limited@tool_result",
    ] {
        let accounts = [
            "accounts:\n",
            &web("one", words, ""),
            &api("spare", ""),
            WEB,
        ];
        let pool = Pool::new(&accounts.concat());
        let mut pool = pool;
        pool.serve();
        // The spare one is away for the call alone.
        pool.script([Scenario::status(403)]);
        let asked = ask_tools("web_one_tool", true);
        let call = pool.said("any", &asked).await;
        assert_eq!(pool.completed_by(), ["one"], "{words}");
        let said = pool
            .said("any", &call.answered(&asked, &["x [[mock:text]]"]))
            .await;
        assert_eq!(said.types(), ["text"], "{words}");
        let state = pool.until_web("over", |state| state.running == 0).await;
        assert_eq!(state.conversations.len(), 1, "{words}");
    }
}
