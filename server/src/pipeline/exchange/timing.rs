//! Durations as `server-timing` has them.
//!
//! Invariant: three decimals, whatever the length.

/// Microseconds as milliseconds with three decimals.
pub(super) fn milliseconds(text: &mut Vec<u8>, us: u64) {
    let mut digits = itoa::Buffer::new();
    text.extend_from_slice(digits.format(us / 1_000).as_bytes());
    let fraction = us % 1_000;
    text.extend_from_slice(&[
        b'.',
        b'0' + (fraction / 100) as u8,
        b'0' + (fraction / 10 % 10) as u8,
        b'0' + (fraction % 10) as u8,
    ]);
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn microseconds_are_written_as_milliseconds() {
        for (us, text) in [
            (0, "0.000"),
            (7, "0.007"),
            (1_234, "1.234"),
            (60_000_050, "60000.050"),
        ] {
            let mut out = Vec::new();
            milliseconds(&mut out, us);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
