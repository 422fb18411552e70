//! Headers as plain sequences: requests and answers pass by once, and nobody looks their headers up often enough to pay
//! for a table.
//!
//! Invariant: duplicates stay, in order; the lines of a request hold neither its host nor its framing.

use std::fmt;

use actix_http::header::{self, HeaderName, HeaderValue};

/// Headers of an answer, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct HeaderList(Vec<(HeaderName, HeaderValue)>);

// === impl HeaderList ===

impl HeaderList {
    #[must_use]
    pub fn with_capacity(headers: usize) -> Self {
        Self(Vec::with_capacity(headers))
    }

    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// The values of one header, in order.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for HeaderList {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// Headers of a request as lines that are ready to be sent, in order. They hold a credential and are never shown.
#[derive(Clone, Default)]
pub struct HeaderLines(Vec<u8>);

// === impl HeaderLines ===

impl HeaderLines {
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Host, framing and the connection's fate are the client's own, and left out.
    pub fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        let is_ours = *name == header::HOST
            || *name == header::CONTENT_LENGTH
            || *name == header::TRANSFER_ENCODING
            || *name == header::CONNECTION;
        if !is_ours {
            put_line(&mut self.0, name, value.as_bytes());
        }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderLines({} B)", self.0.len())
    }
}

/// Writes one header line.
pub(crate) fn put_line(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
