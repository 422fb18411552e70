//! The head of an answer: read strictly, and with it how the body is framed.
//!
//! Invariant: two readings of where the body ends are an error, never a choice: `content-length` beside
//! `transfer-encoding`, different lengths, a coding other than `chunked`. Interim answers are passed over; they and the
//! head together stay below [`HEAD_MAX_BYTES`].

use std::mem::{self, MaybeUninit};

use actix_http::{
    StatusCode,
    header::{HeaderName, HeaderValue},
};
use bytes::Bytes;
use httparse::{ParserConfig, Status};

use crate::header_list::HeaderList;

pub(crate) const HEAD_MAX_BYTES: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;

/// How the body's end is told, where the head says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderList,
    pub(crate) framing: Option<Framing>,
    /// May the connection carry another request?
    pub(crate) keep_alive: bool,
    /// Without a framing, does the end of the connection end the body?
    pub(crate) close_delimits: bool,
}

// === impl Head ===

impl Head {
    /// A body after a status that has none: it may come later, where the next answer should be.
    pub(crate) fn contradicts_itself(&self) -> bool {
        self.status == StatusCode::NO_CONTENT
            && !matches!(self.framing, None | Some(Framing::Length(0)))
    }
}

/// Why what came is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("{0}")]
    Syntax(#[from] httparse::Error),
    #[error("head is larger than {HEAD_MAX_BYTES} bytes")]
    TooLarge,
    #[error("invalid status or header")]
    Value,
    #[error("{0}")]
    Framing(&'static str),
    #[error("unasked switch of protocols")]
    Switch,
}

/// Collects a head that comes in pieces. One that comes whole is read where it lies.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    partial: Vec<u8>,
    /// By interim answers and the head.
    used: usize,
    begun: bool,
}

// === impl HeadReader ===

impl HeadReader {
    /// Has any byte come?
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The final answer's head, and what came behind it.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<Option<(Head, Bytes)>, HeadError> {
        self.begun |= !input.is_empty();
        if self.partial.is_empty() {
            return self.advance(input);
        }
        let tail = self.partial.len().saturating_sub(2);
        self.partial.extend_from_slice(input);
        if !has_empty_line(&self.partial[tail..]) {
            // Not parsed anew for each byte that comes.
            return self.bounded();
        }
        let all = mem::take(&mut self.partial);
        self.advance(&all)
    }

    fn advance(&mut self, mut input: &[u8]) -> Result<Option<(Head, Bytes)>, HeadError> {
        loop {
            let Some((head, len)) = parse(input)? else {
                self.partial.extend_from_slice(input);
                return self.bounded();
            };
            self.used += len;
            self.bounded()?;
            input = &input[len..];
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(HeadError::Switch);
            }
            if !head.status.is_informational() {
                return Ok(Some((head, Bytes::copy_from_slice(input))));
            }
        }
    }

    fn bounded(&self) -> Result<Option<(Head, Bytes)>, HeadError> {
        if self.used + self.partial.len() > HEAD_MAX_BYTES {
            return Err(HeadError::TooLarge);
        }
        Ok(None)
    }
}

pub(crate) fn has_empty_line(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes)
        .any(|at| matches!(bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

/// A head and its length, if it is there as a whole.
fn parse(input: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let status = config.parse_response_with_uninit_headers(&mut parsed, input, &mut room)?;
    let Status::Complete(len) = status else {
        return Ok(None);
    };
    let is_1_0 = parsed.version == Some(0);
    let status =
        StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|_| HeadError::Value)?;
    let mut said = Said::default();
    let mut headers = HeaderList::with_capacity(parsed.headers.len());
    // One allocation that all values share.
    let whole = Bytes::copy_from_slice(&input[..len]);
    for header in parsed.headers.iter() {
        said.note(header.name, header.value)?;
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| HeadError::Value)?;
        let value = if header.value.is_empty() {
            HeaderValue::from_static("")
        } else {
            let start = header.value.as_ptr().addr() - input.as_ptr().addr();
            HeaderValue::from_maybe_shared(whole.slice(start..start + header.value.len()))
                .map_err(|_| HeadError::Value)?
        };
        headers.append(name, value);
    }
    let head = Head {
        status,
        headers,
        framing: said.framing(is_1_0)?,
        keep_alive: !said.close && (!is_1_0 || said.keep_alive),
        close_delimits: said.close || is_1_0,
    };
    Ok(Some((head, len)))
}

/// What the headers say of the connection and the framing.
#[derive(Debug, Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

// === impl Said ===

impl Said {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), HeadError> {
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => {
                for token in tokens(value) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                for token in tokens(value) {
                    let length =
                        length(token).ok_or(HeadError::Framing("invalid content-length"))?;
                    if self.length.is_some_and(|other| other != length) {
                        return Err(HeadError::Framing("different content-lengths"));
                    }
                    self.length = Some(length);
                }
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadError::Framing("unknown transfer-encoding"));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, is_1_0: bool) -> Result<Option<Framing>, HeadError> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(HeadError::Framing("content-length and transfer-encoding")),
            (true, None) if is_1_0 => Err(HeadError::Framing("transfer-encoding in HTTP/1.0")),
            (true, None) => Ok(Some(Framing::Chunked)),
            (false, length) => Ok(length.map(Framing::Length)),
        }
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits and nothing else; `parse` alone would take a sign.
fn length(token: &[u8]) -> Option<u64> {
    if !token.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
