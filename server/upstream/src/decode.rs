//! Takes an answer's body out of its framing.
//!
//! Invariant: what comes out is the same however the input was cut into pieces; every byte is looked at once and none is
//! kept. After the end or a fault nothing more comes out.

use bytes::Bytes;

use crate::head::Framing;

/// The framing of one body, and how far it has come.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// So much is still to come.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

/// What one input held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) payload: Bytes,
    /// Something came behind the end.
    pub(crate) excess: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    Whole,
    Malformed,
}

// === impl Decoder ===

impl Decoder {
    /// Without a framing the connection's end is the body's.
    pub(crate) fn new(framing: Option<Framing>) -> Self {
        match framing {
            Some(Framing::Length(length)) => Self::Length(length),
            Some(Framing::Chunked) => Self::Chunked(Chunked::default()),
            None => Self::UntilClose,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::Length(0) => Progress::Whole,
            Self::Length(_) | Self::UntilClose => Progress::Open,
            Self::Chunked(chunked) => match chunked.state {
                State::End => Progress::Whole,
                State::Malformed => Progress::Malformed,
                _ => Progress::Open,
            },
        }
    }

    /// Is a body whose connection ended here whole?
    pub(crate) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose) || self.progress() == Progress::Whole
    }

    pub(crate) fn decode(&mut self, input: &[u8]) -> Decoded {
        match self {
            Self::Chunked(chunked) => chunked.decode(input),
            _ => self.decode_owned(Bytes::copy_from_slice(input)),
        }
    }

    /// The same without a copy where the framing has nothing to take out.
    pub(crate) fn decode_owned(&mut self, mut input: Bytes) -> Decoded {
        let excess = match self {
            Self::Chunked(chunked) => return chunked.decode(&input),
            Self::UntilClose => false,
            Self::Length(left) => {
                let taken =
                    usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                let excess = taken < input.len();
                input.truncate(taken);
                *left -= taken as u64;
                excess
            }
        };
        Decoded {
            payload: input,
            excess,
        }
    }
}

/// Of all extensions and trailers of one body together; they are dropped.
const SLACK_MAX: usize = 16 * 1024;
const SIZE_DIGITS_MAX: u8 = 16;
/// Of a chunk's last line and the last chunk.
const END_BYTES: usize = 7;

/// The chunked coding (RFC 9112 §7.1). Lines end with CR LF and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    /// Of the chunk: its size so far, then what is still to come.
    left: u64,
    slack: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Within the size, behind so many digits.
    Size(u8),
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
    Malformed,
}

impl Default for State {
    fn default() -> Self {
        Self::Size(0)
    }
}

// === impl Chunked ===

impl Chunked {
    fn decode(&mut self, mut input: &[u8]) -> Decoded {
        let mut payload = Vec::new();
        while let Some(&byte) = input.first() {
            match self.state {
                State::Data => {
                    let taken = usize::try_from(self.left)
                        .map_or(input.len(), |left| left.min(input.len()));
                    if payload.capacity() == 0 {
                        // The chunks behind this one in the input go with it; an end alone needs no room.
                        let behind = input.len() - taken;
                        payload.reserve_exact(if behind > END_BYTES {
                            input.len()
                        } else {
                            taken
                        });
                    }
                    payload.extend_from_slice(&input[..taken]);
                    input = &input[taken..];
                    self.left -= taken as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                }
                State::End | State::Malformed => break,
                _ => {
                    self.state = self.step(byte);
                    input = &input[1..];
                }
            }
        }
        Decoded {
            payload: payload.into(),
            excess: self.state == State::End && !input.is_empty(),
        }
    }

    /// One byte of the framing.
    fn step(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::Size(1..) | State::SizeSpace | State::Extension, b'\r') => State::SizeLf,
            (State::Size(1..) | State::SizeSpace, b' ' | b'\t') => self.slack(State::SizeSpace),
            (State::Size(1..) | State::SizeSpace, b';') => self.slack(State::Extension),
            (State::Size(digits), _) => self.digit(digits, byte),
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.slack(State::Extension),
            (State::SizeLf, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.slack(State::Trailer)
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::End,
            _ => State::Malformed,
        }
    }

    fn digit(&mut self, digits: u8, byte: u8) -> State {
        match (byte as char).to_digit(16) {
            Some(digit) if digits < SIZE_DIGITS_MAX => {
                self.left = self.left << 4 | u64::from(digit);
                State::Size(digits + 1)
            }
            _ => State::Malformed,
        }
    }

    fn slack(&mut self, next: State) -> State {
        self.slack += 1;
        if self.slack > SLACK_MAX {
            State::Malformed
        } else {
            next
        }
    }
}

#[cfg(test)]
mod tests;
