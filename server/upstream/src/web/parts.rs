//! Content blocks as text, files and attachments.
//!
//! | block | becomes |
//! |---|---|
//! | `text` | its text |
//! | `image` with a base64 source | an upload, named where it stood |
//! | `document`: base64 PDF | an upload, named where it stood |
//! | `document`: text, or content of text and images | a text attachment (and uploads), named where it stood |
//! | `tool_use`, `tool_result` | their JSON and their content under marks |
//! | `thinking`, `redacted_thinking` of earlier turns | nothing: they are signed for another surface, and the API leaves them out too |
//! | a URL or stored file as source, any other block | 400 |
//!
//! Invariant: no block is left out but those named above; no URL is fetched.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    ask::{cannot, elements},
    fault::WebFault,
    members::{Members, text_of},
    prompt::{Attachment, File, Prompt},
};

/// Results hold documents which hold content; deeper nesting is nobody's.
const DEPTH_MAX: u8 = 3;

const IMAGES: [(&str, &str); 4] = [
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
];
const PDF: &str = "application/pdf";

impl Prompt {
    /// A string or an array of blocks. `at` names the place for errors, such as `messages.0.content`.
    pub(super) fn content(&mut self, raw: &str, at: &str, depth: u8) -> Result<(), WebFault> {
        if let Some(text) = text_of(raw) {
            self.paragraph(&text);
            return Ok(());
        }
        let wrong = || WebFault::request(format!("{at}: must be a string or an array of blocks"));
        for (index, block) in elements(raw).ok_or_else(wrong)?.into_iter().enumerate() {
            let at = format!("{at}.{index}");
            let block = Members::read(block.get())
                .ok_or_else(|| WebFault::request(format!("{at}: must be an object")))?;
            self.block(&block, &at, depth)?;
        }
        Ok(())
    }

    fn block(&mut self, block: &Members<'_>, at: &str, depth: u8) -> Result<(), WebFault> {
        let kind = required(block, "type", at)?;
        match kind.as_str() {
            "text" => self.paragraph(&required(block, "text", at)?),
            "thinking" | "redacted_thinking" => {}
            "image" => {
                let source = source(block, at)?;
                self.image(&source, at)?;
            }
            "document" => self.document(block, at, depth)?,
            "tool_use" => {
                let (id, name) = (token(block, "id", at)?, token(block, "name", at)?);
                let input = block.raw("input").map_or("{}", |input| input.get());
                self.marked(&format!("tool call {id} {name}"));
                self.line(input);
            }
            "tool_result" if depth < DEPTH_MAX => {
                let id = token(block, "tool_use_id", at)?;
                let is_error = block.parse("is_error").unwrap_or(false);
                self.marked(&format!(
                    "tool {} {id}",
                    if is_error { "error" } else { "result" }
                ));
                if block.has("content") {
                    let content = block.raw("content").map_or("[]", |content| content.get());
                    self.content(content, &format!("{at}.content"), depth + 1)?;
                }
            }
            other => return Err(cannot(&format!("{at}: block type {other:?}"))),
        }
        Ok(())
    }

    fn image(&mut self, source: &Members<'_>, at: &str) -> Result<(), WebFault> {
        let media_type = base64_type(source, at)?;
        let known = IMAGES.iter().find(|(known, _)| *known == media_type);
        let (media_type, ending) =
            known.ok_or_else(|| cannot(&format!("{at}.source.media_type {media_type:?}")))?;
        let name = format!("image-{}.{ending}", self.files.len() + 1);
        self.file(name, media_type, source, at)
    }

    fn document(&mut self, block: &Members<'_>, at: &str, depth: u8) -> Result<(), WebFault> {
        let source = source(block, at)?;
        let kind = required(&source, "type", at)?;
        let number = self.files.len() + self.attachments.len() + 1;
        let about: Vec<String> = ["title", "context"]
            .iter()
            .filter_map(|name| block.text(name))
            .collect();
        match kind.as_str() {
            "text" => self.attach(number, required(&source, "data", at)?),
            "content" if depth < DEPTH_MAX => {
                // Its text is set apart, its images join the others.
                let outer = std::mem::take(&mut self.text);
                let content = source.raw("content").map_or("[]", |content| content.get());
                let read = self.content(content, &format!("{at}.source.content"), DEPTH_MAX);
                let text = std::mem::replace(&mut self.text, outer);
                read?;
                self.attach(number, text);
            }
            _ => {
                let media_type = base64_type(&source, at)?;
                if media_type != PDF {
                    return Err(cannot(&format!("{at}.source.media_type {media_type:?}")));
                }
                self.file(format!("document-{number}.pdf"), PDF, &source, at)?;
            }
        }
        for text in about {
            self.line(&text);
        }
        Ok(())
    }

    fn attach(&mut self, number: usize, text: String) {
        let name = format!("document-{number}.txt");
        self.marked(&format!("document {name}"));
        self.attachments.push(Attachment::text(name, text));
    }

    fn file(
        &mut self,
        name: String,
        media_type: &'static str,
        source: &Members<'_>,
        at: &str,
    ) -> Result<(), WebFault> {
        let data = required(source, "data", &format!("{at}.source"))?;
        let bytes = BASE64_STANDARD
            .decode(data)
            .map_err(|_| WebFault::request(format!("{at}.source.data: not valid base64")))?;
        self.marked(&format!("file {name}"));
        self.files.push(File {
            name,
            media_type,
            bytes: bytes.into(),
        });
        Ok(())
    }
}

fn source<'a>(block: &'a Members<'_>, at: &str) -> Result<Members<'a>, WebFault> {
    block
        .object("source")
        .ok_or_else(|| WebFault::request(format!("{at}.source: field required")))
}

/// The media type of a base64 source; the others name something to be fetched.
fn base64_type(source: &Members<'_>, at: &str) -> Result<String, WebFault> {
    match required(source, "type", at)?.as_str() {
        "base64" => required(source, "media_type", at),
        other => Err(cannot(&format!(
            "{at}.source: type {other:?}; send it as base64"
        ))),
    }
}

pub(super) fn required(members: &Members<'_>, name: &str, at: &str) -> Result<String, WebFault> {
    members
        .text(name)
        .ok_or_else(|| WebFault::request(format!("{at}.{name}: a string is required")))
}

/// An id or a name that stands within a mark.
fn token(members: &Members<'_>, name: &str, at: &str) -> Result<String, WebFault> {
    let text = required(members, name, at)?;
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if text.is_empty() || text.len() > 256 || !text.bytes().all(plain) {
        return Err(WebFault::request(format!(
            "{at}.{name}: must be 1 to 256 letters, digits, dashes and underscores"
        )));
    }
    Ok(text)
}
