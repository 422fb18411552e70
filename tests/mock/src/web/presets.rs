//! Scenarios of the web-session surface by name; the table stands in `web.rs`.

use std::time::Duration;

use serde_json::{Value, json};

use super::scenario::{MessageLimit, WebScenario};
use crate::clock;
use crate::scenario::{MidError, Scenario};

const HOUR: Duration = Duration::from_secs(3_600);

/// Finds a preset by its name, `web_` included.
pub(crate) fn find(name: &str) -> Option<Scenario> {
    let name = name.strip_prefix("web_")?;
    let mut scenario = turn(name)
        .map(with)
        .or_else(|| fault(name))
        .or_else(|| refusal(name))?;
    scenario.web.get_or_insert_default();
    Some(scenario)
}

fn with(web: WebScenario) -> Scenario {
    let is_long = web.awkward;
    Scenario {
        web: Some(web),
        text: is_long.then(|| "schöne Wörter 😀 ".repeat(400)),
        count: is_long.then_some(200),
        ..Scenario::default()
    }
}

/// What a completion consists of.
fn turn(name: &str) -> Option<WebScenario> {
    let base = WebScenario::default();
    let limit = |message_limit| WebScenario {
        message_limit,
        resets_at: Some(clock::unix_seconds(HOUR)),
        no_thinking: true,
        ..WebScenario::default()
    };
    Some(match name {
        "text" => WebScenario {
            no_thinking: true,
            ..base
        },
        "thinking" => base,
        "one_tool" => WebScenario {
            tools: vec![1],
            ..base
        },
        "two_tools" => WebScenario {
            tools: vec![2],
            preamble: true,
            ..base
        },
        "tool_chain" => WebScenario {
            tools: vec![1, 1],
            ..base
        },
        "long" => WebScenario {
            awkward: true,
            ..base
        },
        "stop_bait" => WebScenario {
            bait: Some("HALT".to_owned()),
            ..base
        },
        "unknown" => WebScenario {
            unknown: true,
            ..base
        },
        "approaching" => limit(MessageLimit::ApproachingLimit),
        "exceeded" => limit(MessageLimit::ExceededLimit),
        _ => return None,
    })
}

/// How its stream breaks.
fn fault(name: &str) -> Option<Scenario> {
    let base = Scenario::default();
    let error = |kind: &str, message: &str| {
        Some(MidError {
            after_events: 4,
            kind: kind.to_owned(),
            message: message.to_owned(),
        })
    };
    Some(match name {
        "mid_error" => Scenario {
            error: error("overloaded_error", "Overloaded"),
            ..base
        },
        "mid_limit" => Scenario {
            error: error("rate_limit_error", "Message limit reached"),
            web: Some(WebScenario {
                resets_at: Some(clock::unix_seconds(HOUR)),
                ..WebScenario::default()
            }),
            ..base
        },
        "cut" => Scenario {
            truncate_after_events: Some(4),
            ..base
        },
        "early_end" => Scenario {
            end_after_events: Some(4),
            ..base
        },
        "slow" => Scenario {
            first_event_delay_ms: 2_000,
            ..base
        },
        "stall" => Scenario {
            stall_after_events: Some(4),
            ..base
        },
        "endless" => Scenario {
            endless: true,
            ..base
        },
        _ => return None,
    })
}

/// What is answered instead.
fn refusal(name: &str) -> Option<Scenario> {
    let refuse = |status, message: &str| Scenario {
        message: Some(message.to_owned()),
        ..Scenario::status(status)
    };
    let limited = |resets_at: Value| {
        let limit = json!({"type": "exceeded_limit", "resetsAt": resets_at, "remaining": null,
            "perModelLimit": false});
        refuse(429, &limit.to_string())
    };
    Some(match name {
        "challenged" => Scenario {
            headers: vec![("location".to_owned(), "/challenge".to_owned())],
            ..Scenario::status(302)
        },
        "dead" => refuse(401, "Session expired"),
        "forbidden" => refuse(403, "Invalid authorization"),
        "disabled" => refuse(400, "This organization has been disabled."),
        "limited" => limited(json!(clock::unix_seconds(HOUR))),
        "limited_nonsense" => limited(json!("tomorrow")),
        "limited_huge" => limited(json!(clock::unix_seconds(HOUR) * 1_000)),
        "limited_past" => limited(json!(1_000_000_000)),
        "limited_plain" => refuse(429, "Too many messages, slow down"),
        "overloaded" => refuse(529, "Overloaded"),
        _ => return None,
    })
}
