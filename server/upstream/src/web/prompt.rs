//! Prompt building: system and turns as one text, with marks of who speaks.
//!
//! A request of one user message and nothing else is sent as its plain text. Otherwise each speaker begins with a line
//! such as `[user 5f2a90c1]`; the number is random for each request, so that no text within can pass for a mark. Tool
//! calls, their results and files are named by marks of the same kind. A text over the bound becomes an attachment
//! (`paste.txt`), and the prompt itself is then empty.
//!
//! Invariant: pure; nothing is added but the marks: no instruction of our own.

use bytes::Bytes;
use serde::Serialize;

use super::{
    WebLimits,
    ask::{Ask, cannot},
    fault::WebFault,
    parts::required,
};

/// What is sent for a request.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    pub text: String,
    pub files: Vec<File>,
    pub attachments: Vec<Attachment>,
    mark: String,
}

/// To be uploaded.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub name: String,
    pub media_type: &'static str,
    pub bytes: Bytes,
}

/// Text that goes beside the prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Attachment {
    extracted_content: String,
    file_name: String,
    file_type: &'static str,
    /// In bytes.
    file_size: usize,
}

// === impl Prompt ===

impl Prompt {
    /// `mark` is what no text within can guess.
    pub(super) fn build(ask: &Ask<'_>, mark: &str, limits: &WebLimits) -> Result<Self, WebFault> {
        let mut prompt = Self {
            mark: mark.to_owned(),
            ..Self::default()
        };
        let is_plain = ask.system.is_none() && ask.messages.len() == 1;
        if let Some(system) = ask.system {
            prompt.marked("system");
            prompt.content(system, "system", 0)?;
        }
        let mut last = String::new();
        for (index, message) in ask.messages.iter().enumerate() {
            let at = format!("messages.{index}");
            let role = required(message, "role", &at)?;
            if !matches!(role.as_str(), "user" | "assistant" | "system") {
                return Err(WebFault::request(format!(
                    "{at}.role: {role:?} is neither user nor assistant"
                )));
            }
            if !is_plain {
                prompt.marked(&role);
            }
            let content = message
                .raw("content")
                .map_or("null", |content| content.get());
            prompt.content(content, &format!("{at}.content"), 0)?;
            last = role;
        }
        if last == "assistant" {
            return Err(cannot(
                "messages: a last message of the assistant, to be gone on with",
            ));
        }
        if prompt.files.len() + prompt.attachments.len() > limits.files_max {
            let max = limits.files_max;
            return Err(WebFault::request(format!(
                "messages: a web session account takes at most {max} images and documents"
            )));
        }
        if prompt.text.len() > limits.prompt_max_bytes {
            let text = std::mem::take(&mut prompt.text);
            let paste = Attachment::text("paste.txt".to_owned(), text);
            prompt.attachments.insert(0, paste);
        }
        Ok(prompt)
    }

    /// Text of its own, after an empty line.
    pub(super) fn paragraph(&mut self, text: &str) {
        // What follows a mark stands directly below it.
        let ending = if self.text.ends_with(&self.mark_end()) {
            "\n"
        } else {
            "\n\n"
        };
        if !self.text.is_empty() {
            self.text.push_str(ending);
        }
        self.text.push_str(text);
    }

    /// Text on the next line.
    pub(super) fn line(&mut self, text: &str) {
        self.text.push('\n');
        self.text.push_str(text);
    }

    /// A mark on a line of its own.
    pub(super) fn marked(&mut self, what: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push('[');
        self.text.push_str(what);
        let end = self.mark_end();
        self.text.push_str(&end);
    }

    fn mark_end(&self) -> String {
        format!(" {}]", self.mark)
    }
}

impl Attachment {
    pub(super) fn text(file_name: String, text: String) -> Self {
        Self {
            file_size: text.len(),
            extracted_content: text,
            file_name,
            file_type: "txt",
        }
    }
}
