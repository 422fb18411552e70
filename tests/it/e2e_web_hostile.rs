//! Web sessions among clients and surfaces that mean no good: everything is bounded, and nothing is left behind.

use serde_json::json;
use troupe_mock::{Events, Scenario};

use crate::gateway::{
    Client, Pool, Said, Socks, WEB, ask, ask_tools, request, scripted, secret, session, web,
};

const SHORT: &str = "web_session: { enabled: true, acknowledge_terms: true, pause: 1s }\n";

fn raw(events: &[serde_json::Value]) -> Scenario {
    let framed = events.iter().map(|event| {
        format!(
            "event: {}\r\ndata: {event}\r\n\r\n",
            event["type"].as_str().unwrap()
        )
    });
    Scenario {
        events: Some(Events::Raw(framed.collect())),
        ..scripted("web_text", |_| {})
    }
}

/// The events of a message that calls a tool of this id, with this input.
fn calling(id: &str, input: &str) -> Vec<serde_json::Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "chat_1", "type": "message", "role": "assistant", "content": []}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": id, "name": "get_weather", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": input}}),
        json!({"type": "content_block_stop", "index": 0}),
        // Never written: the stream falls silent before it.
        json!({"type": "ping"}),
    ]
}

fn pausing(id: &str, input: &str) -> Scenario {
    Scenario {
        stall_after_events: Some(4),
        ..raw(&calling(id, input))
    }
}

/// Clients that leave at any byte, over every kind of stream: no place, stream, chat or session stays taken.
#[tokio::test]
async fn clients_that_leave_anywhere_leave_nothing() {
    let account = web("one", "plain", ", concurrent: 8");
    let server = "server: { bind: \"BIND\", threads: 3, drain: { delay: 0s } }\n";
    let pings = "streaming: { keepalive: 100ms }\n";
    let pool = Pool::serving(&["accounts:\n", &account, SHORT, server, pings].concat());
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let scenarios = [
        "web_text",
        "web_one_tool",
        "web_endless",
        "web_stall",
        "web_long",
        "web_cut",
    ];
    let mut running = Vec::new();
    for at in 0..180_usize {
        let scenario = scenarios[at % scenarios.len()];
        // None of the others is waited for to its end.
        let leaves_after = match at % 4 {
            0 => 0,
            1 => 1,
            _ => 150 * at % 3_000,
        };
        let body = ask_tools(scenario, at % 5 != 0).to_string();
        let bytes = request("POST", "/v1/messages", &headers, body.as_bytes());
        let address = pool.address;
        running.push(tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            client.send(&bytes).await;
            if leaves_after > 0 && at % 5 != 0 {
                let mut seen = usize::from(client.head().await.status);
                while seen < leaves_after {
                    match client.chunk().await {
                        Some(chunk) if !chunk.is_empty() => seen += chunk.len(),
                        _ => break,
                    }
                }
            }
        }));
    }
    for one in running {
        one.await.unwrap();
    }
    pool.until_clean().await;
    pool.until("one", "free", |account| account["slots"]["in_use"] == 0);
    assert_eq!(
        pool.said("any", &ask("web_text", true)).await.types(),
        ["text"]
    );
    let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
    assert!(metrics.contains("troupe_streams_open 0\n"), "{metrics}");
    assert!(metrics.contains("troupe_sessions_active 0\n"), "{metrics}");
    assert!(
        metrics.contains("troupe_actor_restarts_total 0\n"),
        "{metrics}"
    );
}

/// Ids and inputs of calls as no honest surface makes them.
#[tokio::test]
async fn calls_that_no_honest_surface_makes() {
    let pool = Pool::serving(&["accounts:\n", &web("one", "plain", ""), SHORT].concat());
    let asked = ask_tools("web_text", true);
    let next = |call: &Said| call.answered(&asked, &["x [[mock:web_text]]"]);

    // The same id twice: the first is let go, the second waits; nothing goes on with the wrong one.
    let mut calls = Vec::new();
    for _ in 0..2 {
        pool.script([pausing("toolu_same", "{}")]);
        calls.push(pool.said("any", &asked).await);
    }
    pool.until_web("let go", |state| state.alive == 1).await;
    for call in &calls {
        assert!(
            pool.said("any", &next(call))
                .await
                .text()
                .contains("You said")
        );
    }
    pool.until_clean().await;

    // An id of a megabyte can be waited for, but not be written into a history.
    pool.script([pausing(&"x".repeat(1 << 20), "{}")]);
    let call = pool.said("any", &asked).await;
    assert_eq!(call.tool_ids()[0].len(), 1 << 20);
    let answer = pool.ask("any", next(&call).to_string()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    pool.until_clean().await;

    // An input that is no JSON is nobody's call, where the whole of it has to be told.
    let mut whole = asked.clone();
    whole["stream"] = json!(false);
    pool.script((0..3).map(|_| pausing("toolu_1", "{\"location\": ")));
    let answer = pool.ask("any", whole.to_string()).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    pool.until_clean().await;

    // One without an id is a call that nobody can answer: no conversation waits for it.
    let mut events = calling("toolu_1", "{}");
    events[1]["content_block"]
        .as_object_mut()
        .unwrap()
        .remove("id");
    pool.script([Scenario {
        stall_after_events: Some(4),
        ..raw(&events)
    }]);
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut client = Client::connect(pool.address).await;
    let body = asked.to_string();
    client
        .send(&request("POST", "/v1/messages", &headers, body.as_bytes()))
        .await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "content_block_stop").await);
    drop(client);
    pool.until_clean().await;
}

/// Events as large as can be, for a client that does not read.
#[tokio::test]
async fn large_events_cost_no_memory_either() {
    let pool = Pool::serving(&["accounts:\n", &web("one", "plain", ""), WEB].concat());
    pool.said("any", &ask("web_text", true)).await;
    let memory = async || {
        let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        line.and_then(|value| value.parse::<f64>().ok())
            .expect("its memory") as u64
            / 1024
    };
    let before = memory().await;
    pool.script([Scenario {
        text_bytes: Some(40 << 20),
        count: Some(64),
        ..scripted("web_text", |_| {})
    }]);
    let secret = secret("any");
    let headers = [
        ("x-api-key", &*secret),
        ("content-type", "application/json"),
    ];
    let mut client = Client::connect(pool.address).await;
    let body = ask("web_text", true).to_string();
    client
        .send(&request("POST", "/v1/messages", &headers, body.as_bytes()))
        .await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "message_start").await);
    let mut last = (0, std::time::Instant::now());
    while last.1.elapsed() < std::time::Duration::from_millis(800) {
        let mut sent = 0;
        pool.mock
            .journal()
            .each(|entry| sent = sent.max(entry.events_sent));
        if sent != last.0 {
            last = (sent, std::time::Instant::now());
        }
        memory().await;
    }
    assert!(
        last.0 < 40,
        "the upstream was read to its end: {} events",
        last.0
    );
    let grown = memory().await.saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for one slow reader");
    client.rest(&mut answer).await;
    assert_eq!(answer.events().last().unwrap(), "message_stop");
    pool.until_clean().await;
}

/// An account's proxy is the only way to its surface, for every call.
#[tokio::test]
async fn every_call_goes_by_the_accounts_proxy() {
    let proxy = Socks::start("user", "pass-0123456789");
    let by = |password: &str| format!(", proxy: \"socks5://user:{password}@{}\"", proxy.address());
    let accounts = [
        web("one", "plain", &by("pass-0123456789")),
        web("wrong", "plain", &by("nope-0123456789")),
    ];
    let names = crate::gateway::keys(&[
        ("any", ", accounts: [one]"),
        ("wrong", ", accounts: [wrong]"),
    ]);
    let pool = Pool::serving(&["accounts:\n", &accounts.concat(), WEB, &names].concat());
    let mut asked = ask_tools("web_one_tool", true);
    asked["messages"][0]["content"] = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "text", "text": "[[mock:web_one_tool]]"},
    ]);
    let call = pool.said("any", &asked).await;
    pool.said("any", &call.answered(&asked, &["x"])).await;
    pool.until_clean().await;
    let calls = pool.web_calls();
    assert!(
        calls.contains(&"POST upload".to_owned()) && calls.contains(&"POST tool_result".to_owned())
    );
    assert_eq!(
        proxy.sent_to(),
        vec![pool.mock.address(); calls.len()],
        "{calls:?}"
    );

    let answer = pool.ask("wrong", ask("web_text", true).to_string()).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(pool.web_calls().len(), calls.len());
    for told in [answer.text(), pool.account("wrong").to_string(), pool.log()] {
        assert!(
            !told.contains("nope-0123456789") && !told.contains(&session("wrong", "plain")),
            "{told}"
        );
    }
}

/// A surface that repeats the cookie in what it says of a fault: nobody hears it.
#[tokio::test]
async fn a_cookie_that_is_repeated_is_hidden() {
    let cookie = session("one", "plain");
    for (status, told) in [(400, 400), (529, 529), (500, 502)] {
        let pool = Pool::serving(&["accounts:\n", &web("one", "plain", ""), WEB].concat());
        pool.script((0..6).map(|_| Scenario {
            message: Some(format!("no use of {cookie} here")),
            web: Some(troupe_mock::WebScenario::default()),
            ..Scenario::status(status)
        }));
        let answer = pool.ask("any", ask("web_text", true).to_string()).await;
        assert_eq!(answer.status, told, "{}", answer.text());
        let rows = pool.operate("request.tail", json!({})).unwrap().to_string();
        for heard in [
            answer.text(),
            pool.account("one").to_string(),
            rows,
            pool.log(),
        ] {
            assert!(
                !heard.contains(&cookie) && !heard.contains("0123456789"),
                "{heard}"
            );
        }
    }
}
