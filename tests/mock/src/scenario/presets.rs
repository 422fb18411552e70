//! Scenarios by name, for clients that can only choose a model's name or a text.

use super::{Events, Framing, LineEnd, MidError, Scenario, Split, overloaded, overloaded_message};

/// Finds a preset; the name is kept for the journal.
pub(super) fn find(name: &str) -> Option<Scenario> {
    let mut scenario = message(name)
        .or_else(|| stream(name))
        .or_else(|| fault(name))
        .or_else(|| refusal(name))
        .or_else(|| crate::web::presets::find(name))
        .or_else(|| crate::oauth::presets::find(name))?;
    scenario.name = Some(name.to_owned());
    Some(scenario)
}

/// What the message consists of.
fn message(name: &str) -> Option<Scenario> {
    let events = match name {
        "default" => return Some(Scenario::default()),
        "text" => Events::Text,
        "tool_use" => Events::ToolUse,
        "parallel_tools" => Events::ParallelTools,
        "thinking" => Events::Thinking,
        "unknown" => Events::Unknown,
        "everything" => Events::Everything,
        _ => return None,
    };
    Some(Scenario {
        events: Some(events),
        ..Default::default()
    })
}

/// How it is sent.
fn stream(name: &str) -> Option<Scenario> {
    let base = Scenario::default();
    Some(match name {
        "crlf" => Scenario {
            line_end: LineEnd::Crlf,
            ..base
        },
        "cr" => Scenario {
            line_end: LineEnd::Cr,
            ..base
        },
        "every_byte" => Scenario {
            split: Split::Bytes(1),
            ..base
        },
        "burst" => Scenario {
            split: Split::Whole,
            count: Some(64),
            ..base
        },
        "paced" => Scenario {
            event_delay_ms: 20,
            count: Some(64),
            ..base
        },
        "slow" => Scenario {
            event_delay_ms: 200,
            count: Some(50),
            ..base
        },
        "slow_first_byte" => Scenario {
            first_byte_delay_ms: 2_000,
            ..base
        },
        "pings" => Scenario {
            leading_pings: 2,
            pings: Some(5),
            ..base
        },
        "endless" => Scenario {
            endless: true,
            ..base
        },
        "json_for_stream" => Scenario { json: true, ..base },
        "close_delimited" => Scenario {
            framing: Framing::Close,
            ..base
        },
        "content_length" => Scenario {
            framing: Framing::ContentLength,
            ..base
        },
        "hostile_headers" => Scenario {
            headers: pairs(&[
                ("set-cookie", "session=mock; Path=/"),
                ("alt-svc", "h3=\":443\"; ma=86400"),
                ("strict-transport-security", "max-age=31536000"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
            ]),
            ..base
        },
        _ => return None,
    })
}

/// How it breaks.
fn fault(name: &str) -> Option<Scenario> {
    let base = Scenario::default();
    Some(match name {
        "mid_error" => {
            let error = MidError {
                after_events: 4,
                kind: overloaded(),
                message: overloaded_message(),
            };
            Scenario {
                error: Some(error),
                ..base
            }
        }
        "early_end" => Scenario {
            end_after_events: Some(4),
            ..base
        },
        "truncate" => Scenario {
            truncate_after_events: Some(4),
            ..base
        },
        "reset" => Scenario {
            reset_after_events: Some(4),
            ..base
        },
        "reset_before_head" => Scenario {
            reset_before_head: true,
            ..base
        },
        "close_before_head" => Scenario {
            close_before_head: true,
            ..base
        },
        "stall" => Scenario {
            stall_after_events: Some(4),
            ..base
        },
        "stall_before_head" => Scenario {
            stall_before_head: true,
            ..base
        },
        "stall_after_head" => Scenario {
            stall_after_events: Some(0),
            ..base
        },
        "not_http" => Scenario {
            raw: Some("SSH-2.0-mock\r\n".to_owned()),
            ..base
        },
        "short_body" => Scenario {
            framing: Framing::ContentLength,
            ..truncated(20)
        },
        _ => return None,
    })
}

fn truncated(bytes: usize) -> Scenario {
    Scenario {
        truncate_after_bytes: Some(bytes),
        ..Default::default()
    }
}

/// What is answered instead of a message.
fn refusal(name: &str) -> Option<Scenario> {
    if let Some(status) = name.strip_prefix("status_") {
        let status = status
            .parse()
            .ok()
            .filter(|status| (200..=599).contains(status))?;
        return Some(Scenario::status(status));
    }
    let with = |status, message: &str| Scenario {
        message: Some(message.to_owned()),
        ..Scenario::status(status)
    };
    Some(match name {
        "overloaded" => Scenario::status(529),
        "rate_limited" => Scenario {
            headers: pairs(&[("retry-after", "2")]),
            ..Scenario::status(429)
        },
        "spend_limit" => Scenario {
            error_code: Some("enforced_spend_limit_reached".to_owned()),
            ..with(
                429,
                "You have reached your enforced spend limit. Access returns on 2099-01-01.",
            )
        },
        "credit" => with(400, "Your credit balance is too low to access the API."),
        "disabled" => with(400, "This organization has been disabled."),
        "prompt_too_long" => with(400, "prompt is too long: 200001 tokens > 200000 maximum"),
        "redirect" => Scenario {
            headers: pairs(&[("location", "http://127.0.0.1:9/elsewhere")]),
            ..Scenario::status(302)
        },
        "html" => Scenario {
            headers: pairs(&[("content-type", "text/html")]),
            body: Some("<html><body>502 Bad Gateway</body></html>".to_owned()),
            ..Scenario::status(502)
        },
        _ => return None,
    })
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
