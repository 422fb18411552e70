//! How the web-session surface refuses and breaks.

use serde_json::{Value, json};
use troupe_mock::{Endpoint, Scenario, StreamState, WebScenario};

use crate::client::{call, mock, request};
use crate::web_client::{COOKIE, Session, ask, events, types};

#[tokio::test]
async fn broken_streams() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    let complete = async |name: &str| talk.complete(ask(&format!("[[mock:{name}]]"))).await;
    for name in ["web_mid_error", "web_mid_limit"] {
        let got = complete(name).await;
        let events = events(&got.body);
        assert!(got.complete && events.len() == 5);
        assert_eq!(events[4]["type"], "error");
        let resets_at = events[4]["error"]["resets_at"].as_u64();
        assert_eq!(resets_at.is_some(), name == "web_mid_limit");
    }
    let cut = complete("web_cut").await;
    assert!(!cut.complete && !cut.body.ends_with(b"\r\n\r\n"));
    talk.when(|seen| seen.stream == StreamState::Cut).await;
    let early = complete("web_early_end").await;
    assert!(early.complete && types(&events(&early.body)).len() == 4);
    for (name, kind) in [
        ("web_approaching", "approaching_limit"),
        ("web_exceeded", "exceeded_limit"),
    ] {
        let events = events(&complete(name).await.body);
        let limit = &events[events.len() - 2]["message_limit"];
        assert_eq!(limit["type"], kind);
        assert!(limit["resetsAt"].is_u64());
    }
    for name in ["web_stall", "web_endless", "web_slow"] {
        let mut stream = talk.stream(&format!("[[mock:{name}]]")).await;
        let wanted = match name {
            "web_stall" => 4,
            "web_endless" => 40,
            _ => 0,
        };
        stream.until(|events| events.len() >= wanted).await;
        talk.when(|seen| seen.stream == StreamState::Open).await;
        drop(stream);
        talk.when(|seen| seen.stream == StreamState::Abandoned)
            .await;
    }
}

#[tokio::test]
async fn refusals_by_name() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let talk = session.conversation(1).await;
    for (name, status, message) in [
        ("web_challenged", 302, ""),
        ("web_dead", 401, "Session expired"),
        ("web_forbidden", 403, "Invalid authorization"),
        ("web_disabled", 400, "This organization has been disabled."),
        ("web_limited_plain", 429, "Too many messages, slow down"),
        ("web_overloaded", 529, "Overloaded"),
        ("disabled", 400, "This organization has been disabled."),
    ] {
        let got = talk.complete(ask(&format!("[[mock:{name}]]"))).await;
        assert_eq!(got.status, status, "{name}");
        if status == 302 {
            assert!(got.head.contains("location: /challenge\r\n"));
        } else {
            assert_eq!(got.json()["error"]["message"], message);
        }
    }
    let is_number = |value: &Value| value.is_u64();
    for (name, fits) in [
        ("web_limited", is_number as fn(&Value) -> bool),
        ("web_limited_huge", |value| {
            value.as_u64() > Some(1_000_000_000_000)
        }),
        ("web_limited_past", |value| value == &json!(1_000_000_000)),
        ("web_limited_nonsense", |value| value == &json!("tomorrow")),
    ] {
        let got = talk.complete(ask(&format!("[[mock:{name}]]"))).await;
        let body = got.json();
        let message = body["error"]["message"].as_str().unwrap();
        let limit: Value = serde_json::from_str(message).unwrap();
        assert_eq!(
            (got.status, &limit["type"]),
            (429, &json!("exceeded_limit"))
        );
        assert!(fits(&limit["resetsAt"]), "{name}: {limit}");
    }
    let header = format!("cookie: {COOKIE}\r\nx-mock-scenario: web_dead\r\n");
    let by_header = request("GET", "/api/organizations", &header, "");
    assert_eq!(call(&server, &by_header).await.status, 401);
    let mut by_model = ask("x");
    by_model["model"] = json!("mock:web_dead");
    assert_eq!(talk.complete(by_model).await.status, 401);
    let mut by_attachment = ask("x");
    by_attachment["attachments"] = json!([{"extracted_content": "[[mock:web_forbidden]]",
        "file_name": "a", "file_type": "txt", "file_size": 22}]);
    assert_eq!(talk.complete(by_attachment).await.status, 403);
    assert_eq!(
        talk.complete(ask("[[mock:web_nonsense]]")).await.status,
        400
    );
    let seen = talk.when(|_| true).await;
    assert_eq!((seen.completions, seen.stream), (0, StreamState::None));
}

/// Sends a request to each endpoint and returns the statuses, in the order of [`Endpoint`].
async fn statuses(session: &Session<'_>, number: u8) -> Vec<u16> {
    let id = format!("00000000-0000-4000-8000-0000000000{number:02}");
    let talk = format!("{}/{id}", session.conversations());
    let created = json!({"uuid": id, "name": ""}).to_string();
    let settings = json!({"settings": {"paprika_mode": null}}).to_string();
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": []}).to_string();
    let mut statuses = Vec::new();
    for (method, path, body) in [
        ("GET", "/api/organizations".to_owned(), String::new()),
        ("POST", session.conversations(), created),
        ("PUT", talk.clone(), settings),
        (
            "POST",
            format!("/api/{}/upload", session.organization),
            String::new(),
        ),
        ("POST", format!("{talk}/completion"), ask("x").to_string()),
        ("POST", format!("{talk}/tool_result"), result),
        ("DELETE", talk, String::new()),
        (
            "POST",
            format!("/v1/oauth/{}/authorize", session.organization),
            "{}".to_owned(),
        ),
    ] {
        statuses.push(session.send(method, &path, &body).await.status);
    }
    statuses
}

/// What [`statuses`] are when nothing is scripted: three of the bodies are not acceptable.
const USUAL: [u16; 8] = [200, 201, 202, 400, 200, 400, 204, 400];

#[tokio::test]
async fn a_fault_hits_any_endpoint_by_cookie() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    assert_eq!(statuses(&session, 1).await, USUAL);
    let mut challenged = Session::start(&server, COOKIE).await;
    challenged.use_cookie("sessionKey=sk-challenged");
    assert_eq!(statuses(&challenged, 2).await, [302; 8]);
    for (at, name) in [
        "organizations",
        "create",
        "settings",
        "upload",
        "completion",
        "tool_result",
        "delete",
        "authorize",
    ]
    .into_iter()
    .enumerate()
    {
        // The key of one cookie decides about its organisations, so each looks for its own.
        let cookie = format!("sessionKey=sk-{name}-overloaded@{name}");
        let session = if name == "organizations" {
            let mut session = Session::start(&server, COOKIE).await;
            session.use_cookie(&cookie);
            session
        } else {
            Session::start(&server, &cookie).await
        };
        let statuses = statuses(&session, 10 + u8::try_from(at).unwrap()).await;
        let hit: Vec<_> = (0..8).filter(|at| statuses[*at] == 529).collect();
        assert_eq!(hit, [at], "{name}: {statuses:?}");
    }
}

#[tokio::test]
async fn a_fault_hits_any_endpoint_by_script() {
    let server = mock().await;
    let session = Session::start(&server, COOKIE).await;
    let at = |at, keep, cookie: Option<&str>, status| Scenario {
        web: Some(WebScenario {
            at: Some(at),
            keep,
            cookie: cookie.map(str::to_owned),
            ..WebScenario::default()
        }),
        ..Scenario::status(status)
    };
    server.script([
        at(Endpoint::Create, false, Some("sk-other"), 500),
        at(Endpoint::Delete, false, None, 502),
        at(Endpoint::ToolResult, true, Some("sk-1"), 503),
    ]);
    let first = statuses(&session, 1).await;
    assert_eq!(first, [200, 201, 202, 400, 200, 503, 502, 400]);
    let second = statuses(&session, 2).await;
    assert_eq!(second, [200, 201, 202, 400, 200, 503, 204, 400]);
    assert_eq!(server.scripted(), 2);
    server.clear_script();

    let script = json!(["web_dead", {"name": "web_limited", "web": {"at": "upload"}}]).to_string();
    let pushed = call(&server, &request("POST", "/__mock/script", "", &script)).await;
    assert_eq!(pushed.json(), json!({"scripted": 2}));
    let third = statuses(&session, 3).await;
    assert_eq!(third, [200, 201, 202, 429, 401, 400, 204, 400]);
    assert_eq!(server.scripted(), 0);
    let entries = server.journal().entries();
    let named = entries.iter().filter_map(|entry| entry.scenario.as_deref());
    assert_eq!(named.collect::<Vec<_>>(), ["web_limited", "web_dead"]);
    let misspelt = request("POST", "/__mock/script", "", r#"{"web":{"att":"upload"}}"#);
    assert_eq!(call(&server, &misspelt).await.status, 400);
}

#[test]
fn web_scenarios_survive_their_json_form() {
    for name in [
        "web_two_tools",
        "web_long",
        "web_exceeded",
        "web_mid_limit",
        "web_challenged",
    ] {
        let scenario = Scenario::named(name).unwrap();
        let text = serde_json::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse(&text), Ok(scenario));
    }
    let refined = Scenario::parse(r#"{"name":"web_two_tools","web":{"preamble":false}}"#).unwrap();
    let web = refined.web.unwrap();
    assert_eq!((web.tools, web.preamble), (vec![2], false));
}
