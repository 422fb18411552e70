//! Brings a request path into the one form that routes, permissions and ownership are checked on.
//!
//! Invariant: a path that is returned is decoded once and holds nothing that a second decoder, a
//! proxy or a file system could read as another path. Everything doubtful is refused.

use std::borrow::Cow;
use std::fmt;

/// Why a path was refused; the answer is 404, as for any path that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// Does not start with `/`.
    NotAbsolute,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// An encoded `/`, `\`, `?`, `#`, control character, or an escape that decodes to another such
    /// escape.
    HiddenDelimiter,
    /// A control character, a backslash, `?` or `#`.
    BadCharacter,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
    /// An empty, `.` or `..` segment.
    BadSegment,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the path does not start with a slash",
            Self::BadEscape => "the path holds an incomplete percent escape",
            Self::HiddenDelimiter => "the path hides a delimiter in a percent escape",
            Self::BadCharacter => "the path holds a character that is not allowed",
            Self::NotUtf8 => "the path is not valid UTF-8",
            Self::BadSegment => "the path holds an empty or a dot segment",
        })
    }
}

impl std::error::Error for PathError {}

/// Decodes and checks `raw_path` (without the query). `/v1/v1/…` becomes `/v1/…`. A trailing slash
/// is kept. Borrows when nothing changes.
///
/// # Errors
/// See [`PathError`].
pub fn normalise(raw_path: &str) -> Result<Cow<'_, str>, PathError> {
    if !raw_path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if raw_path
        .bytes()
        .any(|byte| is_delimiter(byte) && byte != b'/')
    {
        return Err(PathError::BadCharacter);
    }
    let decoded = decode(raw_path)?;
    check_segments(&decoded)?;
    Ok(match decoded {
        Cow::Borrowed(path) => Cow::Borrowed(one_version(path)),
        Cow::Owned(path) => Cow::Owned(one_version(&path).to_owned()),
    })
}

fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'?' | b'#')
}

fn decode(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            decoded.push(byte);
            at += 1;
            continue;
        }
        let value = escape_at(bytes, at).ok_or(PathError::BadEscape)?;
        if is_delimiter(value) {
            return Err(PathError::HiddenDelimiter);
        }
        decoded.push(value);
        at += 3;
    }
    // What is an escape after decoding was encoded twice; harmless ones (`%2541`) stay text.
    for (at, _) in decoded
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
    {
        if escape_at(&decoded, at)
            .is_some_and(|byte| is_delimiter(byte) || byte == b'.' || byte == b'%')
        {
            return Err(PathError::HiddenDelimiter);
        }
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| PathError::NotUtf8)
}

fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |index: usize| char::from(*bytes.get(index)?).to_digit(16);
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

fn check_segments(path: &str) -> Result<(), PathError> {
    // `..;x` is `..` to servers that know path parameters.
    let dotted = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    let bad = path.starts_with("//")
        || path.contains("//")
        || path.split('/').any(dotted)
        || path.chars().any(char::is_control);
    if bad {
        Err(PathError::BadSegment)
    } else {
        Ok(())
    }
}

fn one_version(path: &str) -> &str {
    let mut path = path;
    while let Some(rest) = path.strip_prefix("/v1")
        && (rest == "/v1" || rest.starts_with("/v1/"))
    {
        path = rest;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths() {
        for (raw, path) in [
            ("/", "/"),
            ("/v1/messages", "/v1/messages"),
            ("/v1/%6Dessages", "/v1/messages"),
            ("/v1/v1/messages", "/v1/messages"),
            ("/v1/v1/v1/models", "/v1/models"),
            ("/v1/v1", "/v1"),
            ("/v1/v10/x", "/v1/v10/x"),
            ("/v1/files/a%20b", "/v1/files/a b"),
            ("/v1/files/%c3%a9", "/v1/files/é"),
            ("/v1/files/a..b", "/v1/files/a..b"),
            ("/v1/files/x%2541", "/v1/files/x%41"),
            ("/v1/files/", "/v1/files/"),
        ] {
            assert_eq!(normalise(raw).as_deref(), Ok(path), "{raw}");
        }
        assert!(matches!(normalise("/v1/v1/messages"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn refused_paths() {
        use PathError::*;
        for (raw, error) in [
            ("", NotAbsolute),
            ("v1/messages", NotAbsolute),
            ("http://host/v1", NotAbsolute),
            ("/v1/../admin", BadSegment),
            ("/v1/%2e%2e/admin", BadSegment),
            ("/v1/.%2E/admin", BadSegment),
            ("/v1/..", BadSegment),
            ("/v1/./messages", BadSegment),
            ("/v1/..;a=b/admin", BadSegment),
            ("/v1//messages", BadSegment),
            ("//v1/messages", BadSegment),
            ("/v1/%c2%85", BadSegment),
            ("/v1/a%2fb", HiddenDelimiter),
            ("/v1/a%2Fb", HiddenDelimiter),
            ("/v1/a%5cb", HiddenDelimiter),
            ("/v1/a%00", HiddenDelimiter),
            ("/v1/a%0d%0a", HiddenDelimiter),
            ("/v1/a%3fb", HiddenDelimiter),
            ("/v1/a%252fb", HiddenDelimiter),
            ("/v1/a%255Cb", HiddenDelimiter),
            ("/v1/%252e%252e/admin", HiddenDelimiter),
            ("/v1/a%2500", HiddenDelimiter),
            ("/v1/a%25252fb", HiddenDelimiter),
            ("/v1/a%", BadEscape),
            ("/v1/a%2", BadEscape),
            ("/v1/a%zz", BadEscape),
            ("/v1/a\\b", BadCharacter),
            ("/v1/a\u{7f}", BadCharacter),
            ("/v1/a?b", BadCharacter),
            ("/v1/%ff", NotUtf8),
            ("/v1/%ed%a0%80", NotUtf8),
        ] {
            assert_eq!(normalise(raw), Err(error), "{raw}");
        }
    }
}
