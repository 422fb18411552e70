//! The prepared answers: what a real Messages answer and a real event stream look like, in bytes.
//!
//! Streams are LF-framed events, each in an HTTP chunk of its own, as the real service sends them.

use std::time::Duration;

/// Text deltas in a stream.
pub const DELTAS: usize = 64;
/// Events in a stream: start, block start, the deltas, block stop, message delta, message stop.
pub const EVENTS: usize = DELTAS + 5;
/// Size of the JSON answer's body in bytes.
pub const JSON_BYTES: usize = 1_200;

/// The window is reset an hour after the start: a gateway that takes windows in has one to take in.
fn common_headers() -> String {
    let reset = jiff::Timestamp::now() + Duration::from_secs(3_600);
    format!(
        "request-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\n\
         anthropic-ratelimit-requests-limit: 4000\r\n\
         anthropic-ratelimit-requests-remaining: 3999\r\n\
         anthropic-ratelimit-requests-reset: {reset:.0}\r\n"
    )
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n";

/// All answers, as they go on the wire.
#[derive(Debug)]
pub struct Answers {
    /// Head and body of the JSON answer.
    pub json: Vec<u8>,
    /// The whole stream: head, all events, last chunk.
    pub burst: Vec<u8>,
    /// Head, `message_start` and `content_block_start`.
    pub opening: Vec<u8>,
    /// One chunk per delta; the last one carries the rest of the stream too.
    pub deltas: Vec<Vec<u8>>,
    /// Head and `message_start` of a stream that is held open.
    pub held: Vec<u8>,
    /// One ping event as a chunk.
    pub ping: Vec<u8>,
    /// An empty list, for whatever else a gateway asks its upstream.
    pub listing: Vec<u8>,
    /// The head of `listing` without its body, for HEAD.
    pub listing_head: Vec<u8>,
    /// Bytes of a whole stream's body, chunk framing taken off.
    pub stream_body_bytes: u64,
}

impl Answers {
    /// Prepares all answers.
    #[must_use]
    pub fn prepare() -> Self {
        let head = format!(
            "{STREAM_HEAD}{}transfer-encoding: chunked\r\n\r\n",
            common_headers()
        );
        let (start, block, deltas, tail) = events();
        let body: usize = [&start, &block]
            .into_iter()
            .chain(&deltas)
            .chain(&tail)
            .map(String::len)
            .sum();

        let opening = [head.clone().into_bytes(), chunk(&start), chunk(&block)].concat();
        let mut deltas: Vec<Vec<u8>> = deltas.iter().map(|event| chunk(event)).collect();
        if let Some(last) = deltas.last_mut() {
            tail.iter().for_each(|event| last.extend(chunk(event)));
            last.extend_from_slice(b"0\r\n\r\n");
        }
        let burst = [opening.clone(), deltas.concat()].concat();
        let listing_body = r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#;
        let listing_head = json_head(listing_body.len());

        Self {
            json: json(),
            burst,
            opening,
            deltas,
            held: [head.into_bytes(), chunk(&start)].concat(),
            ping: chunk(&event("ping", r#"{"type":"ping"}"#)),
            listing: [listing_head.as_bytes(), listing_body.as_bytes()].concat(),
            listing_head: listing_head.into_bytes(),
            stream_body_bytes: body as u64,
        }
    }
}

fn events() -> (String, String, Vec<String>, Vec<String>) {
    let start = event(
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"bench","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
    );
    let block = event(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    );
    let deltas = (0..DELTAS)
        .map(|n| {
            event(
                "content_block_delta",
                &format!(
                    r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":" word {n:02}"}}}}"#
                ),
            )
        })
        .collect();
    let tail = vec![
        event(
            "content_block_stop",
            r#"{"type":"content_block_stop","index":0}"#,
        ),
        event(
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":128}}"#,
        ),
        event("message_stop", r#"{"type":"message_stop"}"#),
    ];
    (start, block, deltas, tail)
}

fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

fn json() -> Vec<u8> {
    let before = r#"{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"bench","content":[{"type":"text","text":""#;
    let after = r#""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":190,"service_tier":"standard"}}"#;
    let filler = JSON_BYTES.saturating_sub(before.len() + after.len());
    let text: String = "A gateway carries bytes. "
        .chars()
        .cycle()
        .take(filler)
        .collect();
    format!("{}{before}{text}{after}", json_head(JSON_BYTES)).into_bytes()
}

fn json_head(length: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{}content-length: {length}\r\n\r\n",
        common_headers()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &[u8]) -> &[u8] {
        let at = memchr::memmem::find(answer, b"\r\n\r\n").expect("a head");
        &answer[at + 4..]
    }

    #[test]
    fn the_json_answer_is_json_of_the_stated_size_with_usage() {
        let answers = Answers::prepare();
        let body = body(&answers.json);
        assert_eq!(body.len(), JSON_BYTES);
        let value: serde_json::Value = serde_json::from_slice(body).expect("valid JSON");
        assert_eq!(value["usage"]["output_tokens"], 190);
    }

    #[test]
    fn burst_and_paced_are_the_same_bytes() {
        let answers = Answers::prepare();
        assert_eq!(
            answers.burst,
            [answers.opening.clone(), answers.deltas.concat()].concat()
        );
        assert_eq!(answers.deltas.len(), DELTAS);
    }

    #[test]
    fn every_event_is_a_chunk_of_its_own() {
        let answers = Answers::prepare();
        let mut rest = body(&answers.burst);
        let (mut chunks, mut bytes) = (0, 0);
        loop {
            let line = memchr::memmem::find(rest, b"\r\n").expect("a size line");
            let size = std::str::from_utf8(&rest[..line]).expect("ascii");
            let size = usize::from_str_radix(size, 16).expect("hex");
            if size == 0 {
                break;
            }
            let data = &rest[line + 2..line + 2 + size];
            assert!(data.starts_with(b"event: ") && data.ends_with(b"\n\n"));
            assert_eq!(memchr::memmem::find_iter(data, b"\n\n").count(), 1);
            (chunks, bytes) = (chunks + 1, bytes + size);
            rest = &rest[line + 2 + size + 2..];
        }
        assert_eq!((chunks, bytes as u64), (EVENTS, answers.stream_body_bytes));
    }
}
