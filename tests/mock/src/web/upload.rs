//! `POST /api/{org}/upload`: one file as `multipart/form-data` (RFC 7578).
//!
//! Invariant: of the bytes only their number and hash are kept.

use bytes::Bytes;
use serde_json::json;

use super::Refusal;
use super::ids;
use super::organizations::Organization;
use super::view::FileView;
use crate::http::Head;
use crate::reply::Reply;
use crate::state::State;

pub(super) fn store(
    state: &State,
    organization: &Organization,
    head: &Head,
    body: &Bytes,
    serial: u64,
) -> Result<Reply, Refusal> {
    let content_type = head.header("content-type").unwrap_or_default();
    let part = Part::only(content_type, body).map_err(Refusal::invalid)?;
    let id = ids::uuid_of(&format!("file {serial}"));
    let is_image = part.content_type.starts_with("image/");
    let answer = json!({"file_uuid": id, "file_name": part.name, "success": true,
        "file_kind": if is_image { "image" } else { "blob" }, "size_bytes": part.content.len()});
    state.web.add_file(FileView {
        id,
        organization: organization.uuid.clone(),
        name: part.name,
        content_type: part.content_type,
        size_bytes: part.content.len(),
        sha256: ids::sha256(&part.content),
    });
    Ok(Reply::json(200, &answer))
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    content_type: String,
    content: Bytes,
}

impl Part {
    /// The only part of a body.
    fn only(content_type: &str, body: &Bytes) -> Result<Self, &'static str> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err("content-type: has to be multipart/form-data");
        }
        let boundary = parameter(parameters, "boundary").filter(|found| !found.is_empty());
        let boundary = boundary.ok_or("content-type: has no boundary")?;
        let open = format!("--{boundary}\r\n");
        let close = format!("\r\n--{boundary}--");
        let inner = body.strip_prefix(open.as_bytes());
        let inner = inner.ok_or("the body does not begin with its boundary")?;
        let end = find(inner, close.as_bytes()).ok_or("the body does not end with its boundary")?;
        if !matches!(&inner[end + close.len()..], b"" | b"\r\n") {
            return Err("something follows the last boundary");
        }
        let inner = &inner[..end];
        let another = format!("\r\n--{boundary}");
        if find(inner, another.as_bytes()).is_some() {
            return Err("only one part is expected");
        }
        let at = find(inner, b"\r\n\r\n").ok_or("the part has no empty line")?;
        let head = std::str::from_utf8(&inner[..at]).map_err(|_| "the part's head is not UTF-8")?;
        let header = |name: &str| {
            let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
            let (_, value) = lines.find(|(found, _)| found.trim().eq_ignore_ascii_case(name))?;
            Some(value.trim())
        };
        let disposition = header("content-disposition").unwrap_or_default();
        let (kind, parameters) = disposition.split_once(';').unwrap_or((disposition, ""));
        if kind != "form-data" || parameter(parameters, "name") != Some("file") {
            return Err("the part has to be named file");
        }
        let name = parameter(parameters, "filename").filter(|name| !name.is_empty());
        Ok(Self {
            name: name.ok_or("the part has no filename")?.to_owned(),
            content_type: header("content-type")
                .ok_or("the part has no content-type")?
                .to_owned(),
            content: body.slice_ref(&inner[at + 4..]),
        })
    }
}

/// The value of a parameter, without its quotes.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = parameters
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"'))
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xx\"";
    const HEAD: &str = "content-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png";

    fn read(content_type: &str, body: String) -> Result<Part, &'static str> {
        Part::only(content_type, &Bytes::from(body))
    }

    #[test]
    fn one_part_with_any_bytes() {
        let part = read(
            TYPE,
            format!("--xx\r\n{HEAD}\r\n\r\na\r\n\r\n--x\r\n--xx--\r\n"),
        )
        .unwrap();
        assert_eq!(
            (part.name.as_str(), part.content_type.as_str()),
            ("a.png", "image/png")
        );
        assert_eq!(part.content, "a\r\n\r\n--x");
        assert_eq!(
            read(TYPE, format!("--xx\r\n{HEAD}\r\n\r\n\r\n--xx--"))
                .unwrap()
                .content,
            ""
        );
    }

    #[test]
    fn refusals() {
        let good = format!("--xx\r\n{HEAD}\r\n\r\na\r\n--xx--\r\n");
        assert!(read("application/json", good.clone()).is_err());
        assert!(read("multipart/form-data", good.clone()).is_err());
        for body in [
            String::new(),
            good.replace("--xx--", "--xx"),
            good.replace("name=\"file\"", "name=\"data\""),
            good.replace("; filename=\"a.png\"", ""),
            good.replace("\r\nContent-Type: image/png", ""),
            good.clone() + "more",
            format!("--xx\r\n{HEAD}\r\n\r\na\r\n{good}"),
        ] {
            assert!(read(TYPE, body.clone()).is_err(), "{body}");
        }
    }
}
