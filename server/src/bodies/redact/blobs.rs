//! Blobs: long runs of base64, and bodies that are no text. Told by length and hash, so that the same one is known again.
//!
//! Invariant: a run that is cut short, or broken into lines, is one all the same.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::bytes::Regex;
use sha2::{Digest, Sha256};

use super::known;

/// A run as long as this is no word.
const LEAST: usize = 1_024;
/// Lines of a run are at least so long; the last may be shorter.
const LINE: usize = 40;

static SOURCES: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r#""type"\s*:\s*"base64"[^{}]*?"data"\s*:\s*"([^"]+)"#,
        r#""data"\s*:\s*"([^"]+)"[^{}"]*(?:"media_type"\s*:\s*"[^"]*"[^{}"]*)?"type"\s*:\s*"base64""#,
        r#";base64,([A-Za-z0-9+/=_\-]{64,})"#,
    ]
    .map(known)
});

/// Tells the places of blobs.
pub(super) fn find(text: &[u8], mut tell: impl FnMut(usize, usize)) {
    for source in &*SOURCES {
        for data in source.captures_iter(text).filter_map(|found| found.get(1)) {
            tell(data.start(), data.end());
        }
    }
    let mut at = 0;
    while at < text.len() {
        let end = run(text, at);
        if end - at >= LEAST {
            tell(at, end);
        }
        at = end.max(at + 1);
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The end of the run that begins at `from`.
fn run(text: &[u8], from: usize) -> usize {
    let (mut at, mut line) = (from, from);
    loop {
        while text.get(at).copied().is_some_and(is_base64) {
            at += 1;
        }
        let mut next = at;
        next += usize::from(text.get(next) == Some(&b'\r'));
        let breaks = text.get(next) == Some(&b'\n') && at - line >= LINE;
        if !breaks || !text.get(next + 1).copied().is_some_and(is_base64) {
            break;
        }
        at = next + 1;
        line = at;
    }
    if at > from {
        let padding = text.get(at..).unwrap_or_default();
        at += padding.iter().take(2).take_while(|&&b| b == b'=').count();
    }
    at
}

/// No text: none can be searched for what must not be kept.
pub(super) fn is_binary(body: &[u8]) -> bool {
    if body.is_empty() {
        return false;
    }
    let control = |byte: &&u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    let strange = body.iter().filter(control).count();
    let invalid: usize = body.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    body.contains(&0) || (strange + invalid) * 20 > body.len()
}

/// `[base64 N bytes sha256:…]`, of what is encoded where that can be read.
pub(super) fn told(what: &str, blob: &[u8]) -> String {
    let decoded = match what {
        "base64" => decoded(blob),
        _ => None,
    };
    let bytes = decoded.as_deref().unwrap_or(blob);
    let mut told = format!("[{what} {} bytes sha256:", bytes.len());
    for byte in Sha256::digest(bytes) {
        let _ = write!(told, "{byte:02x}");
    }
    told.push(']');
    told
}

fn decoded(blob: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let is_url = blob.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = match is_url {
        true => &alphabet::URL_SAFE,
        false => &alphabet::STANDARD,
    };
    let unbroken: Vec<u8> = blob
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'\\')
        .collect();
    GeneralPurpose::new(alphabet, config).decode(unbroken).ok()
}
