//! Callers' own upstream credentials: off, and on.

use troupe_mock::Scenario;

use crate::gateway::{Answer, Pool, api, message, request, secret, stream};

const OWN: &str = "own-upstream-credential-0123456789";

const ON: &str = "passthrough: { enabled: true, base_url: \"MOCK\" }\n";

async fn send(pool: &Pool, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    pool.raw(&request("POST", "/v1/messages", &all, body.as_bytes()))
        .await
}

#[tokio::test]
async fn off_by_default() {
    let pool = Pool::serving(&["accounts:\n", &api("a", "")].concat());
    let key = secret("any");
    let bearer = format!("Bearer {OWN}");
    for own in [("x-api-key", OWN), ("authorization", &*bearer)] {
        let answer = send(&pool, &[("x-troupe-key", &key), own], &message()).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (400, "invalid_request_error")
        );
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        // Instead of the gateway's key it is no key.
        let answer = send(&pool, &[own], &message()).await;
        assert_eq!(answer.status, 401);
    }
    assert!(pool.entries().is_empty());
    // The gateway's key may come in its own header; it goes nowhere.
    let answer = send(&pool, &[("x-troupe-key", &key)], &message()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(pool.asked(), ["a"]);
    assert_eq!(pool.entries()[0].header("x-troupe-key"), None);
    assert!(!pool.log().contains(OWN));
}

#[tokio::test]
async fn the_callers_credential_goes_up_as_it_came() {
    let pool = Pool::serving(&["accounts:\n", &api("a", ""), ON].concat());
    let key = secret("any");
    let bearer = format!("bEARER  {OWN}");
    let cases: [&[(&str, &str)]; 3] = [
        &[("x-api-key", OWN)],
        &[("authorization", &bearer)],
        &[("x-api-key", OWN), ("authorization", &bearer)],
    ];
    for own in cases {
        for body in [message(), stream()] {
            let mut headers = vec![("x-troupe-key", &*key), ("anthropic-beta", "b-1, c")];
            headers.extend(own);
            let answer = send(&pool, &headers, &body).await;
            assert_eq!(answer.status, 200, "{own:?}: {}", answer.text());
            let entry = pool.entries().pop().unwrap();
            for name in ["x-api-key", "authorization"] {
                let given = own.iter().find(|(given, _)| *given == name);
                assert_eq!(
                    entry.header(name),
                    given.map(|(_, value)| *value),
                    "{own:?}"
                );
            }
            assert_eq!(entry.header("anthropic-beta"), Some("b-1, c"));
            assert_eq!(entry.header("x-troupe-key"), None);
            assert_eq!(String::from_utf8_lossy(&entry.body), body);
            let all: Vec<u8> = entry
                .headers
                .iter()
                .flat_map(|(_, value)| value.to_vec())
                .collect();
            assert!(!String::from_utf8_lossy(&all).contains(&key));
        }
    }
    // A gateway key alone has nothing to pass through, and none at all is none.
    let answer = send(&pool, &[("x-troupe-key", &key)], &message()).await;
    assert_eq!(
        (answer.status, &*answer.error_type()),
        (401, "authentication_error")
    );
    let answer = send(
        &pool,
        &[
            ("x-troupe-key", "nonsense-key-0123456789"),
            ("x-api-key", OWN),
        ],
        &message(),
    )
    .await;
    assert_eq!(answer.status, 401);
    // The usual way goes on.
    let (answer, asked) = pool.tell("any", message()).await;
    assert_eq!((answer.status, asked), (200, vec!["a".to_owned()]));
}

/// A gateway key is never taken for an upstream credential: it would go up.
#[tokio::test]
async fn a_gateway_key_does_not_go_up() {
    let pool = Pool::serving(&["accounts:\n", &api("a", ""), ON].concat());
    let key = secret("any");
    let bearer = format!("Bearer {key}");
    let cases: [&[(&str, &str)]; 4] = [
        &[("x-api-key", &key)],
        &[("authorization", &bearer)],
        &[("x-api-key", OWN), ("authorization", &bearer)],
        &[("x-api-key", &key), ("authorization", OWN)],
    ];
    for own in cases {
        let mut headers = vec![("x-troupe-key", &*key)];
        headers.extend(own);
        let answer = send(&pool, &headers, &message()).await;
        assert_eq!(answer.status, 401, "{own:?}: {}", answer.text());
    }
    assert!(pool.entries().is_empty());
}

/// Whatever the upstream says of the caller's credential is the caller's: faults, limits and the organisation's too.
#[tokio::test]
async fn what_the_upstream_says_is_the_callers() {
    let pool = Pool::serving(&["accounts:\n", &api("a", ""), ON].concat());
    let key = secret("any");
    let own = [("x-troupe-key", &*key), ("x-api-key", OWN)];
    let limits = [
        ("anthropic-ratelimit-requests-remaining", "7"),
        ("anthropic-ratelimit-unified-status", "allowed_warning"),
        ("anthropic-ratelimit-unified-5h-utilization", "0.91"),
        ("retry-after", "3"),
    ];
    let headers: Vec<_> = limits
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    for status in [200, 400, 401, 402, 403, 404, 413, 429, 500, 503, 529] {
        for body in [message(), stream()] {
            pool.script([Scenario {
                headers: headers.clone(),
                ..Scenario::status(status)
            }]);
            let before = pool.entries().len();
            let answer = send(&pool, &own, &body).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(
                pool.entries().len(),
                before + 1,
                "{status}: nothing of the pool"
            );
            for (name, value) in limits {
                assert_eq!(answer.header(name), Some(value), "{status}");
            }
            if status != 200 {
                assert!(
                    answer.text().contains("scripted error"),
                    "{status}: {}",
                    answer.text()
                );
            }
        }
    }
    // Nothing was learnt about the pool's account.
    assert_eq!(pool.account("a")["state"], "active");
    assert_eq!(pool.account("a")["stats"]["platform_faults"], 0);
    for name in ["reset_before_head", "not_http", "redirect"] {
        pool.script([Scenario::named(name).unwrap()]);
        let answer = send(&pool, &own, &message()).await;
        assert!(
            [200, 302, 502].contains(&answer.status),
            "{name}: {answer:?}"
        );
        pool.mock.clear_script();
    }
}

/// The credential is in no log, no listing and no answer.
#[tokio::test]
async fn the_callers_credential_is_told_nobody() {
    let config = [
        "accounts:\n",
        &api("a", ""),
        ON,
        "telemetry: { log: { level: trace } }\n",
    ]
    .concat();
    let pool = Pool::serving(&config);
    let key = secret("any");
    for scenario in [
        "default",
        "status_401",
        "status_500",
        "reset_before_head",
        "truncate",
    ] {
        pool.script([Scenario::named(scenario).unwrap()]);
        let answer = send(
            &pool,
            &[("x-troupe-key", &key), ("x-api-key", OWN)],
            &stream(),
        )
        .await;
        assert!(!answer.text().contains(OWN), "{scenario}");
    }
    let metrics = pool
        .raw(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let listed = pool
        .operate("account.list", serde_json::json!({}))
        .unwrap()
        .to_string();
    for told in [pool.log(), metrics.text(), listed] {
        assert!(!told.contains(OWN) && !told.contains(&key), "{told}");
    }
}
