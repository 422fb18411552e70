//! The words by which an upstream says with a 400 that the account, not the request, is at fault.
//!
//! Data, not code: wordings drift. Invariant: a client cannot make its account look broken by having its own text quoted
//! in an error: what stands before a wording is plain words, as in a sentence, never a field's path or a quotation.

/// What a wording says about the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Out until an operator acts.
    Dead,
    /// Out until the date in the message, if it has one, else until an operator acts.
    SpendLimit,
}

/// Seen in answers and public documentation up to August 2026; lower case.
pub(crate) const ACCOUNT_FAULTS: &[(&str, Meaning)] = &[
    ("credit balance is too low", Meaning::Dead),
    ("credit balance too low", Meaning::Dead),
    ("organization has been disabled", Meaning::Dead),
    ("organization is disabled", Meaning::Dead),
    ("organization is currently disabled", Meaning::Dead),
    ("organization disabled", Meaning::Dead),
    ("only authorized for use with", Meaning::Dead),
    ("not authorized for this use", Meaning::Dead),
    ("specified api usage limits", Meaning::SpendLimit),
    ("specified workspace api usage limits", Meaning::SpendLimit),
    ("workspace api usage limits", Meaning::SpendLimit),
    ("workspace spend limit", Meaning::SpendLimit),
    ("organization spend limit", Meaning::SpendLimit),
    ("workspace has reached its spend limit", Meaning::SpendLimit),
    (
        "organization has reached its spend limit",
        Meaning::SpendLimit,
    ),
    ("monthly spend limit", Meaning::SpendLimit),
];

/// `error.details.error_code` of a 429 that waiting a moment does not end.
pub(crate) const SPEND_LIMIT_CODE: &str = "enforced_spend_limit_reached";

/// Longer sentences do not stand before a wording.
const BEFORE_MAX: usize = 60;

/// What a 400's message says about the account, if anything.
pub(crate) fn account_fault(message: &str) -> Option<Meaning> {
    let message = message.to_ascii_lowercase();
    let found = |(words, meaning): &(&str, Meaning)| {
        let before = message.get(..message.find(words)?)?;
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b' ' | b'.' | b',' | b'-');
        (before.len() <= BEFORE_MAX && before.bytes().all(plain)).then_some(*meaning)
    };
    ACCOUNT_FAULTS.iter().find_map(found)
}

/// The first `YYYY-MM-DD`, with a time if `at HH:MM` or `THH:MM` follows, read as UTC: milliseconds since the Unix epoch.
pub(crate) fn date_in(message: &str) -> Option<u64> {
    let bytes = message.as_bytes();
    let shape = |window: &[u8]| {
        window.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    let start = bytes.windows(10).position(shape)?;
    let date = message.get(start..start + 10)?;
    let rest = message.get(start + 10..)?;
    let rest = rest
        .strip_prefix('T')
        .or_else(|| rest.strip_prefix(" at "))
        .unwrap_or_default();
    let time = rest.get(..5).unwrap_or("00:00");
    let parsed = format!("{date}T{time}:00Z").parse::<jiff::Timestamp>();
    let at = parsed
        .or_else(|_| format!("{date}T00:00:00Z").parse())
        .ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_about_the_account_are_known() {
        use Meaning::{Dead, SpendLimit};
        for (message, meaning) in [
            (
                "Your credit balance is too low to access the API. Please go to Plans & Billing.",
                Some(Dead),
            ),
            ("This organization has been disabled.", Some(Dead)),
            (
                "This credential is only authorized for use with one client.",
                Some(Dead),
            ),
            (
                "You have reached your specified API usage limits. You will regain access on 2026-03-01.",
                Some(SpendLimit),
            ),
            (
                "You have reached your specified workspace API usage limits.",
                Some(SpendLimit),
            ),
            ("messages.0.content: text must be non-empty", None),
            ("prompt is too long: 210000 tokens > 200000 maximum", None),
            ("", None),
        ] {
            assert_eq!(account_fault(message), meaning, "{message}");
        }
    }

    #[test]
    fn a_clients_own_words_are_not() {
        for message in [
            "tools.0.name: credit balance is too low",
            "tool 'credit balance is too low' is not defined",
            "Invalid value \"this organization has been disabled\"",
            "model: organization disabled",
            "`monthly spend limit`",
        ] {
            assert_eq!(account_fault(message), None, "{message}");
        }
    }

    #[test]
    fn dates_are_found() {
        for (message, at) in [
            (
                "regain access on 1970-01-02 at 00:01 UTC.",
                Some(86_460_000),
            ),
            ("until 1970-01-02T01:00:00Z", Some(90_000_000)),
            ("resets 1970-01-02.", Some(86_400_000)),
            ("resets 1970-01-02 at noon", Some(86_400_000)),
            ("resets 1970-13-02", None),
            ("é 12-34", None),
        ] {
            assert_eq!(date_in(message), at, "{message}");
        }
    }
}
