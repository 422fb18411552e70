//! Faults before the first event: what the client is told, and which account is asked next.

use std::time::Duration;

use troupe_mock::Scenario;

use crate::{
    gateway::{Account, Setup, Stage, message, stream},
    process,
};

fn named(name: &str) -> Scenario {
    Scenario::named(name).unwrap_or_else(|| panic!("a scenario {name}"))
}

fn with_header(name: &str, value: &str, scenario: Scenario) -> Scenario {
    let headers = vec![(name.to_owned(), value.to_owned())];
    Scenario {
        headers,
        ..scenario
    }
}

/// What one account alone means for the client: the status, `error.type`, and whether the body is
/// the upstream's.
#[tokio::test]
async fn one_account_alone() {
    let table = [
        ("status_400", 400, "invalid_request_error", true),
        ("prompt_too_long", 400, "invalid_request_error", true),
        ("status_404", 404, "not_found_error", true),
        ("status_413", 413, "request_too_large", true),
        ("status_422", 422, "invalid_request_error", true),
        ("status_429", 429, "rate_limit_error", true),
        ("spend_limit", 429, "rate_limit_error", true),
        ("status_500", 500, "api_error", true),
        ("html", 502, "", true),
        ("status_503", 503, "api_error", true),
        ("status_504", 504, "timeout_error", true),
        ("status_529", 529, "overloaded_error", true),
        ("status_401", 503, "api_error", false),
        ("status_402", 503, "api_error", false),
        ("status_403", 503, "api_error", false),
        ("credit", 503, "api_error", false),
        ("disabled", 503, "api_error", false),
        ("redirect", 502, "api_error", false),
        ("not_http", 502, "api_error", false),
        ("reset_before_head", 502, "api_error", false),
        ("close_before_head", 502, "api_error", false),
    ];
    for (name, status, kind, is_relayed) in table {
        for ask in [message(), stream()] {
            let stage = Stage::new();
            // An overload that has no other account to go to is tried there again.
            let sends = if status == 529 { 3 } else { 1 };
            stage.mock().script(std::iter::repeat_n(named(name), sends));
            let answer = stage.post(ask).await;
            assert_eq!(
                (answer.status, &*answer.error_type()),
                (status, kind),
                "{name}: {}",
                answer.text()
            );
            assert_eq!(stage.reached(), [sends], "{name}");
            let text = answer.text();
            let is_own = answer.header("x-troupe-upstream-request-id").is_none();
            assert_eq!(is_own, !is_relayed, "{name}");
            assert!(
                !text.contains("x-api-key") && !text.contains("upstream-key"),
                "{text}"
            );
            if !is_relayed && status == 503 {
                assert!(text.contains("no account available"), "{text}");
                let told = answer
                    .header("retry-after")
                    .or(answer.header("x-should-retry"));
                assert!(told.is_some(), "{name}");
            }
        }
    }
}

/// Relayed errors keep their bytes, whatever they are.
#[tokio::test]
async fn the_last_error_is_relayed_unmodified() {
    let body = "{\"type\":\"error\", \"error\":{\"message\":\"Input is too long.\",\"type\":\"x\"},\"n\":1.0}\r\n";
    for status in [400, 404, 409, 413, 429, 500, 502, 503, 529] {
        let stage = Stage::of(2, "");
        let scenario = Scenario {
            body: Some(body.to_owned()),
            headers: vec![
                ("retry-after".into(), "7".into()),
                ("x-should-retry".into(), "true".into()),
                ("content-type".into(), "application/json; odd".into()),
            ],
            ..Scenario::status(status)
        };
        stage.script_all(&scenario);
        if status == 529 {
            stage.script_all(&scenario);
        }
        let answer = stage.post(message()).await;
        assert_eq!((answer.status, &*answer.text()), (status, body));
        for (name, value) in &scenario.headers {
            assert_eq!(answer.header(name), Some(&**value), "{status} {name}");
        }
        let tries = match status {
            400 | 409 | 413 => 1,
            529 => 3,
            _ => 2,
        };
        assert_eq!(stage.reached().iter().sum::<usize>(), tries, "{status}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    Used,
    /// Out, or put behind the others.
    Unused,
    /// A probe decides.
    Either,
}

/// With a second account at hand the client sees nothing of the first one's faults.
#[tokio::test]
async fn the_next_account_takes_over() {
    use After::{Either, Unused, Used};
    let table = [
        ("credit", 200, Unused),
        ("disabled", 200, Unused),
        ("status_401", 200, Either),
        ("status_402", 200, Unused),
        ("status_403", 200, Unused),
        ("status_404", 200, Unused),
        ("rate_limited", 200, Unused),
        ("status_429", 200, Unused),
        ("spend_limit", 200, Unused),
        ("status_500", 200, Unused),
        ("html", 200, Unused),
        ("status_529", 200, Unused),
        ("redirect", 200, Unused),
        ("reset_before_head", 200, Either),
        ("close_before_head", 200, Either),
        ("stall_after_head", 504, Either),
        ("status_400", 400, Used),
        ("prompt_too_long", 400, Used),
        ("status_413", 413, Used),
        ("not_http", 502, Either),
    ];
    for (name, status, after) in table {
        let stage = Stage::of(2, "streaming: { first_event_timeout: 300ms }");
        stage.at(0).script([named(name)]);
        let mut seen = Vec::new();
        while stage.at(0).scripted() > 0 {
            seen.push(stage.post(stream()).await.status);
            assert!(seen.len() < 4, "{name}: the first account is never asked");
        }
        assert_eq!(seen.pop(), Some(status), "{name}");
        let before = stage.reached();
        assert_eq!(before[0], 1, "{name}");
        assert_eq!(before[1], seen.len() + usize::from(status == 200), "{name}");
        for _ in 0..4 {
            assert_eq!(stage.post(stream()).await.status, 200, "{name}");
        }
        let used = stage.reached()[0] > before[0];
        match after {
            Used => assert!(used, "{name} touched the account"),
            Unused => assert!(!used, "{name} left the account in use"),
            Either => {}
        }
    }
}

#[tokio::test]
async fn a_throttled_account_rests_until_its_end() {
    let stage = Stage::new();
    stage.mock().script([named("rate_limited")]);
    let relayed = stage.post(message()).await;
    assert_eq!(relayed.status, 429);
    assert_eq!(relayed.header("retry-after"), Some("2"));

    let own = stage.post(message()).await;
    assert_eq!((own.status, &*own.error_type()), (429, "rate_limit_error"));
    let seconds: u64 = own.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    assert_eq!(own.json()["retry_after"], seconds);
    assert_eq!(stage.reached(), [1]);

    let mut last = own;
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while last.status != 200 && std::time::Instant::now() < end {
        last = stage.post(message()).await;
    }
    assert_eq!((last.status, stage.reached()), (200, vec![2]));
}

/// The earliest end of two counts; above a minute SDKs are told not to sleep.
#[tokio::test]
async fn all_accounts_throttled() {
    let stage = Stage::of(2, "");
    for (index, seconds) in ["900", "70"].iter().enumerate() {
        let scenario = with_header("retry-after", seconds, Scenario::status(429));
        stage.at(index).script([scenario]);
    }
    assert_eq!(stage.post(message()).await.status, 429);
    let own = stage.post(message()).await;
    assert_eq!((own.status, &*own.error_type()), (429, "rate_limit_error"));
    let seconds: u64 = own.header("retry-after").unwrap().parse().unwrap();
    assert!((60..=70).contains(&seconds), "{seconds}");
    assert_eq!(own.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn an_unreachable_upstream() {
    let nobody = || Account::at(format!("http://{}", process::free_address()));
    let alone = Stage::start(Setup {
        mocks: Some(0),
        accounts: vec![nobody()],
        ..Setup::default()
    });
    let answer = alone.post(message()).await;
    assert_eq!((answer.status, &*answer.error_type()), (502, "api_error"));

    let stage = Stage::start(Setup {
        accounts: vec![nobody()],
        ..Setup::default()
    });
    for _ in 0..3 {
        assert_eq!(stage.post(message()).await.status, 200);
    }
    assert_eq!(stage.reached(), [3]);
}

#[tokio::test]
async fn without_an_account() {
    let stage = Stage::of(0, "");
    let answer = stage.post(message()).await;
    assert_eq!((answer.status, &*answer.error_type()), (503, "api_error"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert!(answer.text().contains("no account available"));
}

/// After the body was sent a timeout is unknown: another account is never asked.
#[tokio::test]
async fn a_timeout_is_never_repeated() {
    let sections = "streaming: { first_event_timeout: 300ms, response_timeout: 300ms }";
    for (name, ask) in [
        ("stall_before_head", stream()),
        ("stall_after_head", stream()),
        ("stall_before_head", message()),
    ] {
        let stage = Stage::of(2, sections);
        stage.script_all(&named(name));
        let answer = stage.post(&ask).await;
        assert_eq!(
            (answer.status, &*answer.error_type()),
            (504, "timeout_error"),
            "{name}"
        );
        assert_eq!(stage.reached().iter().sum::<usize>(), 1, "{name}");
        for at in [0, 1] {
            let left = |entries: &[troupe_mock::Entry]| entries.iter().all(|e| e.is_over());
            stage.at(at).journal().wait_for(left).await.unwrap();
        }
    }
}

/// A reset of a re-used connection is repeated on the same account, any other once elsewhere.
#[tokio::test]
async fn a_reset_is_repeated_at_most_once() {
    let stage = Stage::new();
    assert_eq!(stage.post(message()).await.status, 200);
    stage.mock().script([named("reset_before_head")]);
    assert_eq!(
        stage.post(message()).await.status,
        200,
        "a re-used connection"
    );
    assert_eq!(stage.reached(), [3]);

    let stage = Stage::of(3, "");
    stage.script_all(&named("reset_before_head"));
    let answer = stage.post(message()).await;
    assert_eq!((answer.status, &*answer.error_type()), (502, "api_error"));
    assert_eq!(stage.reached().iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn no_more_attempts_than_configured() {
    let stage = Stage::of(4, "routing: { max_attempts: 2 }");
    stage.script_all(&named("status_529"));
    assert_eq!(stage.post(message()).await.status, 529);
    assert_eq!(stage.reached().iter().sum::<usize>(), 2);
}
