//! Finds where a request ends and what it asks for, reading as little of it as possible.
//!
//! Bounds: a request with its head is at most [`LIMIT_BYTES`]. A chunked request body is taken to end
//! at its last chunk without decoding it, which holds for JSON bodies: they contain no bare CRLF.

use memchr::memmem;

use super::Kind;

/// The largest request accepted, head included.
pub const LIMIT_BYTES: usize = 1 << 20;

/// A whole request at the front of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Its size in bytes, head included.
    pub len: usize,
    /// The answer it asks for; `None` is the empty listing.
    pub kind: Option<Kind>,
    /// Whether it is a HEAD request.
    pub head_only: bool,
}

/// The request at the front of `buffer`, or `None` while more must be read.
pub fn parse(buffer: &[u8]) -> Option<Request> {
    let body_at = memmem::find(buffer, b"\r\n\r\n")? + 4;
    let (head, rest) = buffer.split_at(body_at);
    let body_len = body_len(head, rest)?;
    let body = rest.get(..body_len)?;
    Some(Request {
        len: body_at + body_len,
        kind: head.starts_with(b"POST ").then(|| kind(body)).flatten(),
        head_only: head.starts_with(b"HEAD "),
    })
}

fn body_len(head: &[u8], rest: &[u8]) -> Option<usize> {
    if head.starts_with(b"GET ") || head.starts_with(b"HEAD ") {
        return Some(0);
    }
    for line in head.split(|&byte| byte == b'\n') {
        if let Some(value) = value_of(line, b"content-length:") {
            return std::str::from_utf8(value).ok()?.trim().parse().ok();
        }
        if value_of(line, b"transfer-encoding:").is_some() {
            if rest.starts_with(b"0\r\n\r\n") {
                return Some(5);
            }
            return memmem::find(rest, b"\r\n0\r\n\r\n").map(|at| at + 7);
        }
    }
    Some(0)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.get(..name.len())?
        .eq_ignore_ascii_case(name)
        .then(|| &line[name.len()..])
}

fn kind(body: &[u8]) -> Option<Kind> {
    let at = memmem::find(body, b"\"bench-")?;
    let model = &body[at + 1..];
    [Kind::Json, Kind::Burst, Kind::Paced, Kind::Hold]
        .into_iter()
        .find(|kind| model.starts_with(kind.model().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_selects_the_answer() {
        for kind in [Kind::Json, Kind::Burst, Kind::Paced, Kind::Hold] {
            let body = format!(r#"{{"model":"{}","max_tokens":1}}"#, kind.model());
            let text = format!(
                "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let request = parse(text.as_bytes()).expect("whole");
            assert_eq!((request.len, request.kind), (text.len(), Some(kind)));
            assert_eq!(parse(&text.as_bytes()[..text.len() - 1]), None);
        }
    }

    #[test]
    fn a_chunked_body_ends_at_its_last_chunk() {
        let text = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
            16\r\n{\"model\":\"bench-json\"}\r\n0\r\n\r\n";
        let request = parse(text).expect("whole");
        assert_eq!((request.len, request.kind), (text.len(), Some(Kind::Json)));
        assert_eq!(parse(&text[..text.len() - 2]), None);
    }

    #[test]
    fn anything_else_gets_the_listing() {
        let text = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
        let expected = Request {
            len: text.len(),
            kind: None,
            head_only: false,
        };
        assert_eq!(parse(text), Some(expected));
        let text = b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";
        assert!(parse(text).expect("whole").head_only);
    }
}
