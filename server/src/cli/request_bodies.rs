//! A request's bodies for people and programs.
//!
//! Invariant: JSON is laid out so that it can be read, everything else is shown as it is kept; a terminal gets none of its
//! control characters.

use super::error::CliError;
use super::out;
use crate::bodies::Why;
use crate::ops::requests::{ShownBodies, ShownBody};

pub(super) fn tell(shown: &ShownBodies, json: bool) -> Result<(), CliError> {
    if json {
        return out::json(shown);
    }
    if let Some(why) = &shown.why_none {
        out::note(why);
        return Ok(());
    }
    out::line(told(shown))
}

fn told(shown: &ShownBodies) -> String {
    let mut parts = Vec::new();
    if let Some(why) = shown.kept_for {
        parts.push(format!("kept because {}", reason(why)));
    }
    let headers = shown.request_headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {}", printable(value)))
        .collect();
    if !headers.is_empty() {
        parts.push(headers.join("\n"));
    }
    parts.push(one("REQUEST", shown.request.as_ref()));
    parts.push(one("RESPONSE", shown.response.as_ref()));
    parts.join("\n\n")
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::Errors => "it did not go well",
        Why::Sampled => "it was in the sample",
        Why::All => "all are",
        Why::Key => "its key was captured",
    }
}

fn one(title: &str, body: Option<&ShownBody>) -> String {
    let Some(body) = body else {
        return format!("{title}: none was kept");
    };
    let kind = body.content_type.as_deref().unwrap_or("of no named type");
    let mut told = format!("{title}: {} bytes, {}", body.length_bytes, printable(kind));
    if body.cut {
        told.push_str(", its end is not kept");
    }
    if body.redacted > 0 {
        told.push_str(&format!(", {} places redacted", body.redacted));
    }
    told.push('\n');
    match (&body.text, &body.base64) {
        (Some(text), _) => told.push_str(&laid_out(text)),
        (None, Some(base64)) => told.push_str(&format!("base64: {base64}")),
        (None, None) => {}
    }
    told
}

fn laid_out(text: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    pretty.unwrap_or_else(|| printable(text))
}

fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_a_terminal_is_safe() {
        let body = |text: &str, cut| ShownBody {
            text: Some(text.into()),
            content_type: Some("application/json".into()),
            length_bytes: 99,
            cut,
            redacted: u32::from(cut),
            ..ShownBody::default()
        };
        let shown = ShownBodies {
            kept_for: Some(Why::Key),
            request_headers: vec![("user-agent".into(), "a\u{1b}[2J".into())],
            request: Some(body(r#"{"a":[1]}"#, false)),
            response: Some(body("event: ping\r\ndata: \u{7}", true)),
            why_none: None,
        };
        assert_eq!(
            told(&shown),
            "kept because its key was captured\n\nuser-agent: a\u{fffd}[2J\n\n\
             REQUEST: 99 bytes, application/json\n{\n  \"a\": [\n    1\n  ]\n}\n\n\
             RESPONSE: 99 bytes, application/json, its end is not kept, 1 places redacted\nevent: ping\ndata: \u{fffd}"
        );
    }
}
