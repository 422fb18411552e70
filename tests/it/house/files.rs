//! How long a file may be, and what may not be written in one.

/// A longer file is asked why; one over `SPLIT` is split.
const ASK: usize = 300;
const SPLIT: usize = 500;

#[test]
fn no_file_is_longer_than_500_lines() {
    const COUNTED: [&str; 4] = ["rs", "py", "ts", "css"];
    const NOT_WRITTEN: [&str; 3] = ["generated", "golden", "vendor"];
    let mut long: Vec<(usize, String)> = super::sources()
        .into_iter()
        .filter(|(path, _)| {
            let counted = path
                .rsplit_once('.')
                .is_some_and(|(_, end)| COUNTED.contains(&end));
            counted && !path.split('/').any(|part| NOT_WRITTEN.contains(&part))
        })
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > ASK)
        .collect();
    long.sort_by(|a, b| b.cmp(a));
    for (lines, path) in &long {
        println!("{lines:>5} {path}");
    }
    let too_long: Vec<_> = long.iter().filter(|(lines, _)| *lines > SPLIT).collect();
    assert!(
        too_long.is_empty(),
        "split by meaning, not by length: {too_long:?}"
    );
}

#[test]
fn nothing_is_put_off_or_switched_off() {
    // Put together here, so that this file does not find itself.
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[", "ignore"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    let breaches: Vec<String> = super::sources()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("package-lock.json"))
        .flat_map(|(path, text)| {
            let found: Vec<_> = text
                .lines()
                .enumerate()
                .filter(|(_, line)| banned.iter().any(|word| line.contains(word)))
                .map(|(at, line)| format!("{path}:{}: {}", at + 1, line.trim()))
                .collect();
            found
        })
        .collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_silenced_lint_says_why() {
    let breaches: Vec<String> = super::sources()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .filter(|(_, text)| {
            let code: String = text.split_whitespace().collect();
            ["#[allow(", "#![allow(", "#[expect(", "#![expect("]
                .iter()
                .any(|start| {
                    code.match_indices(start).any(|(at, _)| {
                        let attribute = code[at..].split(")]").next().unwrap_or_default();
                        !attribute.contains("reason=") && !attribute.contains('"')
                    })
                })
        })
        .map(|(path, _)| path)
        .collect();
    assert!(
        breaches.is_empty(),
        "a lint is silenced without a reason in {breaches:?}"
    );
}

#[test]
fn lock_files_name_no_download_host() {
    for (path, text) in super::sources() {
        if path.ends_with("package-lock.json") {
            assert!(
                !text.contains("\"resolved\": \"http"),
                "{path} names a download host"
            );
        }
    }
}
