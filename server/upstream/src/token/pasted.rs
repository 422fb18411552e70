//! What a person brings back from the provider's page.
//!
//! Invariant: nothing of what was pasted is in an error, except the provider's own error code.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use crate::classify::reason;

/// More than any page shows.
const PASTED_MAX_BYTES: usize = 8 * 1024;

/// An authorization code, with the `state` when it came along.
#[derive(Clone)]
pub struct Pasted {
    pub code: SecretString,
    pub state: Option<SecretString>,
}

impl fmt::Debug for Pasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pasted")
            .field("with_state", &self.state.is_some())
            .finish_non_exhaustive()
    }
}

/// Why it is not a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastedError {
    #[error(
        "nothing was pasted; give the code, code#state, or the address of the page you were sent to"
    )]
    Empty,
    #[error("the text is longer than {PASTED_MAX_BYTES} bytes; give the code only")]
    TooLong,
    #[error("the text is not a code: copy the whole of it, and nothing else")]
    NotACode,
    #[error("the address holds no code; log in again")]
    NoCode,
    #[error("the address holds a value twice; log in again")]
    Ambiguous,
    /// `error` and `error_description` of RFC 6749 §4.1.2.1.
    #[error("the provider refused the login: {0}")]
    Refused(String),
}

/// `code#state`, a code alone, or the whole URL of the redirect.
pub fn parse_pasted(text: &str) -> Result<Pasted, PastedError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(PastedError::Empty);
    }
    if text.len() > PASTED_MAX_BYTES {
        return Err(PastedError::TooLong);
    }
    if text.contains("://") {
        return redirected(&Url::parse(text).map_err(|_| PastedError::NotACode)?);
    }
    match text.split_once('#') {
        None => pasted(text, None),
        Some((code, state)) => pasted(code, Some(state)),
    }
}

fn redirected(url: &Url) -> Result<Pasted, PastedError> {
    let (mut code, mut state, mut error, mut description) = (None, None, None, None);
    for (name, value) in url.query_pairs() {
        let place = match &*name {
            "code" => &mut code,
            "state" => &mut state,
            "error" => &mut error,
            "error_description" => &mut description,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(PastedError::Ambiguous);
        }
    }
    if let Some(error) = error {
        let said = match description {
            Some(description) => format!("{error}: {description}"),
            None => error.into_owned(),
        };
        return Err(PastedError::Refused(reason(&said, "without a reason")));
    }
    let code = code.ok_or(PastedError::NoCode)?;
    pasted(&code, state.as_deref())
}

fn pasted(code: &str, state: Option<&str>) -> Result<Pasted, PastedError> {
    let is_plain =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain(code) || !state.is_none_or(is_plain) {
        return Err(PastedError::NotACode);
    }
    Ok(Pasted {
        code: code.into(),
        state: state.map(SecretString::from),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn forms() {
        for (text, code, state) in [
            ("abc", "abc", None),
            ("  abc#xyz\n", "abc", Some("xyz")),
            ("abc#x#y", "abc", Some("x#y")),
            (
                "https://a.example/cb?code=abc&state=xyz",
                "abc",
                Some("xyz"),
            ),
            (
                "https://a.example/cb?state=x%2By&code=a%2Fb&other=1#frag",
                "a/b",
                Some("x+y"),
            ),
            ("http://localhost:9/cb?code=abc", "abc", None),
            ("app://cb?code=abc&state=s", "abc", Some("s")),
        ] {
            let pasted = parse_pasted(text).unwrap();
            assert_eq!(pasted.code.expose_secret(), code, "{text}");
            assert_eq!(
                pasted.state.as_ref().map(|state| state.expose_secret()),
                state,
                "{text}"
            );
            assert!(!format!("{pasted:?}").contains(code));
        }
    }

    #[test]
    fn refusals() {
        let refused = |said: &str| PastedError::Refused(said.to_owned());
        for (text, error) in [
            ("", PastedError::Empty),
            (" \n ", PastedError::Empty),
            ("abc#", PastedError::NotACode),
            ("#xyz", PastedError::NotACode),
            ("a b", PastedError::NotACode),
            ("abc#x y", PastedError::NotACode),
            ("é", PastedError::NotACode),
            ("://", PastedError::NotACode),
            ("https://a.example/cb?state=x", PastedError::NoCode),
            ("https://a.example/cb", PastedError::NoCode),
            ("https://a.example/cb?code=", PastedError::NotACode),
            ("https://a.example/cb?code=a&code=b", PastedError::Ambiguous),
            (
                "https://a.example/cb?code=a&state=b&state=b",
                PastedError::Ambiguous,
            ),
            (
                "https://a.example/cb?error=access_denied",
                refused("access_denied"),
            ),
            (
                "https://a.example/cb?error=access_denied&error_description=no+way&code=x",
                refused("access_denied: no way"),
            ),
            ("https://a.example/cb?error=", refused("without a reason")),
        ] {
            assert_eq!(parse_pasted(text).unwrap_err(), error, "{text}");
        }
        let long = "x".repeat(PASTED_MAX_BYTES + 1);
        assert_eq!(parse_pasted(&long).unwrap_err(), PastedError::TooLong);
    }

    proptest! {
        #[test]
        fn any_text(text in "\\PC{0,80}") {
            if let Err(error) = parse_pasted(&text) {
                prop_assert!(text.trim().len() < 12 || !error.to_string().contains(text.trim()));
            }
        }

        #[test]
        fn what_is_shown_is_read(code in "[A-Za-z0-9_-]{1,60}", state in "[A-Za-z0-9_-]{1,60}") {
            let plain = parse_pasted(&format!("{code}#{state}")).unwrap();
            let url = parse_pasted(&format!("https://a.example/?code={code}&state={state}")).unwrap();
            for pasted in [plain, url] {
                prop_assert_eq!(pasted.code.expose_secret(), &code);
                let found = pasted.state.unwrap();
                prop_assert_eq!(found.expose_secret(), &state);
            }
        }
    }
}
