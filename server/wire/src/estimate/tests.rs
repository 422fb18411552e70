use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    file.extend_from_slice(&width.to_be_bytes());
    file.extend_from_slice(&height.to_be_bytes());
    file.extend_from_slice(&[8, 2, 0, 0, 0]);
    file
}

fn jpeg(width: u16, height: u16, preview_bytes: usize) -> Vec<u8> {
    let mut file = b"\xff\xd8".to_vec();
    for piece in vec![0u8; preview_bytes].chunks(60_000) {
        file.extend_from_slice(b"\xff\xff\xe1");
        file.extend_from_slice(&u16::try_from(piece.len() + 2).unwrap().to_be_bytes());
        file.extend_from_slice(piece);
    }
    file.extend_from_slice(b"\xff\xc4\x00\x04ab\xff\xc2\x00\x11\x08");
    file.extend_from_slice(&height.to_be_bytes());
    file.extend_from_slice(&width.to_be_bytes());
    file
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend_from_slice(&width.to_le_bytes());
    file.extend_from_slice(&height.to_le_bytes());
    file
}

fn webp(kind: &[u8; 4], chunk: &[u8]) -> Vec<u8> {
    [b"RIFF\0\0\0\0WEBP", &kind[..], b"\0\0\0\0", chunk].concat()
}

#[test]
fn sizes_are_read_from_headers() {
    let lossless = (749u32 | 99 << 14).to_le_bytes();
    for (file, size) in [
        (png(750, 100), Some((750, 100))),
        (gif(750, 100), Some((750, 100))),
        (jpeg(750, 100, 0), Some((750, 100))),
        (jpeg(750, 100, 200_000), Some((750, 100))),
        (
            webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a\xee\x42\x64\x00"),
            Some((750, 100)),
        ),
        (
            webp(b"VP8L", &[&b"\x2f"[..], &lossless].concat()),
            Some((750, 100)),
        ),
        (
            webp(b"VP8X", &[0, 0, 0, 0, 0xed, 0x02, 0, 99, 0, 0]),
            Some((750, 100)),
        ),
        (png(0, 5), None),
        (b"\xff\xd8\xff\xda".to_vec(), None),
        (b"\xff\xd8\x00".to_vec(), None),
        (b"BM".to_vec(), None),
        (Vec::new(), None),
    ] {
        assert_eq!(image::size(&file), size, "{file:?}");
    }
}

#[test]
fn images_count_by_their_size() {
    for (file, tokens) in [
        (png(750, 100), 100),
        (jpeg(750, 101, 300_000), 101),
        (png(1, 1), 1),
        (png(u32::MAX, u32::MAX), IMAGE_MAX_TOKENS),
        (b"BM, a bitmap".to_vec(), IMAGE_TOKENS),
        // The size stands behind what is read.
        (jpeg(750, 100, 600_000), IMAGE_TOKENS),
    ] {
        assert_eq!(image_tokens(&BASE64_STANDARD.encode(file)), tokens);
    }
    let unpadded = BASE64_STANDARD.encode(png(750, 100));
    assert_eq!(image_tokens(unpadded.trim_end_matches('=')), 100);
    assert_eq!(image_tokens("no base64 at all!"), IMAGE_TOKENS);
}

#[test]
fn documents_count_by_their_pages() {
    let two = b"%PDF-1.7 <</Type /Pages>> <</Type/Page /A 1>> <</Type  /Page>>";
    assert_eq!(pdf_tokens(&BASE64_STANDARD.encode(two)), 2 * PAGE_TOKENS);
    let packed = vec![b'x'; 250 * 1024];
    assert_eq!(pdf_tokens(&BASE64_STANDARD.encode(packed)), 3 * PAGE_TOKENS);
    assert_eq!(pdf_tokens("?"), PAGE_TOKENS);
    assert_eq!(pdf_tokens(""), PAGE_TOKENS);
}

#[test]
fn every_part_of_a_request_counts_by_its_rule() {
    let image = json!({"type": "base64", "media_type": "image/png", "data": BASE64_STANDARD.encode(png(750, 100))});
    let nested = json!([{"type": "text", "text": "12345678"}, {"type": "image", "source": image}]);
    for (body, tokens) in [
        (json!({}), 0),
        (json!({"model": "x", "max_tokens": 9}), 0),
        (
            json!({"messages": [{"role": "user", "content": "1234"}]}),
            5,
        ),
        (
            json!({"messages": [{"role": "user", "content": "äöü€5"}]}),
            6,
        ),
        (
            json!({"system": "12345678", "messages": [{"role": "user", "content": ""}]}),
            6,
        ),
        (
            json!({"system": [{"type": "text", "text": "1234", "cache_control": {}}]}),
            1,
        ),
        (
            json!({"messages": [{"content": [{"type": "image", "source": image}]}]}),
            104,
        ),
        (
            json!({"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]}),
            1_604,
        ),
        (
            json!({"messages": [{"content": [{"type": "tool_use", "name": "abcd", "input": {"a": 1}}]}]}),
            7,
        ),
        (
            json!({"messages": [{"content": [{"type": "tool_result", "content": nested}]}]}),
            106,
        ),
        (
            json!({"messages": [{"content": [{"type": "document", "title": "1234", "context": null,
            "source": {"type": "text", "data": "1234"}}]}]}),
            6,
        ),
        (
            json!({"messages": [{"content": [{"type": "document", "source": {"type": "content", "content": nested}}]}]}),
            106,
        ),
        (
            json!({"messages": [{"content": [{"type": "document", "source": {"type": "file"}}]}]}),
            2_004,
        ),
        (
            json!({"tools": [{"name": "ab"}]}),
            4, // [{"name":"ab"}]
        ),
    ] {
        assert_eq!(
            request_tokens(body.to_string().as_bytes()),
            Some(tokens),
            "{body}"
        );
    }
    for none in ["", "[]", "nothing", "{"] {
        assert_eq!(request_tokens(none.as_bytes()), None);
    }
}

#[test]
fn content_within_content_ends_somewhere() {
    let mut body = json!("x");
    for _ in 0..40 {
        body = json!([{"type": "tool_result", "content": body}]);
    }
    let body = json!({"messages": [{"content": body}]}).to_string();
    assert!(request_tokens(body.as_bytes()).is_some());
}

proptest! {
    #[test]
    fn no_file_breaks_it(file in prop::collection::vec(any::<u8>(), 0..200), start in 0..5usize) {
        let starts: [&[u8]; 5] = [b"", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"GIF89a", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"];
        let file = [starts[start], &file].concat();
        let _ = image::size(&file);
        let tokens = image_tokens(&BASE64_STANDARD.encode(&file));
        prop_assert!((1..=IMAGE_MAX_TOKENS).contains(&tokens));
    }
}
