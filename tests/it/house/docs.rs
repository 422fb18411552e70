//! The documents name things that exist: every relative link leads to a file (and its heading),
//! every `make` target and every command of the README is there.

use std::collections::BTreeSet;

fn documents() -> Vec<(String, String)> {
    super::sources()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".md"))
        .collect()
}

/// The targets of `[text](target)` outside code.
fn links(document: &str) -> Vec<String> {
    let mut code = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            if let Some(target) = line[at + 2..].split(')').next() {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for (path, text) in documents() {
        let folder = std::path::Path::new(&path)
            .parent()
            .unwrap_or(std::path::Path::new(""));
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                format!("{}/{file}", folder.display())
            };
            let target = super::root().join(target.trim_start_matches('/'));
            let known = target.exists()
                && (heading.is_empty()
                    || std::fs::read_to_string(&target).is_ok_and(|text| {
                        text.lines()
                            .any(|l| l.starts_with('#') && anchor(l) == heading)
                    }));
            if !known {
                dead.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(
        dead.is_empty(),
        "links that lead nowhere:\n{}",
        dead.join("\n")
    );
}

/// The word after each `first ` in code (inline or fenced), e.g. `test` of `make test`.
fn words_after(document: &str, first: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let code: Vec<&str> = if fenced {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for part in code {
            let part = part.trim_start().trim_start_matches("$ ");
            // After environment variables, as in `KEY=… make run`.
            let command = part
                .split(' ')
                .skip_while(|word| word.contains('=') && !word.starts_with('-'))
                .collect::<Vec<_>>();
            if let [program, word, ..] = command[..]
                && program == first
                && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                && !word.is_empty()
            {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

#[test]
fn make_targets_of_the_documents_exist() {
    let makefile = std::fs::read_to_string(super::root().join("Makefile")).expect("Makefile");
    let mut unknown = Vec::new();
    for (path, text) in documents() {
        for target in words_after(&text, "make") {
            if !makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")))
            {
                unknown.push(format!("{path}: make {target}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?} not in the Makefile");
    let readme = std::fs::read_to_string(super::root().join("README.md")).expect("README.md");
    let named = words_after(&readme, "make");
    assert!(
        named.contains("run") && named.contains("test"),
        "the README's two commands: {named:?}"
    );
}

#[test]
fn commands_of_the_documents_exist() {
    let troupe = crate::process::binary("troupe");
    let mut known = BTreeSet::new();
    let mut unknown = Vec::new();
    for (path, text) in documents() {
        for command in words_after(&text, "troupe") {
            if known.contains(&command) {
                continue;
            }
            let output = std::process::Command::new(&troupe)
                .args([command.as_str(), "--help"])
                .output()
                .expect("troupe starts");
            if output.status.success() {
                known.insert(command);
            } else {
                unknown.push(format!("{path}: troupe {command}"));
            }
        }
    }
    assert!(
        known.contains("serve") && known.contains("demo"),
        "found only {known:?}"
    );
    assert!(
        unknown.is_empty(),
        "named, but unknown to troupe: {unknown:?}"
    );
}
