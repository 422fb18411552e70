//! An HTTP/1.1 answer, decoded from whatever pieces it arrives in; no I/O.
//!
//! ```text
//! Head ──content-length──▶ Sized ─────────────────────────▶ Done
//!   └────chunked──▶ Size ─▶ Data ─▶ DataEnd ─▶ Size … Trailer ─▶ Done
//! ```
//! Only lengths and events are kept: the body's bytes are counted, not stored.

use memchr::{memchr, memchr_iter, memmem};

use super::Expected;

const HEAD_LIMIT_BYTES: usize = 32 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Sized(u64),
    Size(u64),
    Data(u64),
    DataEnd,
    /// Bytes of the current trailer line, CR not counted.
    Trailer(u32),
    Done,
}

/// One answer on its way in. Reused for the next by [`Response::reset`].
#[derive(Debug)]
pub struct Response {
    state: State,
    head: Vec<u8>,
    /// Status code, 0 while unknown.
    pub status: u16,
    /// Whether the peer closes the connection after this answer.
    pub closes: bool,
    /// Body bytes so far.
    pub bytes: u64,
    /// Whole events so far.
    pub events: u32,
    after_newline: bool,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            state: State::Head,
            head: Vec::with_capacity(1 << 10),
            status: 0,
            closes: false,
            bytes: 0,
            events: 0,
            after_newline: false,
        }
    }
}

impl Response {
    /// Ready for the next answer on the same connection.
    pub fn reset(&mut self) {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        *self = Self {
            head,
            ..Self::default()
        };
    }

    /// Whether the answer is whole.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what was read.
    ///
    /// # Errors
    /// When it is not HTTP/1.1 as understood here; says why.
    pub fn feed(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            data = self.step(data)?;
        }
        Ok(())
    }

    /// Whether the whole answer is the expected one.
    ///
    /// # Errors
    /// Says what differs.
    pub fn check(&self, expected: Expected) -> Result<(), String> {
        if self.status != 200 {
            return Err(format!("status {}", self.status));
        }
        let got = Expected {
            bytes: self.bytes,
            events: self.events,
        };
        if got != expected {
            return Err(format!("expected {expected:?}, got {got:?}"));
        }
        Ok(())
    }

    /// Consumes a prefix of `data` and returns the rest; always makes progress.
    fn step<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], String> {
        let first = data.first().copied().unwrap_or_default();
        match self.state {
            State::Head => return self.head(data),
            State::Sized(left) => {
                let (taken, rest) = data.split_at(capped(left, data.len()));
                self.body(taken);
                let left = left - taken.len() as u64;
                self.state = if left == 0 {
                    State::Done
                } else {
                    State::Sized(left)
                };
                return Ok(rest);
            }
            State::Data(left) => {
                let (taken, rest) = data.split_at(capped(left, data.len()));
                self.body(taken);
                let left = left - taken.len() as u64;
                self.state = if left == 0 {
                    State::DataEnd
                } else {
                    State::Data(left)
                };
                return Ok(rest);
            }
            State::Size(size) => self.state = size_digit(size, first)?,
            State::DataEnd => match first {
                b'\r' => {}
                b'\n' => self.state = State::Size(0),
                other => return Err(format!("byte {other:#x} after a chunk")),
            },
            State::Trailer(_) if first == b'\r' => {}
            State::Trailer(0) if first == b'\n' => self.state = State::Done,
            State::Trailer(_) if first == b'\n' => self.state = State::Trailer(0),
            State::Trailer(seen) => self.state = State::Trailer(seen + 1),
            State::Done => return Err(format!("{} bytes after the answer's end", data.len())),
        }
        Ok(&data[1..])
    }

    fn head<'a>(&mut self, data: &'a [u8]) -> Result<&'a [u8], String> {
        let before = self.head.len();
        self.head.extend_from_slice(data);
        let Some(end) = memmem::find(&self.head, b"\r\n\r\n") else {
            if self.head.len() > HEAD_LIMIT_BYTES {
                return Err("a head that does not end".to_owned());
            }
            return Ok(&[]);
        };
        let head = &self.head[..end];
        let status = head
            .get(9..12)
            .and_then(|code| std::str::from_utf8(code).ok());
        self.status = status
            .filter(|_| head.starts_with(b"HTTP/1.1 "))
            .and_then(|code| code.parse().ok())
            .ok_or("not an HTTP/1.1 answer")?;
        self.state = State::Sized(0);
        for line in head.split(|&byte| byte == b'\n').skip(1) {
            let Some(colon) = memchr(b':', line) else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                self.state = State::Sized(length.ok_or("a content-length that is no number")?);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                self.state = State::Size(0);
            } else if name.eq_ignore_ascii_case(b"connection") {
                self.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        if self.state == State::Sized(0) {
            self.state = State::Done;
        }
        Ok(&data[end + 4 - before..])
    }

    fn body(&mut self, data: &[u8]) {
        let (Some(&first), Some(&last)) = (data.first(), data.last()) else {
            return;
        };
        self.bytes += data.len() as u64;
        if self.after_newline && first == b'\n' {
            self.events += 1;
        }
        let ends = memchr_iter(b'\n', data)
            .filter(|&at| at > 0 && data[at - 1] == b'\n')
            .count();
        self.events += ends as u32;
        self.after_newline = last == b'\n';
    }
}

fn capped(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

fn size_digit(size: u64, byte: u8) -> Result<State, String> {
    match byte {
        b'\r' => Ok(State::Size(size)),
        b'\n' if size == 0 => Ok(State::Trailer(0)),
        b'\n' => Ok(State::Data(size)),
        _ => {
            let digit = (byte as char)
                .to_digit(16)
                .ok_or("a chunk size that is no number")?;
            Ok(State::Size(size.wrapping_mul(16) + u64::from(digit)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::expected;
    use super::*;
    use crate::mock::{Answers, Kind};

    #[test]
    fn any_split_gives_the_same_count() {
        let answers = Answers::prepare();
        for (bytes, kind) in [(&answers.json, Kind::Json), (&answers.burst, Kind::Burst)] {
            for size in [1, 2, 3, 7, 100, 4096, bytes.len()] {
                let mut response = Response::default();
                for piece in bytes.chunks(size) {
                    assert!(!response.is_done());
                    response.feed(piece).expect("http");
                }
                assert!(response.is_done(), "{kind:?} in pieces of {size}");
                response.check(expected(kind)).expect("whole");
            }
        }
    }

    #[test]
    fn a_short_answer_and_a_surplus_are_noticed() {
        let mut response = Response::default();
        response
            .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            .expect("http");
        assert!(response.is_done() && response.closes);
        assert!(response.check(expected(Kind::Json)).is_err());
        assert!(response.feed(b"x").is_err());
        response.reset();
        response
            .feed(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
            .expect("http");
        assert_eq!(
            response.check(expected(Kind::Json)),
            Err("status 503".to_owned())
        );
    }
}
