//! What goes wrong, at which call, and what it is taken for.

use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use troupe_core::account::{Scope, Verdict};
use troupe_mock::{MessageLimit, Scenario, WebScenario};

use super::stage::{Message, Stage, body};
use crate::web::{WebBody, WebFault, WebLimits};

fn is_throttled_for_about_an_hour(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Throttled { for_ms: Some(ms), scope: Scope::Account } if (3_500_000..=3_600_000).contains(ms))
}

#[tokio::test]
async fn every_call_is_read_by_the_same_signals() {
    let upload = json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]);
    let mut asked = body("web_thinking", true);
    asked["thinking"] = json!({"type": "adaptive"});
    asked["messages"][0]["content"] = upload;
    for at in [
        "organizations",
        "create",
        "settings",
        "upload",
        "completion",
    ] {
        for signal in [
            "challenged",
            "dead",
            "forbidden",
            "disabled",
            "limited",
            "overloaded",
        ] {
            let stage = Stage::with(&format!("sk-{signal}@{at}")).await;
            let fault = stage.open(&asked).await.unwrap_err();
            let is_right = match signal {
                "challenged" => fault.verdict == Verdict::Challenged,
                "dead" | "forbidden" => fault.verdict == Verdict::Unauthorized,
                "disabled" => {
                    matches!(&fault.verdict, Verdict::OutOfService { reason } if reason.contains("disabled"))
                }
                "limited" => {
                    is_throttled_for_about_an_hour(&fault.verdict) && fault.retry_after_s.is_some()
                }
                _ => fault.verdict == Verdict::Overloaded,
            };
            assert!(is_right, "{signal} at {at}: {fault:?}");
            assert!(![401, 403].contains(&fault.status));
            if matches!(fault.verdict, Verdict::Challenged | Verdict::Unauthorized) {
                // Nothing more was asked: not the redirect's target, not even the deletion.
                let last = stage.mock.journal().last().unwrap();
                assert!(
                    [302, 401, 403].contains(&last.status.unwrap()),
                    "{signal} at {at}"
                );
            } else {
                stage.all_is_clean().await;
            }
        }
    }
}

#[tokio::test]
async fn a_nonsense_limit_has_no_time() {
    for (signal, for_ms) in [
        ("limited_nonsense", None),
        ("limited_past", None),
        ("limited_plain", None),
        ("limited_huge", Some(crate::facts::RETRY_AFTER_MAX_MS)),
    ] {
        let stage = Stage::with(&format!("sk-{signal}@completion")).await;
        let fault = stage.open(&body("web_text", true)).await.unwrap_err();
        let scope = Scope::Account;
        assert_eq!(
            fault.verdict,
            Verdict::Throttled { for_ms, scope },
            "{signal}"
        );
    }
}

async fn cut(stage: &Stage, scenario: &str) -> (String, WebFault) {
    let answer = stage.open(&body(scenario, true)).await.unwrap();
    let WebBody::Stream(mut stream) = answer.body else {
        panic!("a stream was asked for");
    };
    let mut seen = String::new();
    loop {
        match stream.next().await.unwrap() {
            Ok(bytes) => seen += std::str::from_utf8(&bytes).unwrap(),
            Err(fault) => {
                assert!(stream.next().await.is_none());
                return (seen, fault);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_last() {
    let mut stage = Stage::with("sk-plain").await;
    for (scenario, verdict) in [
        ("web_mid_error", Verdict::Overloaded),
        ("web_cut", Verdict::Platform),
        ("web_early_end", Verdict::Platform),
        ("web_stall", Verdict::Unknown),
    ] {
        // The first piece goes out before the fault comes, unless both came at once.
        stage.mock.script([Scenario {
            web: Some(WebScenario::default()),
            event_delay_ms: 20,
            ..Scenario::named(scenario).unwrap()
        }]);
        if verdict == Verdict::Unknown {
            stage.limits.idle_ms = 200;
        }
        let (seen, fault) = cut(&stage, scenario).await;
        assert_eq!(fault.verdict, verdict, "{scenario}");
        assert!(seen.starts_with("event: message_start") && seen.ends_with("\n\n"));
        assert!(!seen.contains("message_stop"));
        let event = String::from_utf8(fault.event().to_vec()).unwrap();
        assert!(event.starts_with("event: error\ndata: {\"type\":\"error\""));
        stage.all_is_clean().await;
    }
    stage.limits = WebLimits::default();
    let fault = stage.open(&body("web_cut", false)).await.unwrap_err();
    assert_eq!(fault.verdict, Verdict::Platform);
    stage.all_is_clean().await;
}

#[tokio::test]
async fn a_limit_within_the_stream_is_the_accounts() {
    let stage = Stage::with("sk-plain").await;
    let fault = stage.open(&body("web_mid_limit", false)).await.unwrap_err();
    assert!(is_throttled_for_about_an_hour(&fault.verdict), "{fault:?}");

    for (limit, is_told) in [("approaching", false), ("exceeded", true)] {
        let answer = stage
            .open(&body(&format!("web_{limit}"), true))
            .await
            .unwrap();
        let notice = answer.limit.clone();
        let message = Message::read(answer).await;
        assert_eq!(message.stop_reason(), "end_turn");
        assert!(!message.names.contains(&"message_limit".to_owned()));
        let told = notice.verdict();
        assert_eq!(
            told.as_ref().is_some_and(is_throttled_for_about_an_hour),
            is_told
        );
    }
    assert_eq!(MessageLimit::default(), MessageLimit::WithinLimit);
    stage.all_is_clean().await;
}

#[tokio::test]
async fn what_is_too_slow_or_too_long_ends() {
    let mut stage = Stage::with("sk-plain").await;
    stage.limits.first_event_ms = 100;
    let fault = stage.open(&body("web_slow", true)).await.unwrap_err();
    assert_eq!((fault.verdict, fault.status), (Verdict::Unknown, 504));
    stage.limits = WebLimits {
        answer_max_bytes: 10_000,
        ..Default::default()
    };
    let (_, fault) = cut(&stage, "web_endless").await;
    assert_eq!(fault.verdict, Verdict::Platform);
    stage.all_is_clean().await;
}

#[tokio::test]
async fn an_upstream_that_is_gone_or_no_surface_is_the_platforms_fault() {
    let mut stage = Stage::with("sk-plain").await;
    for (at, answer) in [
        (
            "completion",
            Scenario {
                body: Some("<html>".into()),
                ..Scenario::status(200)
            },
        ),
        (
            "organizations",
            Scenario {
                body: Some("<html>".into()),
                ..Scenario::status(200)
            },
        ),
        ("create", Scenario::status(503)),
        ("create", Scenario::status(301)),
    ] {
        let at = serde_json::from_value(json!(at)).unwrap();
        let web = WebScenario {
            at: Some(at),
            ..WebScenario::default()
        };
        stage.mock.script([Scenario {
            web: Some(web),
            ..answer
        }]);
        let fault = stage.open(&body("web_text", true)).await.unwrap_err();
        assert_eq!(fault.verdict, Verdict::Platform, "{at:?}");
        stage.all_is_clean().await;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    stage.account.base = crate::base_url::BaseUrl::parse(&format!("http://{free}")).unwrap();
    let fault = stage.open(&body("web_text", true)).await.unwrap_err();
    assert_eq!(fault.verdict, Verdict::Platform);
    assert!(!fault.message.contains(&free.to_string()));
}

#[tokio::test]
async fn an_account_that_cannot_be_used_says_why() {
    for key in ["sk-noorgs", "sk-nochat", "sk-\u{7}bell"] {
        let stage = Stage::with(key).await;
        let fault = stage.open(&body("web_text", true)).await.unwrap_err();
        assert!(
            matches!(fault.verdict, Verdict::OutOfService { .. }),
            "{key}: {fault:?}"
        );
    }
}

#[tokio::test]
async fn no_answer_holds_the_cookie() {
    let stage = Stage::with("sk-plain-secret-secret").await;
    let said = "no sk-plain-secret-secret here";
    let answer = Scenario {
        message: Some(said.to_owned()),
        web: Some(WebScenario::default()),
        ..Scenario::status(400)
    };
    stage.mock.script([answer]);
    let fault = stage.open(&body("web_text", true)).await.unwrap_err();
    assert_eq!(fault.message, "no … here");
    assert!(!format!("{fault:?} {:?}", stage.account).contains("secret-secret"));
    let mid = Scenario {
        error: Some(troupe_mock::MidError {
            after_events: 2,
            kind: "api_error".to_owned(),
            message: said.to_owned(),
        }),
        web: Some(WebScenario::default()),
        ..Scenario::default()
    };
    stage.mock.script([mid]);
    let answer = stage.open(&body("web_text", true)).await;
    let told = match answer {
        Err(fault) => fault.message,
        Ok(answer) => match answer.body {
            WebBody::Stream(stream) => stream.try_collect::<Vec<_>>().await.unwrap_err().message,
            WebBody::Json(_) => panic!("a stream was asked for"),
        },
    };
    assert_eq!(told, "no … here");
}
