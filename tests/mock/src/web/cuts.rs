//! Cuts a stream where readers like to go wrong.
//!
//! Invariant: the pieces, joined, are the stream.

use bytes::Bytes;

const LONGEST_BYTES: usize = 23;

/// Cuts after every CR, after the first byte of every character of several bytes, and anywhere
/// else after 23 bytes, so that events begin in the middle of pieces.
pub(super) fn awkward(events: &[Bytes]) -> Vec<Bytes> {
    let stream = Bytes::from(events.concat());
    let (mut pieces, mut start) = (Vec::new(), 0);
    for (at, byte) in stream.iter().enumerate() {
        let end = at + 1;
        if *byte == b'\r' || *byte >= 0xC0 || end - start == LONGEST_BYTES {
            pieces.push(stream.slice(start..end));
            start = end;
        }
    }
    if start < stream.len() {
        pieces.push(stream.slice(start..));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_inside_line_ends_and_characters() {
        let events = [Bytes::from("a: ö\r\n\r\n"), Bytes::from("b".repeat(50))];
        let pieces = awkward(&events);
        assert_eq!(pieces.concat(), events.concat());
        assert_eq!(pieces[0], &b"a: \xc3"[..]);
        assert_eq!(pieces[1], &b"\xb6\r"[..]);
        assert_eq!(pieces[2], &b"\n\r"[..]);
        assert_eq!(pieces[3].len(), LONGEST_BYTES);
        assert!(awkward(&[]).is_empty());
    }
}
