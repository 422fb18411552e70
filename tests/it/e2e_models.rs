//! `count_tokens` and the list of models: answered whatever the upstreams do.

use serde_json::Value;
use troupe_mock::Scenario;

use crate::gateway::{Setup, Stage, message};

const COUNT: &str = "/v1/messages/count_tokens";

#[tokio::test]
async fn tokens_are_counted_upstream_or_estimated() {
    let mut stage = Stage::new();
    let answer = stage.call("POST", COUNT, &[], message()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-troupe-estimated"), None);
    assert!(answer.json()["input_tokens"].is_u64());

    stage.stop_mock(0).await;
    for bytes in [10, 4_000] {
        let body = message().replace("Hello", &"x".repeat(bytes));
        let answer = stage.call("POST", COUNT, &[], &body).await;
        assert_eq!(
            (answer.status, answer.header("x-troupe-estimated")),
            (200, Some("true"))
        );
        let tokens = answer.json()["input_tokens"].as_u64().unwrap() as usize;
        assert!((bytes / 5..bytes / 2 + 100).contains(&tokens), "{tokens}");
    }
}

/// Neither faults of accounts nor an endpoint that cannot count keep a client from a number; what
/// is wrong with its request it is told.
#[tokio::test]
async fn counting_and_faults() {
    let no_such_path = Scenario {
        body: Some("<html>Not Found</html>".into()),
        headers: vec![("content-type".into(), "text/html".into())],
        ..Scenario::status(404)
    };
    let table = [
        (Scenario::named("status_401").unwrap(), 200, true),
        (Scenario::named("credit").unwrap(), 200, true),
        (Scenario::named("reset_before_head").unwrap(), 200, true),
        (no_such_path, 200, true),
        (Scenario::status(405), 200, true),
        (Scenario::status(501), 200, true),
        (Scenario::status(404), 404, false),
        (Scenario::status(400), 400, false),
        (Scenario::status(413), 413, false),
    ];
    for (scenario, status, is_estimated) in table {
        let stage = Stage::new();
        let shown = format!("{:?} {:?}", scenario.status, scenario.name);
        let path = Some(COUNT.to_owned());
        stage.mock().script([Scenario { path, ..scenario }]);
        let answer = stage.call("POST", COUNT, &[], message()).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert_eq!(
            answer.header("x-troupe-estimated").is_some(),
            is_estimated,
            "{shown}"
        );
    }
}

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a list");
    data.iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

/// From memory, with every upstream down, without a redirect, in both shapes that SDKs read.
#[tokio::test]
async fn models_come_from_memory() {
    let mut stage = Stage::start(Setup {
        sections: "models: { aliases: { fast: claude-haiku-4-5 } }".into(),
        account: ", models: { vendor-claude: x }".into(),
        ..Setup::default()
    });
    stage.stop_mock(0).await;
    let answer = stage.get("/v1/models?limit=1000").await;
    assert_eq!(answer.status, 200);
    let page = answer.json();
    assert_eq!(
        (&page["object"], &page["has_more"]),
        (&"list".into(), &false.into())
    );
    let all = ids(&page);
    for id in ["fast", "vendor-claude", "claude-sonnet-5"] {
        assert!(all.iter().any(|known| known == id), "{id} of {all:?}");
    }
    assert_eq!(
        (&page["first_id"], &page["last_id"]),
        (&(*all[0]).into(), &(**all.last().unwrap()).into())
    );
    for model in page["data"].as_array().unwrap() {
        assert_eq!(
            (&model["type"], &model["object"]),
            (&"model".into(), &"model".into())
        );
        for (name, is_right) in [
            ("display_name", model["display_name"].is_string()),
            ("created_at", model["created_at"].is_string()),
            ("created", model["created"].is_u64()),
            ("owned_by", model["owned_by"].is_string()),
        ] {
            assert!(is_right, "{name} of {model}");
        }
        let one = stage
            .get(&format!("/v1/models/{}", model["id"].as_str().unwrap()))
            .await;
        assert_eq!((one.status, one.json()), (200, model.clone()));
    }
    let none = stage.get("/v1/models/claude-none").await;
    assert_eq!((none.status, &*none.error_type()), (404, "not_found_error"));
}

#[tokio::test]
async fn models_come_in_pages() {
    let stage = Stage::new();
    let all = ids(&stage.get("/v1/models?limit=1000").await.json());
    let mut walked = Vec::new();
    let mut target = "/v1/models?limit=2".to_owned();
    loop {
        let page = stage.get(&target).await.json();
        walked.extend(ids(&page));
        if page["has_more"] == false {
            break;
        }
        target = format!(
            "/v1/models?limit=2&after_id={}",
            page["last_id"].as_str().unwrap()
        );
    }
    assert_eq!(walked, all);
    let before = stage
        .get(&format!("/v1/models?limit=1&before_id={}", all[2]))
        .await
        .json();
    assert_eq!(ids(&before), all[1..2]);
    for query in ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit="] {
        let answer = stage.get(&format!("/v1/models?{query}")).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (400, "invalid_request_error"),
            "{query}"
        );
    }
}
