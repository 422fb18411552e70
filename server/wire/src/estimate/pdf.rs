//! How many pages a PDF has, without reading it as one.
//!
//! Page objects stand in the file as `/Type /Page`, unless the file packs its objects into compressed streams
//! (ISO 32000-1 §7.5.7). Unpacking them would be work that a hostile file decides on, so packed pages are judged by size.
//!
//! Invariant: the file is decoded in pieces: memory does not grow with it.

use base64::Engine;

use super::BASE64;

/// Characters of base64 that are decoded at once; whole groups of four.
const PIECE_CHARS: usize = 64 * 1024;

/// So much of a piece is looked at again with the next, as a mark may be cut.
const MARK_BYTES: usize = 64;

/// What a page is likely to take in a packed file: a scan or a figure.
const PAGE_BYTES: u64 = 100 * 1024;

/// What a packed page takes at least, if it is full of text.
const PACKED_PAGE_BYTES: u64 = 8 * 1024;

/// Packed pages that are counted at most: the most that models with an ordinary context window take.
pub(super) const HIDDEN_PAGES_MAX: u64 = 100;

/// What can be told of a file's pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pages {
    found: u64,
    /// There may be more than were found.
    hidden: bool,
    file_bytes: u64,
}

impl Pages {
    /// Reads base64; what is none has its size only.
    pub(super) fn read(data: &str) -> Self {
        let mut pages = Self::default();
        let mut window = Vec::with_capacity(MARK_BYTES + PIECE_CHARS / 4 * 3 + 3);
        let pieces = data.as_bytes().chunks(PIECE_CHARS);
        let last = pieces.len().saturating_sub(1);
        for (nth, piece) in pieces.enumerate() {
            let kept = window.len();
            if BASE64.decode_vec(piece, &mut window).is_err() {
                return Self {
                    found: 0,
                    hidden: true,
                    file_bytes: data.len() as u64 / 4 * 3,
                };
            }
            pages.file_bytes += (window.len() - kept) as u64;
            let judged = if nth == last {
                window.len()
            } else {
                window.len().saturating_sub(MARK_BYTES)
            };
            pages.look(&window, judged);
            window.drain(..judged);
        }
        pages.hidden |= pages.found == 0;
        pages
    }

    /// Counts the marks that begin before `end`.
    fn look(&mut self, window: &[u8], end: usize) {
        for at in memchr::memmem::find_iter(window, b"/Type").take_while(|at| *at < end) {
            let rest = window.get(at + 5..).unwrap_or_default().trim_ascii_start();
            let names = |name: &[u8]| {
                rest.strip_prefix(name)
                    .is_some_and(|after| !after.first().is_some_and(u8::is_ascii_alphanumeric))
            };
            self.found += u64::from(names(b"/Page"));
            self.hidden |= names(b"/ObjStm");
        }
    }

    /// About how many there are.
    pub(super) fn likely(self) -> u64 {
        match self.found {
            0 => self.file_bytes.div_ceil(PAGE_BYTES).max(1),
            found => found,
        }
    }

    /// How many there are at most, but for files that hide more than [`HIDDEN_PAGES_MAX`].
    pub(super) fn most(self) -> u64 {
        if !self.hidden {
            return self.found;
        }
        let dense = self.file_bytes.div_ceil(PACKED_PAGE_BYTES);
        self.likely().max(dense.min(HIDDEN_PAGES_MAX))
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    use super::*;

    fn read(file: &[u8]) -> Pages {
        Pages::read(&BASE64_STANDARD.encode(file))
    }

    #[test]
    fn pages_are_found_wherever_pieces_end() {
        let page = b"<</Type  /Page /Parent 1 0 R>>";
        let piece = PIECE_CHARS / 4 * 3;
        for before in (0..60).chain(piece - 80..piece + 10) {
            let file = [&vec![b' '; before][..], page, b"<</Type /Pages>>", page].concat();
            let pages = read(&file);
            assert_eq!((pages.found, pages.hidden), (2, false), "{before}");
            assert_eq!(pages.file_bytes, file.len() as u64);
        }
    }

    #[test]
    fn packed_pages_are_judged_by_size() {
        let kib = 1024;
        for (start, size, likely, most) in [
            (&b"/Type/Page /Type/Page"[..], 500 * kib, 2, 2),
            (b"", 4 * kib, 1, 1),
            (b"", 80 * kib, 1, 10),
            (b"/Type /ObjStm", 80 * kib, 1, 10),
            (b"/Type /ObjStm /Type /Page", 80 * kib, 1, 10),
            (b"/Type /ObjStm", 900 * kib, 9, 100),
            (b"/Type /ObjStm", 10_100 * kib, 101, 101),
        ] {
            let mut file = vec![b'x'; size];
            file[..start.len()].copy_from_slice(start);
            file[start.len()] = b' ';
            let pages = read(&file);
            assert_eq!((pages.likely(), pages.most()), (likely, most), "{size}");
        }
        assert_eq!(Pages::read("no base64!").most(), 1);
        assert_eq!(Pages::read("").most(), 1);
    }
}
