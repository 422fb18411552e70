use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// What an observer sees of an event, owned.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    kind: EventKind,
    data: Option<Vec<u8>>,
    text_chars: u64,
}

fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Seen>, Vec<u8>, Vec<u8>) {
    let (mut splitter, mut seen, mut forwarded) = (Splitter::new(), Vec::new(), Vec::new());
    for chunk in chunks {
        let mut last_end = None;
        let ready = splitter.push(Bytes::copy_from_slice(chunk), &mut |event| {
            last_end = Some(event.end_offset);
            assert!(event.raw.ends_with(b"\n") || event.raw.ends_with(b"\r"));
            let data = event.data.map(|data| data.into_owned());
            seen.push(Seen {
                kind: event.kind,
                data,
                text_chars: event.text_chars,
            });
        });
        for bytes in ready {
            assert!(!bytes.is_empty());
            forwarded.extend_from_slice(&bytes);
        }
        if let Some(end) = last_end {
            assert!(end <= forwarded.len() as u64);
        }
    }
    let held = splitter.take_held().to_vec();
    (seen, forwarded, held)
}

/// The standard's algorithm, written the slow way: normalise line ends, split, join.
fn reference(stream: &[u8]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let text = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let text = String::from_utf8(text.to_vec())
        .unwrap()
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut events = Vec::new();
    let (mut name, mut data): (Option<String>, Option<String>) = (None, None);
    let lines: Vec<_> = text.split('\n').collect();
    for line in &lines[..lines.len() - 1] {
        if line.is_empty() {
            if name.is_some() || data.is_some() {
                let name = name.take().unwrap_or_default().into_bytes();
                events.push((name, data.take().map(String::into_bytes)));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut data) {
            ("event", _) => name = Some(value.to_owned()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", data) => *data = Some(value.to_owned()),
            _ => {}
        }
    }
    events
}

const LINE_ENDS: [&str; 3] = ["\n", "\r\n", "\r"];

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("event: message_start".to_owned()),
        Just("event: content_block_delta".to_owned()),
        Just("event:ping".to_owned()),
        Just("event: brand_new".to_owned()),
        Just(": a comment".to_owned()),
        Just("data".to_owned()),
        Just("datax: y".to_owned()),
        Just("id: 7".to_owned()),
        Just(String::new()),
        Just(r#"data: {"type":"message_stop"}"#.to_owned()),
        Just(r#"data: {"x":"\ud800","type": "error"}"#.to_owned()),
        "[a-zé{}: ]{0,40}".prop_map(|text| format!("data: {text}")),
        "[a-z\\\\\"né]{0,20}".prop_map(|text| {
            let text = serde_json::to_string(&text).unwrap();
            format!(
                r#"data: {{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}} }}"#
            )
        }),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec((line(), 0..LINE_ENDS.len()), 0..40);
    (lines, 0..4usize, any::<bool>()).prop_map(|(lines, ending, mark)| {
        let mut text = if mark {
            "\u{feff}".to_owned()
        } else {
            String::new()
        };
        for (line, own) in lines {
            text.push_str(&line);
            text.push_str(LINE_ENDS.get(ending).unwrap_or(&LINE_ENDS[own]));
        }
        text.into_bytes()
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events_and_bytes(
        stream in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        let (whole, forwarded, held) = run([&stream[..]]);
        let (split, split_forwarded, split_held) = run(chunks);
        prop_assert_eq!(&whole, &split);
        prop_assert_eq!([&forwarded[..], &held[..]].concat(), stream.clone());
        prop_assert_eq!(forwarded, split_forwarded);
        prop_assert_eq!(held, split_held);
        let (bytewise, _, _) = run(stream.chunks(1));
        prop_assert_eq!(&whole, &bytewise);
        let data: Vec<_> = whole.into_iter().map(|seen| seen.data).collect();
        let expected: Vec<_> = reference(&stream).into_iter().map(|(_, data)| data).collect();
        prop_assert_eq!(data, expected);
    }

    #[test]
    fn nothing_injected_disturbs_the_events(stream in stream(), size in 1..9usize) {
        let (plain, _, _) = run([&stream[..]]);
        let mut mixed = Vec::new();
        let mut splitter = Splitter::new();
        for chunk in stream.chunks(size) {
            for bytes in splitter.push(Bytes::copy_from_slice(chunk), &mut |_| {}) {
                mixed.extend_from_slice(&bytes);
            }
            // Before the first byte an injection would stand in front of a byte order mark.
            if splitter.at_boundary() && !mixed.is_empty() {
                mixed.extend_from_slice(b"event: injected\ndata: #\n\n");
            }
        }
        let (mut with, _, _) = run([&mixed[..]]);
        with.retain(|seen| seen.data.as_deref() != Some(b"#"));
        prop_assert_eq!(plain, with);
    }
}

#[test]
fn kinds() {
    for (text, kind) in [
        (
            "event: message_start\ndata: {}\n\n",
            EventKind::MessageStart,
        ),
        ("event: message_stop\n\n", EventKind::MessageStop),
        (
            "data: {\"type\":\"message_delta\"}\n\n",
            EventKind::MessageDelta,
        ),
        ("data: {\"type\": \"ping\"}\n\n", EventKind::Ping),
        (
            "data: {\"index\":0,\"type\":\"content_block_stop\"}\n\n",
            EventKind::ContentBlockStop,
        ),
        ("data: {\"type\":\"p\\u0069ng\"}\n\n", EventKind::Ping),
        ("event: error\r\ndata: x\r\n\r\n", EventKind::Error),
        ("data:\rdata:\r\r", EventKind::Other),
        (
            "event: later\ndata: {\"type\":\"ping\"}\n\n",
            EventKind::Other,
        ),
    ] {
        let (seen, _, _) = run([text.as_bytes()]);
        assert_eq!(seen.len(), 1, "{text:?}");
        assert_eq!(seen[0].kind, kind, "{text:?}");
    }
    assert!(run([&b": comment\n\n\n\r\n"[..]]).0.is_empty());
}

#[test]
fn whole_events_of_a_chunk_are_slices_of_it() {
    let mut splitter = Splitter::new();
    let chunk = Bytes::from_static(b"event: ping\n\nevent: ping\n\nevent: mess");
    let ready = splitter.push(chunk.clone(), &mut |_| {});
    assert_eq!(ready.head, None);
    assert_eq!(ready.rest.unwrap().as_ptr(), chunk.as_ptr());
    assert_eq!(splitter.held_len(), 11);
    let next = Bytes::from_static(b"age_stop\n\nevent: ping\n\n");
    let ready = splitter.push(next.clone(), &mut |_| {});
    assert_eq!(ready.head.unwrap(), "event: message_stop\n\n");
    assert_eq!(ready.rest.unwrap().as_ptr(), next[10..].as_ptr());
}

#[test]
fn an_overlong_event_passes_and_the_next_is_whole_again() {
    let long = format!(
        "event: content_block_delta\ndata: {}\n\n",
        "x".repeat(3 * HELD_LIMIT_BYTES)
    );
    let stream = format!("event: ping\n\n{long}event: message_stop\n\nevent: pi");
    for size in [stream.len(), 64 * 1024, 700_001] {
        let (mut splitter, mut kinds, mut bytes, mut injectable) =
            (Splitter::new(), Vec::new(), Vec::new(), Vec::new());
        for chunk in stream.as_bytes().chunks(size) {
            let mut observer = |event: Event<'_>| kinds.push((event.kind, event.text_chars > 0));
            let ready = splitter.push(Bytes::copy_from_slice(chunk), &mut observer);
            assert_eq!(ready.overlong, !splitter.at_boundary());
            injectable.push(splitter.at_boundary());
            bytes.extend(ready.into_iter().flatten());
            assert!(splitter.held_len() <= HELD_LIMIT_BYTES);
        }
        assert_eq!(
            [&bytes[..], &splitter.take_held()].concat(),
            stream.as_bytes()
        );
        assert_eq!(kinds.last(), Some(&(EventKind::MessageStop, false)));
        assert_eq!(kinds.len(), 3, "{size}");
        assert_eq!(injectable.last(), Some(&true));
        assert_eq!(injectable.contains(&false), size < stream.len());
    }
}
