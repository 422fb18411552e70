//! The table of the contract.

use super::*;

fn id() -> RequestId {
    RequestId(uuid::Uuid::from_u128(1))
}

#[test]
fn the_table_of_the_contract() {
    let credential = Problem::Credential("invalid key".into());
    let none = Problem::NoAccount {
        why: "all disabled".into(),
        retry_after_s: None,
    };
    let table = [
        (credential, 401, "authentication_error", None, true),
        (
            Problem::NotAllowed("m".into()),
            400,
            "invalid_request_error",
            None,
            true,
        ),
        (
            Problem::Forbidden("m".into()),
            403,
            "permission_error",
            None,
            true,
        ),
        (
            Problem::Address { from: None },
            403,
            "permission_error",
            None,
            true,
        ),
        (
            Problem::Invalid("m".into()),
            400,
            "invalid_request_error",
            None,
            false,
        ),
        (
            Problem::BodyTooLarge { limit_bytes: 1 },
            413,
            "request_too_large",
            None,
            false,
        ),
        (
            Problem::NotFound("m".into()),
            404,
            "not_found_error",
            None,
            false,
        ),
        (
            Problem::Method { allow: "POST" },
            405,
            "invalid_request_error",
            None,
            false,
        ),
        (
            Problem::QueueFull { key: "k".into() },
            429,
            "rate_limit_error",
            Some("1"),
            false,
        ),
        (
            Problem::Throttled { for_ms: 22_001 },
            429,
            "rate_limit_error",
            Some("23"),
            false,
        ),
        (
            Problem::Throttled { for_ms: 61_000 },
            429,
            "rate_limit_error",
            Some("61"),
            true,
        ),
        (none, 503, "api_error", None, true),
        (
            Problem::Unreachable("m".into()),
            502,
            "api_error",
            None,
            false,
        ),
        (
            Problem::TimedOut("first event"),
            504,
            "timeout_error",
            None,
            false,
        ),
        (
            Problem::Overloaded("bodies"),
            503,
            "api_error",
            Some("1"),
            false,
        ),
    ];
    for (problem, status, kind, retry_after, final_answer) in table {
        let answer = problem.answer(id(), Manner::default());
        assert_eq!(
            (answer.status().as_u16(), problem.kind()),
            (status, kind),
            "{problem:?}"
        );
        let header = |name: &HeaderName| answer.headers().get(name).and_then(|v| v.to_str().ok());
        assert_eq!(header(&RETRY_AFTER), retry_after, "{problem:?}");
        assert_eq!(header(&SHOULD_RETRY).is_some(), final_answer, "{problem:?}");
    }
}

#[test]
fn the_row_says_from_where() {
    let problem = Problem::Address {
        from: "203.0.113.9".parse().ok(),
    };
    assert!(!problem.message().contains("203.0.113.9"));
    assert!(problem.detail().contains("203.0.113.9"));
}

#[test]
fn clients_are_not_told_where_the_store_is() {
    let problem = Problem::Store("cannot connect to db.internal".into());
    assert!(!problem.message().contains("db.internal"));
    assert!(problem.detail().contains("db.internal"));
}
