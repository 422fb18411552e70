use proptest::prelude::*;

use super::*;

/// All that comes out of these pieces, and how it ended.
fn run<'a>(
    framing: Option<Framing>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Progress, bool) {
    let mut decoder = Decoder::new(framing);
    let (mut all, mut excess) = (Vec::new(), false);
    for piece in pieces {
        let decoded = decoder.decode(piece);
        all.extend_from_slice(&decoded.payload);
        excess |= decoded.excess;
    }
    (all, decoder.progress(), excess)
}

fn chunked(input: &[u8]) -> (Vec<u8>, Progress, bool) {
    run(Some(Framing::Chunked), [input])
}

/// In every place once cut in two, and each byte alone.
fn assert_invariant(framing: Option<Framing>, input: &[u8]) {
    let whole = run(framing, [input]);
    for cut in 0..=input.len() {
        let (left, right) = input.split_at(cut);
        assert_eq!(run(framing, [left, right]), whole, "cut at {cut}");
    }
    assert_eq!(run(framing, input.chunks(1)), whole);
}

#[test]
fn chunks_are_joined() {
    for (input, payload) in [
        (&b"0\r\n\r\n"[..], &b""[..]),
        (b"2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"002\r\nok\r\n00\r\n\r\n", b"ok"),
        (
            b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            b"01234567890123456789",
        ),
        (b"2;ext\r\nok\r\n0;a=\"b\";c\r\n\r\n", b"ok"),
        (b"2 \t\r\nok\r\n2 ;x=1\r\nok\r\n0\r\n\r\n", b"okok"),
        (
            b"4\r\n\r\n0\r\r\n0\r\nx-sum: 1\r\nx-b: 2\r\n\r\n",
            b"\r\n0\r",
        ),
    ] {
        let text = String::from_utf8_lossy(input);
        assert_eq!(
            chunked(input),
            (payload.to_vec(), Progress::Whole, false),
            "{text:?}"
        );
        assert_invariant(Some(Framing::Chunked), input);
        for cut in 0..input.len() {
            assert_eq!(
                chunked(&input[..cut]).1,
                Progress::Open,
                "{text:?} at {cut}"
            );
        }
    }
}

#[test]
fn many_chunks_come_as_one() {
    let mut decoder = Decoder::new(Some(Framing::Chunked));
    let decoded = decoder.decode(&b"7\r\ndata: x\r\n".repeat(64));
    assert_eq!(decoded.payload, b"data: x".repeat(64));
}

#[test]
fn broken_chunks_are_refused() {
    for (input, before) in [
        (&b"\r\n"[..], &b""[..]),
        (b"x\r\n", b""),
        (b"0x2\r\nok", b""),
        (b"+2\r\nok", b""),
        (b"-2\r\nok", b""),
        (b" 2\r\nok", b""),
        (b"2 2\r\nok", b""),
        (b";x\r\nok", b""),
        (b"2\nok\n", b""),
        (b"2\r\r\nok", b""),
        (b"2\rok", b""),
        (b"2;x\nok\r\n", b""),
        (b"2;x\0y\r\nok\r\n", b""),
        (b"00000000000000002\r\nok", b""),
        (b"10000000000000000\r\nok", b""),
        (b"2\r\nok0\r\n\r\n", b"ok"),
        (b"2\r\nok\n0\r\n\r\n", b"ok"),
        (b"2\r\nokay\r\n", b"ok"),
        (b"2\r\nok\r\r\n", b"ok"),
        (b"2\r\nok\r\n0\r\n\n", b"ok"),
        (b"2\r\nok\r\n0\r\nx: y\n\r\n", b"ok"),
        (b"2\r\nok\r\n0\r\nx: y\r\r\n", b"ok"),
        (b"2\r\nok\r\n0\n\r\n", b"ok"),
    ] {
        let text = String::from_utf8_lossy(input);
        assert_eq!(
            chunked(input),
            (before.to_vec(), Progress::Malformed, false),
            "{text:?}"
        );
        assert_invariant(Some(Framing::Chunked), input);
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let long = "x".repeat(SLACK_MAX);
    let many = format!("1;{}\r\no\r\n", "x".repeat(1024)).repeat(17);
    let lines = "a: b\r\n".repeat(SLACK_MAX);
    for (input, progress) in [
        (
            format!("1;{}\r\no\r\n0\r\n\r\n", &long[1..]),
            Progress::Whole,
        ),
        (format!("1;{long}x\r\no\r\n0\r\n\r\n"), Progress::Malformed),
        (
            format!("1{}\r\no\r\n", " ".repeat(SLACK_MAX + 1)),
            Progress::Malformed,
        ),
        (many, Progress::Malformed),
        (format!("0\r\n{long}\r\n\r\n"), Progress::Whole),
        (format!("0\r\n{lines}\r\n"), Progress::Malformed),
    ] {
        assert_eq!(chunked(input.as_bytes()).1, progress);
    }
}

#[test]
fn what_comes_behind_the_end_is_told() {
    for (framing, input) in [
        (Some(Framing::Chunked), &b"2\r\nok\r\n0\r\n\r\nHTTP/1.1"[..]),
        (Some(Framing::Length(2)), b"okHTTP/1.1"),
    ] {
        assert_eq!(
            run(framing, [input]),
            (b"ok".to_vec(), Progress::Whole, true)
        );
        assert_invariant(framing, input);
    }
}

#[test]
fn lengths_and_ends_of_connections() {
    for (framing, progress, whole_at_end) in [
        (Some(Framing::Length(4)), Progress::Whole, true),
        (Some(Framing::Length(5)), Progress::Open, false),
        (Some(Framing::Length(u64::MAX)), Progress::Open, false),
        (None, Progress::Open, true),
        (Some(Framing::Chunked), Progress::Malformed, false),
    ] {
        let mut decoder = Decoder::new(framing);
        let decoded = decoder.decode(b"body");
        assert_eq!(
            decoded.payload.len(),
            if framing == Some(Framing::Chunked) {
                0
            } else {
                4
            }
        );
        assert_eq!(decoder.progress(), progress);
        assert_eq!(decoder.ends_with_connection(), whole_at_end, "{framing:?}");
        assert_invariant(framing, b"body");
    }
}

fn cut<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let plain = pieces.concat();
        let mut coded = Vec::new();
        for piece in &pieces {
            coded.extend_from_slice(format!("{:x};e\r\n", piece.len()).as_bytes());
            coded.extend_from_slice(piece);
            coded.extend_from_slice(b"\r\n");
        }
        coded.extend_from_slice(b"0\r\nt: v\r\n\r\n");
        let length = Some(Framing::Length(plain.len() as u64));
        for (framing, input, progress) in [
            (Some(Framing::Chunked), &coded, Progress::Whole),
            (length, &plain, Progress::Whole),
            (None, &plain, Progress::Open),
        ] {
            let got = run(framing, cut(input, &cuts));
            prop_assert_eq!(got, (plain.clone(), progress, false));
        }
    }

    #[test]
    fn garbage_is_cut_the_same(
        input in "[0-3a;\r\n x]{0,40}",
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let whole = chunked(input.as_bytes());
        prop_assert_eq!(run(Some(Framing::Chunked), cut(input.as_bytes(), &cuts)), whole);
    }
}
