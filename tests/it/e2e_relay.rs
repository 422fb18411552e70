//! Paths that are relayed as they are: who may call them, and whose their resources are.

use serde_json::json;
use troupe_mock::Scenario;

use crate::gateway::{FILES, FIRST, PLAIN, SECOND, Stage, UNBOUND, message};

fn batch() -> String {
    json!({"requests": [{"custom_id": "a", "params": {"model": "claude-sonnet-5"}}]}).to_string()
}

/// The id of what a `POST` made.
async fn made(stage: &Stage, key: &str, target: &str, body: &str) -> String {
    let is_json = body.starts_with('{');
    let kind = if is_json {
        "application/json"
    } else {
        "text/plain"
    };
    let headers = [("x-api-key", key), ("content-type", kind)];
    let answer = stage.call("POST", target, &headers, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn status(stage: &Stage, key: &str, method: &str, target: &str) -> u16 {
    let headers = [("x-api-key", key)];
    stage.call(method, target, &headers, "").await.status
}

#[tokio::test]
async fn endpoints_of_a_key() {
    let stage = Stage::new();
    let table = [
        (PLAIN, "GET", "/v1/files", 400),
        (PLAIN, "POST", "/v1/messages/batches", 400),
        (PLAIN, "GET", "/v1/anything/at/all", 400),
        (FILES, "GET", "/v1/files", 200),
        (FILES, "GET", "/v1/files?limit=5", 200),
        (FILES, "GET", "/v1/messages/batches", 200),
        (FILES, "GET", "/v1/filesystem", 400),
        (FILES, "GET", "/v1/skills", 400),
        (UNBOUND, "GET", "/v1/files", 200),
        (UNBOUND, "GET", "/v1/skills", 404),
        (FIRST, "GET", "/v1/files", 403),
        (FIRST, "GET", "/v1/messages/batches", 403),
        (FIRST, "DELETE", "/v1/files", 403),
        (FIRST, "OPTIONS", "/v1/files", 403),
        (FIRST, "SEARCH", "/v1/files", 403),
    ];
    for (key, method, target, expected) in table {
        let answer = stage.call(method, target, &[("x-api-key", key)], "").await;
        assert_eq!(answer.status, expected, "{key} {target}: {}", answer.text());
        let is_own = answer.header("x-troupe-upstream-request-id").is_none();
        assert_eq!(is_own, matches!(expected, 400 | 403), "{key} {target}");
        if is_own {
            assert_eq!(answer.header("x-should-retry"), Some("false"));
        }
    }
}

/// A resource belongs to the key that made it, and to the account that holds it.
#[tokio::test]
async fn resources_stay_with_their_key_and_account() {
    let stage = Stage::of(2, "");
    for (target, body) in [("/v1/files", "a file"), ("/v1/messages/batches", &*batch())] {
        for _ in 0..3 {
            let id = made(&stage, FIRST, target, body).await;
            let one = format!("{target}/{id}");
            let owner = usize::from(stage.at(1).journal().last().is_some_and(|entry| {
                let last = stage.at(0).journal().last();
                last.is_none_or(|other| other.started_at < entry.started_at)
            }));
            for _ in 0..3 {
                assert_eq!(status(&stage, FIRST, "GET", &one).await, 200, "{one}");
                let entry = stage.at(owner).journal().last().unwrap();
                assert_eq!(entry.target, one, "the other account was asked");
            }
            assert_eq!(status(&stage, UNBOUND, "GET", &one).await, 200);
            let before = stage.reached();
            assert_eq!(status(&stage, SECOND, "GET", &one).await, 404);
            assert_eq!(status(&stage, SECOND, "DELETE", &one).await, 404);
            assert_eq!(
                status(&stage, SECOND, "POST", &format!("{one}/cancel")).await,
                404
            );
            assert_eq!(stage.reached(), before, "another key reached the upstream");
            assert_eq!(status(&stage, FIRST, "DELETE", &one).await, 200);
        }
    }
    assert_eq!(
        status(&stage, FIRST, "GET", "/v1/files/file_nobodys").await,
        404
    );
}

/// Ids in the body of a message count like those in a path.
#[tokio::test]
async fn a_message_may_only_name_its_keys_resources() {
    let stage = Stage::of(2, "");
    let id = made(&stage, FIRST, "/v1/files", "a file").await;
    let naming = |id: &str, member: &str| {
        message()
            .replace(
                "\"Hello\"",
                &json!([{"type": "document", "source": {"type": "file", "file_id": id}}])
                    .to_string(),
            )
            .replace("file_id", member)
    };
    let owner = stage.reached();
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        for member in ["file_id", "f\\u0069le_id"] {
            let body = naming(&id, member);
            let headers = [("x-api-key", SECOND)];
            let answer = stage.call("POST", path, &headers, &body).await;
            assert_eq!(
                (answer.status, &*answer.error_type()),
                (404, "not_found_error")
            );
            assert_eq!(stage.reached(), owner);
        }
    }
    let at = usize::from(owner[1] > 0);
    for asked in 1..=4 {
        assert_eq!(stage.post(naming(&id, "file_id")).await.status, 200);
        assert_eq!(
            stage.reached()[at],
            owner[at] + asked,
            "the other account was asked"
        );
    }
    // An id that nobody made here is the upstream's to judge.
    assert_eq!(
        stage.post(naming("file_unknown", "file_id")).await.status,
        200
    );
}

/// A client that has an id can use it at once: its owner is stored before the client sees it.
#[tokio::test]
async fn an_owner_is_known_before_the_id() {
    let stage = Stage::of(
        2,
        "storage: { url: \"sled:./data\" }\nsecrets: { key_file: ./master.key }",
    );
    for _ in 0..20 {
        let id = made(&stage, FIRST, "/v1/files", "x").await;
        assert_eq!(
            status(&stage, FIRST, "GET", &format!("/v1/files/{id}")).await,
            200
        );
    }
}

/// Answers to `POST` are relayed as they came, large and cut ones too.
#[tokio::test]
async fn answers_that_make_a_resource() {
    let stage = Stage::configured("streaming: { response_timeout: 1s }");
    let answers = |body: &str| Scenario {
        path: Some("/v1/beta/things".into()),
        body: Some(body.to_owned()),
        ..Scenario::default()
    };
    let large = format!(
        "{{\"id\":\"thing_1\",\"x\":\"{}\"}} \n",
        "y".repeat(3 << 20)
    );
    for body in [
        "{ \"id\" : \"thing_2\" , \"id2\":1.0}\n",
        "[]",
        "no JSON",
        "",
        &*large,
    ] {
        stage.mock().script([answers(body)]);
        let answer = stage
            .call("POST", "/v1/beta/things", &[("x-api-key", UNBOUND)], "{}")
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(
            answer.body == body.as_bytes(),
            "{} of {} bytes",
            answer.body.len(),
            body.len()
        );
    }
    stage.mock().script([Scenario {
        truncate_after_bytes: Some(5),
        ..answers(&large)
    }]);
    let answer = stage
        .call("POST", "/v1/beta/things", &[("x-api-key", UNBOUND)], "{}")
        .await;
    assert_eq!((answer.status, &*answer.error_type()), (502, "api_error"));
    stage.mock().script([Scenario {
        stall_after_events: Some(0),
        ..answers(&large)
    }]);
    let answer = stage
        .call("POST", "/v1/beta/things", &[("x-api-key", UNBOUND)], "{}")
        .await;
    assert_eq!(
        (answer.status, &*answer.error_type()),
        (504, "timeout_error")
    );
}

/// A body may be told to be of another type, marked, coded or broken: an upstream may read it all the same.
#[tokio::test]
async fn a_body_in_disguise_names_no_resources_of_others() {
    let stage = Stage::new();
    let id = made(&stage, FIRST, "/v1/files", "a file").await;
    let body = batch().replace("\"model\"", &format!("\"file_id\":\"{id}\",\"model\""));
    let body = body.as_str();
    let broken = [
        format!("\u{feff}{body}"),
        format!("[{body}]"),
        format!("{body} x"),
        body.replacen('{', "{\"a\":NaN,", 1),
        body.encode_utf16().fold(String::new(), |text, unit| {
            text + &char::from(unit as u8).to_string() + "\0"
        }),
    ];
    let json = ("content-type", "application/json");
    let (plain, data) = (
        ("content-type", "text/plain"),
        ("content-type", "application/octet-stream"),
    );
    let mut table = vec![
        (vec![json], body, 404),
        (vec![("content-type", "text/json")], body, 404),
        (vec![("content-type", "application/vnd.x+json")], body, 404),
        (vec![plain], body, 404),
        (vec![plain, json], body, 404),
        (vec![data], body, 404),
        (vec![json, ("content-encoding", "gzip")], "coded", 400),
    ];
    table.extend(broken.iter().map(|body| (vec![json], body.as_str(), 400)));
    table.extend(broken.iter().map(|body| (vec![plain], body.as_str(), 400)));
    let before = stage.reached();
    for (mut headers, body, expected) in table {
        headers.push(("x-api-key", SECOND));
        let answer = stage
            .call("POST", "/v1/messages/batches", &headers, body)
            .await;
        assert_eq!(answer.status, expected, "{headers:?} {body}");
    }
    assert_eq!(stage.reached(), before, "it reached the upstream");
}
