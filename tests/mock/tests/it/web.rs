//! The web-session surface when nothing goes wrong.

use serde_json::{Value, json};
use troupe_mock::{Answer, Scenario, StreamState};

use crate::client::{call, mock, request};
use crate::web_client::{COOKIE, Session, ask, events, joined, types};

#[tokio::test]
async fn a_conversation_lives_and_is_deleted() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let got = talk.complete(ask("Hello there")).await;
    assert_eq!((got.status, got.complete), (200, true));
    let events = events(&got.body);
    let start = &events[0]["message"];
    assert_eq!(start["role"], "assistant");
    assert!(start.get("model").is_none() && start.get("usage").is_none());
    assert_eq!(
        types(&events)[..3],
        ["message_start", "content_block_start", "ping"]
    );
    let end = events.len() - 3;
    assert_eq!(
        types(&events)[end..],
        ["message_delta", "message_limit", "message_stop"]
    );
    assert_eq!(events[end]["delta"]["stop_reason"], "end_turn");
    assert!(events[end].get("usage").is_none());
    assert_eq!(events[end + 1]["message_limit"]["type"], "within_limit");
    assert!(joined(&events, "text").contains("You said: \u{201c}Hello there\u{201d}"));

    let seen = talk.when(|seen| seen.stream == StreamState::Ended).await;
    assert!(!seen.deleted && seen.completions == 1);
    let deleted = talk.delete().await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    assert!(!deleted.head.contains("content-length"));
    assert!(!got.head.contains("anthropic-"));
    for got in [
        talk.delete().await,
        talk.think(Value::Null).await,
        talk.complete(ask("more")).await,
        talk.result("toolu_1", json!([]), false).await,
    ] {
        assert_eq!(
            (got.status, &got.json()["error"]["type"]),
            (404, &json!("not_found_error"))
        );
    }
    let state = call(&server, &request("GET", "/__mock/web", "", "")).await;
    let state = state.json();
    assert_eq!((&state["alive"], &state["running"]), (&json!(0), &json!(0)));
    assert_eq!(state["conversations"][0]["deleted"], true);
    assert_eq!(state["conversations"][0]["stream"], "ended");
    let journal = server.journal().entries();
    assert_eq!(journal.len(), 8);
    assert_eq!(journal[3].method, "DELETE");
}

#[tokio::test]
async fn thinks_only_where_it_is_switched_on() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let thinks = async |prompt: &str| {
        let events = events(&talk.complete(ask(prompt)).await.body);
        !joined(&events, "thinking").is_empty()
    };
    assert!(!thinks("[[mock:web_thinking]]").await);
    let set = talk.think(json!("extended")).await;
    assert_eq!(
        (set.status, &set.json()["settings"]["paprika_mode"]),
        (202, &json!("extended"))
    );
    assert!(thinks("[[mock:web_thinking]]").await);
    assert!(thinks("by default").await);
    assert!(!thinks("[[mock:web_text]]").await);
    let got = events(&talk.complete(ask("x")).await.body);
    assert_eq!(got[1]["content_block"]["type"], "thinking");
    for delta in ["thinking_summary_delta", "signature_delta"] {
        assert!(got.iter().any(|event| event["delta"]["type"] == delta));
    }
    assert_eq!(talk.think(json!("sideways")).await.status, 400);

    let free = Session::start(&server, "sessionKey=sk-free").await;
    let talk = free.conversation(2).await;
    assert_eq!(talk.think(json!("extended")).await.status, 400);
    let sticky = Session::start(&server, "sessionKey=sk-extended").await;
    let talk = sticky.conversation(3).await;
    assert!(talk.when(|_| true).await.extended);
}

#[tokio::test]
async fn uploads_are_remembered_by_length_and_hash() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let body = "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
        Content-Type: image/png\r\n\r\nabc\r\n--xx--\r\n";
    let headers = format!("cookie: {COOKIE}\r\ncontent-type: multipart/form-data; boundary=xx\r\n");
    let path = format!("/api/{}/upload", session.organization);
    let got = call(&server, &request("POST", &path, &headers, body)).await;
    assert_eq!(got.status, 200);
    let id = got.json()["file_uuid"].as_str().unwrap().to_owned();
    let file = server.web().snapshot().files[0].clone();
    assert_eq!((file.id.as_str(), file.size_bytes), (id.as_str(), 3));
    assert_eq!(
        (file.name.as_str(), file.content_type.as_str()),
        ("a.png", "image/png")
    );
    assert!(file.sha256.starts_with("ba7816bf8f01cfea"));

    let with = |files: Value| {
        let mut ask = ask("look");
        ask["files"] = files;
        ask["attachments"] = json!([{"extracted_content": "long ö", "file_name": "paste.txt",
            "file_type": "txt", "file_size": 7}]);
        ask
    };
    let got = talk.complete(with(json!([id]))).await;
    let text = joined(&events(&got.body), "text");
    assert!(
        text.contains("paste.txt says: \u{201c}long ö\u{201d}. Files: 1."),
        "{text}"
    );
    assert_eq!(talk.when(|_| true).await.files, [id]);
    assert_eq!(talk.complete(with(json!(["other"]))).await.status, 400);
    let bad = call(&server, &request("POST", &path, &headers, "--xx--")).await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn refuses_what_is_not_the_cookies() {
    let server = mock().await;
    let bare = call(&server, &request("GET", "/api/organizations", "", "")).await;
    assert_eq!(bare.status, 403);
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let list = session.send("GET", "/api/organizations", "").await.json();
    let api = list[0]["uuid"].as_str().unwrap();
    assert!(list[0]["capabilities"].as_array().unwrap().len() > 2);
    let body = json!({"uuid": "00000000-0000-4000-8000-000000000009", "name": ""}).to_string();
    let other = Session::start(&server, "sessionKey=sk-2").await;
    let path = |organization: &str| format!("/api/organizations/{organization}/chat_conversations");
    for (session, organization) in [(&session, api), (&other, &session.organization)] {
        let got = session.send("POST", &path(organization), &body).await;
        assert_eq!(got.status, 403);
    }
    let path = format!("{}/{}", other.conversations(), talk.id);
    assert_eq!(other.send("DELETE", &path, "").await.status, 404);
    for (body, status) in [
        (json!({"uuid": talk.id, "name": ""}), 409),
        (json!({"uuid": "12", "name": ""}), 400),
        (json!({"uuid": "00000000-0000-4000-8000-000000000008"}), 400),
    ] {
        let got = session
            .send("POST", &session.conversations(), &body.to_string())
            .await;
        assert_eq!(got.status, status, "{body}");
    }
    assert_eq!(talk.complete(json!({"prompt": "p"})).await.status, 400);
    assert_eq!(talk.result("toolu_1", json!([]), false).await.status, 400);
    assert_eq!(server.web().snapshot().alive, 1);
}

#[tokio::test]
async fn awkward_cuts_and_baits_keep_the_text() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let long = talk.complete(ask("[[mock:web_long]]")).await;
    assert!(long.complete);
    let text = joined(&events(&long.body), "text");
    assert_eq!(text, "schöne Wörter 😀 ".repeat(400));
    let entry = server.journal().last().unwrap();
    assert!(entry.events_sent > 1_000, "{}", entry.events_sent);

    let bait = events(&talk.complete(ask("[[mock:web_stop_bait]]")).await.body);
    let text = joined(&bait, "text");
    assert_eq!(
        text,
        "Words, HAL and more before the HALT and words after it."
    );
    let has = |text: &str| bait.iter().any(|event| event["delta"]["text"] == text);
    assert!(["the H", "A", "L", "T "].into_iter().all(has));

    let unknown = talk.complete(ask("[[mock:web_unknown]]")).await.text();
    for found in ["future_block", "future_delta", "brand_new_event", "\\ud800"] {
        assert!(unknown.contains(found), "{found}");
    }
    let split = r#"[[mock:{"split":"every_byte","text":"ö"}]]"#;
    assert_eq!(
        joined(&events(&talk.complete(ask(split)).await.body), "text"),
        "ö"
    );
    server.script([Scenario {
        web: Some(Default::default()),
        ..Scenario::raw_events(["x\r\n\r\n"])
    }]);
    assert_eq!(talk.complete(ask("x")).await.text(), "x\r\n\r\n");
}

#[tokio::test]
async fn a_cookie_becomes_a_code() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let path = format!("/v1/oauth/{}/authorize", session.organization);
    let good = json!({"response_type": "code", "client_id": "c", "scope": "a b", "state": "s t",
        "organization_uuid": session.organization, "redirect_uri": "https://localhost/back",
        "code_challenge": "x", "code_challenge_method": "S256"});
    let got = session.send("POST", &path, &good.to_string()).await;
    let target = got.json()["redirect_uri"].as_str().unwrap().to_owned();
    assert!(
        target.starts_with("https://localhost/back?code=code_mock"),
        "{target}"
    );
    assert!(target.ends_with("&state=s%20t"), "{target}");
    for (name, value) in [
        ("response_type", json!("token")),
        ("code_challenge_method", json!("plain")),
        ("organization_uuid", json!("other")),
        ("code_challenge", json!("")),
        ("state", Value::Null),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let got = session.send("POST", &path, &body.to_string()).await;
        assert_eq!(got.status, 400, "{name}");
    }
    let answer = Answer {
        path: Some(path.clone()),
        ..Scenario::status(500)
    };
    server.script([answer]);
    assert_eq!(
        session.send("POST", &path, &good.to_string()).await.status,
        500
    );
}
