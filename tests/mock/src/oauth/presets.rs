//! Faults of the token endpoint by name.
//!
//! Invariant: `_after` means that the request took effect: the refresh token is spent, its successor given out, and the
//! client does not learn it. Without it nothing took effect, except where the name says what is answered in place of the
//! tokens.

use super::TOKEN;
use crate::scenario::Scenario;

const HUGE_BYTES: usize = 4 * 1024 * 1024;

/// Finds a fault by its whole name, such as `token_hang_after`.
pub(crate) fn find(name: &str) -> Option<Scenario> {
    let fault = name.strip_prefix("token_")?;
    let (fault, takes_effect) = match fault.strip_suffix("_after") {
        Some(fault) => (fault, true),
        None => (fault, false),
    };
    let base = Scenario {
        path: Some(TOKEN.to_owned()),
        takes_effect: Some(takes_effect),
        ..Scenario::default()
    };
    let effective = Scenario {
        takes_effect: Some(true),
        ..base.clone()
    };
    let body = |status, body: &str| Scenario {
        status: Some(status),
        body: Some(body.to_owned()),
        ..base.clone()
    };
    if let Some(ms) = fault.strip_prefix("slow_") {
        let first_byte_delay_ms = ms.parse().ok()?;
        return Some(Scenario {
            first_byte_delay_ms,
            ..effective
        });
    }
    if let Some(seconds) = fault.strip_prefix("429_retry_") {
        let headers = vec![("retry-after".to_owned(), seconds.to_owned())];
        return Some(Scenario {
            headers,
            ..body(429, r#"{"error":"rate_limit_error"}"#)
        });
    }
    Some(match fault {
        "500" => body(500, r#"{"error":"server_error"}"#),
        "503" => body(503, r#"{"error":"temporarily_unavailable"}"#),
        "429" => body(429, r#"{"error":"rate_limit_error"}"#),
        "invalid_grant" => body(
            400,
            r#"{"error":"invalid_grant","error_description":"refused by the script"}"#,
        ),
        "html" => page(body(
            if takes_effect { 200 } else { 502 },
            "<html><body>a page</body></html>",
        )),
        "redirect" => Scenario {
            headers: vec![(
                "location".to_owned(),
                "http://127.0.0.1:9/elsewhere".to_owned(),
            )],
            status: Some(307),
            ..base
        },
        "hang" => Scenario {
            stall_before_head: true,
            ..base
        },
        "reset" => Scenario {
            reset_before_head: true,
            ..base
        },
        "close" => Scenario {
            close_before_head: true,
            ..base
        },
        "not_http" => Scenario {
            raw: Some("SSH-2.0-mock\r\n".to_owned()),
            ..base
        },
        // These replace the tokens, so they took effect.
        "cut" => Scenario {
            truncate_after_bytes: Some(20),
            ..effective
        },
        "huge" => Scenario {
            body: Some(format!(
                r#"{{"access_token":"mock-huge","padding":"{}"}}"#,
                "x".repeat(HUGE_BYTES)
            )),
            ..effective
        },
        "no_access_token" => Scenario {
            body: Some(r#"{"token_type":"Bearer","expires_in":3600}"#.to_owned()),
            ..effective
        },
        _ => return None,
    })
}

/// The fault that the end of a client's id names.
pub(super) fn of_client(client_id: &str) -> Option<Scenario> {
    let (_, fault) = client_id.rsplit_once('~')?;
    Scenario::named(&format!("token_{fault}"))
}

fn page(scenario: Scenario) -> Scenario {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    Scenario {
        headers,
        ..scenario
    }
}
