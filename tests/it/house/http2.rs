//! HTTP/2 stays off on the side that listens (`docs/adr/0005`): actix-http's h2 0.3 has an open
//! advisory. Nothing may ask for it, so nothing links it.

use std::collections::BTreeSet;

#[test]
fn our_manifests_never_ask_for_http2() {
    let text = super::cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]);
    let metadata: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for package in metadata["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = dependency["name"].as_str().unwrap_or_default();
            // Crates that switch the feature on when taken with their defaults.
            if ![
                "actix-http",
                "actix-web",
                "actix-files",
                "awc",
                "actix-web-lab",
            ]
            .contains(&name)
            {
                continue;
            }
            let features = dependency["features"].as_array().expect("features");
            let user = &package["name"];
            assert_eq!(
                dependency["uses_default_features"], false,
                "{user} takes {name} with default features, http2 among them"
            );
            assert!(
                !features.iter().any(|f| f == "http2"),
                "{user} takes {name} with http2"
            );
        }
    }
}

#[test]
fn nobody_pulls_the_http2_feature_in() {
    let tree = super::cargo(&[
        "tree",
        "--workspace",
        "--offline",
        "--edges",
        "features",
        "--invert",
        "actix-http",
        "--prefix",
        "depth",
    ]);
    // Lines are `<depth><what>`; who asks for a feature stands one level below it.
    let mut asking = BTreeSet::new();
    let mut inside = None;
    for line in tree.lines() {
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let Ok(depth) = line[..digits].parse::<usize>() else {
            continue;
        };
        let what = &line[digits..];
        if inside.is_some_and(|level| depth <= level) {
            inside = None;
        }
        if what.starts_with("actix-http feature \"http2\"") {
            inside = Some(depth);
        } else if inside.is_some_and(|level| depth == level + 1) {
            asking.insert(what.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    assert!(asking.is_empty(), "{asking:?} switch actix-http's http2 on");
}
