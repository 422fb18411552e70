//! Tests of the house itself: who may depend on whom, how long a file may be, what may not be
//! written, and that the documents name things that exist. They read the sources and
//! `cargo metadata`; nothing is started, so they are the first to fail and the cheapest to run.

mod docs;
mod files;
mod http2;
mod layers;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's folder.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests crate lies in the workspace's folder")
        .to_owned()
}

/// What `cargo <args>` prints, run in the workspace without network.
fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(root())
        .output()
        .expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {}: {errors}",
        args.join(" ")
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// The files people wrote, as (path relative to the workspace, text). Build products, installed
/// packages and data folders are left out; so is what is not UTF-8.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    assert!(
        found.len() > 50,
        "the walk lost its way: only {} files",
        found.len()
    );
    found
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
    const OF_US: [&str; 4] = [".cargo", ".ci", ".config", ".github"];
    const NOT_OF_US: [&str; 4] = ["node_modules", "data", "dist", "target"];
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let (name, path) = (
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        );
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !OF_US.contains(&name.as_str());
            let made = NOT_OF_US.contains(&name.as_str()) || path.join("CACHEDIR.TAG").exists();
            if !hidden && !made {
                walk(&path, found);
            }
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let relative = path.strip_prefix(root()).expect("below the root");
            found.push((relative.to_string_lossy().into_owned(), text));
        }
    }
}
