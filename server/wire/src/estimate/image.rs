//! Width and height of an image, from the first bytes of its file.
//!
//! Invariant: nothing is decoded; a file cut short or broken has no size. Sources: PNG (RFC 2083 §4.1.1), JPEG (ITU-T T.81
//! annex B), GIF89a §18, WebP container (RFC 9649 §2.5–2.7).

/// In pixels, neither of them 0.
pub(super) fn size(file: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = png(file)
        .or_else(|| gif(file))
        .or_else(|| webp(file))
        .or_else(|| jpeg(file))?;
    (width > 0 && height > 0).then_some((width, height))
}

fn png(file: &[u8]) -> Option<(u32, u32)> {
    let rest = file.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let rest = rest.get(4..)?.strip_prefix(b"IHDR")?;
    let (width, rest) = rest.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

fn gif(file: &[u8]) -> Option<(u32, u32)> {
    let rest = file
        .strip_prefix(b"GIF87a")
        .or_else(|| file.strip_prefix(b"GIF89a"))?;
    Some((le16(rest, 0)?, le16(rest, 2)?))
}

fn webp(file: &[u8]) -> Option<(u32, u32)> {
    let rest = file.strip_prefix(b"RIFF")?.get(4..)?;
    let (kind, rest) = rest.strip_prefix(b"WEBP")?.split_first_chunk::<4>()?;
    let chunk = rest.get(4..)?;
    match kind {
        b"VP8 " => {
            chunk.get(3..)?.strip_prefix(b"\x9d\x01\x2a")?;
            // The upper two bits are a scale.
            Some((le16(chunk, 6)? & 0x3fff, le16(chunk, 8)? & 0x3fff))
        }
        b"VP8L" => {
            let bits = chunk.strip_prefix(b"\x2f")?.first_chunk::<4>()?;
            let bits = u32::from_le_bytes(*bits);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some((le24(chunk, 4)? + 1, le24(chunk, 7)? + 1)),
        _ => None,
    }
}

fn jpeg(file: &[u8]) -> Option<(u32, u32)> {
    let mut rest = file.strip_prefix(b"\xff\xd8")?;
    loop {
        let (&start, after) = rest.split_first()?;
        if start != 0xff {
            return None;
        }
        rest = after;
        let marker = *rest.first()?;
        // 0xff may be repeated as a filler.
        if marker == 0xff {
            continue;
        }
        rest = rest.get(1..)?;
        match marker {
            // Without a length: restarts and a stray start.
            0x01 | 0xd0..=0xd8 => {}
            // A frame's start; C4, C8 and CC are tables.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((be16(rest, 5)?, be16(rest, 3)?));
            }
            // The picture's data before any frame, or the end.
            0xda | 0xd9 => return None,
            _ => rest = rest.get(usize::try_from(be16(rest, 0)?.max(2)).ok()?..)?,
        }
    }
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..)?.first_chunk().copied()
}

fn le16(file: &[u8], at: usize) -> Option<u32> {
    bytes(file, at).map(|two| u32::from(u16::from_le_bytes(two)))
}

fn be16(file: &[u8], at: usize) -> Option<u32> {
    bytes(file, at).map(|two| u32::from(u16::from_be_bytes(two)))
}

fn le24(file: &[u8], at: usize) -> Option<u32> {
    let [low, middle, high] = bytes(file, at)?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}
