use troupe_core::account::{Auth, Unavailable};
use troupe_core::price::Tier;
use troupe_core::record::{Outcome, RequestRecord, Route, TokenUsage};
use troupe_core::routing::Strategy;
use troupe_core::{AccountId, KeyId, RequestId};

use super::*;

fn request() -> RequestInfo {
    let id = RequestId::parse("req_01m86vrjtxe5g9c2vcarc9zhbn").unwrap();
    let mut row = RequestRecord::begin(id, 1_795_526_773_597, Route::Messages);
    row.status = 200;
    row.outcome = Outcome::Completed;
    row.stream = true;
    row.key = Some(KeyId::declared("ci"));
    row.account = Some(AccountId::declared("b"));
    row.account_name = Some("b".into());
    row.auth = Some(Auth::ApiKey);
    row.model = Some("claude-haiku-4-5".into());
    row.choice = Some(Choice::new(
        ChosenBy::Strategy,
        Strategy::LeastUtilized,
        2,
        1,
    ));
    row.passed_over = vec![
        PassedOver::new(&"a".into(), &Unavailable::Tried),
        PassedOver::new(
            &"c".into(),
            &Unavailable::Throttled {
                until_ms: 1_795_526_999_000,
            },
        ),
    ];
    row.passed_over_more = 7;
    row.attempts = 2;
    row.failed = vec![FailedAttempt {
        account: "a".into(),
        auth: Auth::Oauth,
        status: Some(529),
        error: "upstream answered 529".into(),
        began_us: 1_250,
        took_us: 20_000,
    }];
    row.usage = TokenUsage {
        input: 23,
        output: 16,
        cache_read: 100,
        cache_write_5m: 5,
        ..TokenUsage::default()
    };
    row.cost_micro_usd = 103;
    row.first_event_us = Some(22_705);
    row.gateway_us = 1_483;
    row.duration_us = 30_186;
    row.upstream_status = Some(200);
    row.upstream_request_id = Some("req_upstream".into());
    RequestInfo {
        row,
        key_name: Some("ci".into()),
    }
}

#[test]
fn all_that_is_known_is_told() {
    insta::assert_snapshot!(told(&request()));
}

#[test]
fn little_is_told_of_what_was_refused() {
    let id = RequestId::parse("req_01m86vrjtxe5g9c2vcarc9zhbn").unwrap();
    let mut row = RequestRecord::begin(id, 0, Route::Other);
    row.status = 401;
    row.outcome = Outcome::Refused;
    row.error = Some("no key\x1b[2J".into());
    let request = RequestInfo {
        row,
        key_name: None,
    };
    insta::assert_snapshot!(told(&request));
    assert_eq!(super::row(&request)[2..5], ["-", "-", "-"]);
}

#[test]
fn an_unusual_price_is_explained() {
    let mut request = request();
    request.row.priced_as = Some("claude-haiku-4-5".into());
    request.row.service_tier = Some(Tier::Batch);
    assert_eq!(
        cost(&request),
        "0.000103 USD, as claude-haiku-4-5, which answered, in the batch tier"
    );
    request.row.priced_as = None;
    request.row.service_tier = None;
    request.row.unpriced = true;
    assert_eq!(
        cost(&request),
        "0.000103 USD, as the dearest known model: the price of this one is unknown"
    );
}

#[test]
fn a_line_says_when_it_ended() {
    let row = row(&request());
    assert_eq!(row.len(), HEADING.len());
    assert_eq!(row[0], "2026-11-24T13:26:13Z");
    assert_eq!(row[8..], ["128/16", "30.1 ms"]);
}
