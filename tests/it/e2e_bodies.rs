//! Which bodies the log keeps, and what of them.

use serde_json::{Value, json};
use troupe_mock::Scenario;

use crate::gateway::{Answer, Client, Pool, api, message, request, secret, stream};
use crate::process::until;

const SECRET: &str = "sk-ant-api03-Zx81QwErTyUiOpAsDfGhJkLzXcVbNm0192837465-AA";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

fn pool(log: &str) -> Pool {
    Pool::serving(&config(log))
}

fn config(log: &str) -> String {
    format!("accounts:\n{}request_log: {{ {log} }}\n", api("a", ""))
}

fn id(answer: &Answer) -> &str {
    answer.header("request-id").expect("an id")
}

fn bodies(pool: &Pool, id: &str) -> Value {
    let shown = pool.operate("request.bodies", json!({"id": id}));
    shown.unwrap_or_else(|why| panic!("{why}\n{}", pool.log()))
}

fn saying(text: &str) -> String {
    json!({"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]})
        .to_string()
}

#[tokio::test]
async fn off_keeps_none_and_says_why() {
    let pool = pool("bodies: off");
    let answer = pool.ask("any", message()).await;
    let shown = bodies(&pool, id(&answer));
    let why = shown["why_none"].as_str().expect("a reason");
    assert!(why.contains("request_log.bodies is off"), "{why}");
    assert_eq!(shown["request"], Value::Null);
}

#[tokio::test]
async fn all_keeps_what_was_asked_and_what_the_client_got() {
    let pool = pool("bodies: all");
    let headers = [
        ("user-agent", "tester/1"),
        ("anthropic-version", "2023-06-01"),
        ("cookie", "a=b"),
    ];
    let answer = pool.ask_with("any", &headers, message()).await;
    let shown = bodies(&pool, id(&answer));
    assert_eq!(shown["kept_for"], "all");
    assert_eq!(shown["request"]["text"], message());
    assert_eq!(shown["response"]["text"], answer.text());
    assert_eq!(shown["response"]["length_bytes"], answer.text().len());
    let told = shown["request_headers"].to_string();
    assert!(
        told.contains("tester/1") && told.contains("anthropic-version"),
        "{told}"
    );
    assert!(
        !told.contains("cookie") && !told.contains(&secret("any")),
        "{told}"
    );

    let plain = Pool::serving(&config("bodies: off"));
    let script = || Scenario::text("a stream of words that is told in many pieces");
    let mut streams = Vec::new();
    for pool in [&pool, &plain] {
        pool.script([script()]);
        streams.push(pool.ask("any", stream()).await);
    }
    let types = |answer: &Answer| answer.events();
    assert_eq!(types(&streams[0]), types(&streams[1]));
    let shown = bodies(&pool, id(&streams[0]));
    assert_eq!(shown["response"]["text"], streams[0].text());
    assert_eq!(shown["response"]["cut"], false);
}

#[tokio::test]
async fn errors_keeps_those_that_did_not_go_well() {
    let pool = pool("bodies: errors");
    let well = pool.ask("any", stream()).await;
    assert_eq!(bodies(&pool, id(&well))["request"], Value::Null);

    // The upstream's error, the gateway's own refusals, and a stream that breaks off.
    pool.script([Scenario::status(400)]);
    let failed = pool.ask("any", message()).await;
    assert_eq!(failed.status, 400);
    let refused = pool.ask("any", "{\"model\":").await;
    assert_eq!(refused.status, 400);
    pool.script([Scenario {
        truncate_after_events: Some(4),
        ..Scenario::text("one two three four five")
    }]);
    let cut = pool.ask("any", stream()).await;
    for answer in [&failed, &refused, &cut] {
        let shown = bodies(&pool, id(answer));
        assert_eq!(shown["kept_for"], "errors", "{shown}");
        assert_eq!(shown["response"]["text"], answer.text(), "{shown}");
    }
    assert_eq!(
        bodies(&pool, id(&refused))["request"]["text"],
        "{\"model\":"
    );

    // A client that hangs up: what it got until then.
    pool.script([Scenario {
        endless: true,
        ..Scenario::default()
    }]);
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
            stream().as_bytes(),
        ))
        .await;
    let mut answer = client.head().await;
    assert!(client.until(&mut answer, "content_block_delta").await);
    let id = id(&answer).to_owned();
    drop(client);
    let kept = until(PATIENCE, || bodies(&pool, &id)["kept_for"] == "errors");
    assert!(kept, "{}", bodies(&pool, &id));
    let shown = bodies(&pool, &id);
    assert_eq!(shown["request"]["text"], stream());
    assert!(
        shown["response"]["text"]
            .as_str()
            .unwrap()
            .starts_with(answer.text().split("\n\n").next().unwrap())
    );
}

#[tokio::test]
async fn no_secret_is_in_what_is_stored() {
    let pool = pool("bodies: all, redact: [\"project [A-Z][a-z]+\"]");
    pool.script([Scenario::text(&format!(
        "your key is {SECRET} of project Falcon"
    ))]);
    let said = saying(&format!(
        "export KEY={SECRET} in project Falcon; {}",
        "QUJD".repeat(500)
    ));
    let answer = pool
        .ask(
            "any",
            said.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""),
        )
        .await;
    assert!(answer.text().contains("sk-ant"), "{}", answer.text());
    let shown = bodies(&pool, id(&answer)).to_string();
    for hidden in [SECRET, "Falcon", "Zx81", "VbNm", "QUJDQUJD"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    assert!(
        shown.contains("[redacted anthropic key]") && shown.contains("[redacted pattern]"),
        "{shown}"
    );
    assert!(shown.contains("[base64 1500 bytes sha256:"), "{shown}");
}

#[tokio::test]
async fn a_key_is_captured_for_a_while() {
    let pool = pool("bodies: off");
    let made = pool
        .operate("key.create", json!({"name": "ci"}))
        .expect("a key");
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let ask = || {
        let headers = [
            ("x-api-key", &*secret),
            ("content-type", "application/json"),
        ];
        let bytes = request("POST", "/v1/messages", &headers, message().as_bytes());
        let pool = &pool;
        async move { pool.raw(&bytes).await }
    };
    let kept = |answer: &Answer| bodies(&pool, id(answer))["kept_for"].clone();
    assert_eq!(kept(&ask().await), Value::Null);

    let capture = |time: &str| pool.operate("key.capture", json!({"name": "ci", "for": time}));
    let captured = capture("1h").expect("a key");
    assert!(captured["capture_until"].is_string(), "{captured}");
    assert_eq!(kept(&ask().await), "key");
    // Others are not.
    assert_eq!(kept(&pool.ask("any", message()).await), Value::Null);
    let shown = pool
        .operate("key.show", json!({"name": "ci"}))
        .expect("a key");
    assert_eq!(shown["capture_until"], captured["capture_until"]);

    pool.operate("key.capture", json!({"name": "ci"}))
        .expect("a key");
    assert_eq!(kept(&ask().await), Value::Null);
    capture("300ms").expect("a key");
    assert!(until(PATIENCE, || {
        let shown = pool
            .operate("key.show", json!({"name": "ci"}))
            .expect("a key");
        shown["capture_until"].is_null()
    }));
    assert_eq!(kept(&ask().await), Value::Null);

    assert!(capture("25h").unwrap_err().contains("at most 24h"));
    let declared = pool.operate("key.capture", json!({"name": "any", "for": "1h"}));
    assert!(declared.is_err(), "{declared:?}");
}

#[tokio::test]
async fn policies_change_while_requests_run() {
    let pool = pool("bodies: off");
    let policy = |log: &str, applied: usize| {
        pool.configure(&config(log));
        let log = || pool.log().matches("configuration reloaded").count();
        assert!(until(PATIENCE, || log() >= applied), "{}", pool.log());
    };
    let ask = async || {
        let answers = pool.burst(20, "any", &message()).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let kept = answers.iter().map(|answer| bodies(&pool, id(answer)));
        kept.filter(|kept| kept["kept_for"] == "all").count()
    };
    assert_eq!(ask().await, 0);
    policy("bodies: all", 1);
    assert_eq!(ask().await, 20);
    policy("bodies: off", 2);
    assert_eq!(ask().await, 0);

    // Without the log there is no row; usage goes on.
    policy("enabled: false, bodies: all", 3);
    let answer = pool.ask("any", message()).await;
    let why = pool
        .operate("request.show", json!({"id": id(&answer)}))
        .unwrap_err();
    assert!(why.contains("the log has no"), "{why}");
    assert_eq!(bodies(&pool, id(&answer))["request"], Value::Null);
    let shown = pool
        .operate("key.show", json!({"name": "any"}))
        .expect("a key");
    assert_eq!(shown["usage"]["requests"], 61, "{shown}");
    let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
    assert!(
        metrics.contains("troupe_log_bodies_dropped_total"),
        "{metrics}"
    );
}

#[tokio::test]
async fn large_bodies_take_bounded_memory() {
    let pool = pool("bodies: all, body_limit: 8MiB");
    let large = saying(&"large body ".repeat(200_000));
    let answers = pool.burst(40, "any", &large).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let last = answers.last().expect("an answer");
    bodies(&pool, id(last));
    let metrics = pool.raw(&request("GET", "/metrics", &[], b"")).await.text();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("{name} in {metrics}"))
    };
    assert!(value("troupe_log_bodies_held_bytes") <= f64::from(64 << 20));
    let kept = answers
        .iter()
        .filter(|answer| bodies(&pool, id(answer))["kept_for"] == "all");
    let dropped = value("troupe_log_bodies_dropped_total{why=\"memory\"}");
    assert_eq!(kept.count() as f64 + dropped, 40.0);
}

#[tokio::test]
async fn what_is_longer_than_kept_is_cut() {
    let pool = pool("bodies: all, body_limit: 100B");
    let answer = pool.ask("any", saying(&"words and ".repeat(50))).await;
    let shown = bodies(&pool, id(&answer));
    let request = &shown["request"];
    assert_eq!(
        (&request["cut"], request["text"].as_str().map(str::len)),
        (&Value::Bool(true), Some(100))
    );
    assert!(request["length_bytes"].as_u64() > Some(500), "{shown}");
}
