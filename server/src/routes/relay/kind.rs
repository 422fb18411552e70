//! What a relayed body may be, by what its headers say and by its first bytes.
//!
//! Invariant: a body goes up unread only when nobody can take it for JSON. An upstream may be lenient about the type it
//! is told, a mark before the text, or a coding; so the doubtful counts as JSON, and JSON that cannot be read is refused.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// Collections that take nothing but JSON, whatever a client says it sends.
const JSON_ONLY: &str = "/v1/messages/batches";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Does any of the types say JSON?
pub(super) fn says_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).any(|value| {
        value
            .as_bytes()
            .to_ascii_lowercase()
            .windows(4)
            .any(|w| w == b"json")
    })
}

/// Is it an upload, whose one type is not text?
pub(super) fn is_data(headers: &HeaderMap, path: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE);
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let kind = only.as_bytes().trim_ascii_start().to_ascii_lowercase();
    let data = ["multipart/", "application/octet-stream"];
    !path.starts_with(JSON_ONLY) && data.iter().any(|name| kind.starts_with(name.as_bytes()))
}

/// Could what is no JSON object be one to an upstream that decodes or forgives?
pub(super) fn is_opaque(headers: &HeaderMap, body: &[u8]) -> bool {
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    // Text of two or four bytes a character has zeros; `{` and `[` open what may be JSON.
    let opens = matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
    let is_wide = body.iter().take(4).any(|&byte| byte == 0);
    headers.contains_key(CONTENT_ENCODING) || opens || is_wide
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn of(types: &[&'static str]) -> HeaderMap {
        types
            .iter()
            .map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind)))
            .collect()
    }

    #[test]
    fn types() {
        let table: &[(&[&str], bool, bool)] = &[
            (&["application/json"], true, false),
            (&["Application/JSON; charset=utf-8"], true, false),
            (&["text/json"], true, false),
            (&["application/vnd.x+json"], true, false),
            (&["multipart/form-data; boundary=b"], false, true),
            (&["application/octet-stream"], false, true),
            (&["multipart/form-data", "application/json"], true, false),
            (&["multipart/form-data", "text/plain"], false, false),
            (&["text/plain"], false, false),
            (&[], false, false),
        ];
        for &(types, json, data) in table {
            let headers = of(types);
            assert_eq!(says_json(&headers), json, "{types:?}");
            assert_eq!(is_data(&headers, "/v1/files"), data, "{types:?}");
            assert!(!is_data(&headers, "/v1/messages/batches"), "{types:?}");
        }
    }

    #[test]
    fn bodies() {
        let plain = HeaderMap::new();
        for (body, opaque) in [
            (&b"a file"[..], false),
            (b"", false),
            (b" {\"a\":1,}", true),
            (b"[{}]", true),
            (b"\xef\xbb\xbf{}", true),
            (b"\xff\xfe{\0}\0", true),
        ] {
            assert_eq!(is_opaque(&plain, body), opaque, "{body:?}");
        }
        let mut coded = HeaderMap::new();
        coded.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(is_opaque(&coded, b"\x1f\x8b"));
    }
}
