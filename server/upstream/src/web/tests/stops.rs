//! Stop sequences, wherever the text is cut.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::translation::{run, terms};
use crate::web::translate::Terms;

/// The text that the client sees, how it ended, and the longest text that was held back at a time.
fn answer(deltas: &[&str], sequences: &[&str]) -> (String, Value, Vec<Value>) {
    let mut stream = String::new();
    let mut push = |data: Value| stream += &format!("data: {data}\r\n\r\n");
    push(json!({"type": "message_start", "message": {"id": "m"}}));
    push(
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    );
    for text in deltas {
        push(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        );
    }
    push(json!({"type": "content_block_stop", "index": 0}));
    push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}));
    push(json!({"type": "message_stop"}));
    let terms = Terms {
        stop_sequences: sequences.iter().map(|&text| text.to_owned()).collect(),
        ..terms()
    };
    let events: Vec<Value> = run(terms, [stream.as_bytes()])
        .iter()
        .map(|event| serde_json::to_value(&event.members).unwrap())
        .collect();
    let texts = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str());
    let end = events.iter().find(|event| event["type"] == "message_delta");
    (texts.collect(), end.unwrap()["delta"].clone(), events)
}

fn stopped(sequence: &str) -> Value {
    json!({"stop_reason": "stop_sequence", "stop_sequence": sequence})
}

fn ended() -> Value {
    json!({"stop_reason": "end_turn", "stop_sequence": null})
}

#[test]
fn sequences_end_the_message() {
    for (deltas, sequences, text, end) in [
        (
            &["one HALT two"][..],
            &["HALT"][..],
            "one ",
            stopped("HALT"),
        ),
        (
            &["one H", "AL", "T two"],
            &["HALT"],
            "one ",
            stopped("HALT"),
        ),
        (&["HA", "HALT"], &["HALT"], "HA", stopped("HALT")),
        (&["one HAL"], &["HALT"], "one HAL", ended()),
        (&["HALT"], &["HALT"], "", stopped("HALT")),
        (&["a", "b", "c"], &["abcd", "bc"], "a", stopped("bc")),
        (&["xabc"], &["abc", "bc"], "x", stopped("abc")),
        (&["ö", "ä", "ü"], &["äü"], "ö", stopped("äü")),
        (&["nothing"], &[], "nothing", ended()),
        (&["aab"], &["ab", "aab"], "", stopped("aab")),
    ] {
        let (seen, told, events) = answer(deltas, sequences);
        assert_eq!(
            (seen.as_str(), told),
            (text, end),
            "{deltas:?} {sequences:?}"
        );
        let names: Vec<_> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            names[names.len() - 3..],
            ["content_block_stop", "message_delta", "message_stop"]
        );
    }
}

#[test]
fn no_more_is_held_than_could_begin_a_sequence() {
    let (_, _, events) = answer(&["abc", "d\n", "\nH", "u"], &["\n\nHuman:"]);
    let texts: Vec<_> = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(texts, ["abc", "d", "\n\nHu"]);
}

proptest! {
    #[test]
    fn no_cut_changes_the_result(
        text in "[abc]{0,24}",
        sequences in prop::collection::vec("[abc]{1,4}", 1..4),
        cuts in prop::collection::vec(0..24usize, 0..8),
    ) {
        let sequences: Vec<_> = sequences.iter().map(String::as_str).collect();
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let deltas: Vec<_> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let (whole, whole_end, _) = answer(&[&text], &sequences);
        let (split, split_end, _) = answer(&deltas, &sequences);
        prop_assert_eq!(&whole, &split);
        prop_assert_eq!(&whole_end, &split_end);
        // What is sent holds no sequence, and is a beginning of the text that one follows, if any.
        prop_assert!(sequences.iter().all(|sequence| !whole.contains(sequence)));
        let sequence = whole_end["stop_sequence"].as_str().unwrap_or_default();
        let expected = format!("{whole}{sequence}");
        prop_assert!(text.starts_with(&expected));
        prop_assert_eq!(sequence.is_empty(), whole == text);
    }
}
