//! The rooms and who may enter them: the dependency rules of the workspace, read from
//! `cargo metadata` (what a crate links) and from the sources (what a folder names).

use serde_json::Value;

/// A crate and those of ours it may link. Order: from the inside out.
const ROOMS: [(&str, &[&str]); 13] = [
    ("troupe-core", &[]),
    ("troupe-wire", &[]),
    ("troupe-admin-api", &[]),
    ("troupe-actors", &["troupe-core"]),
    ("troupe-cluster", &["troupe-core"]),
    ("troupe-storage", &["troupe-core"]),
    ("troupe-upstream", &["troupe-core", "troupe-wire"]),
    ("troupe-mock", &["troupe-wire"]),
    ("troupe-admin", &["troupe-admin-api"]),
    // The host tool that makes the page; linked by nothing.
    ("troupe-admin-build", &[]),
    (
        "troupe-server",
        &[
            "troupe-core",
            "troupe-wire",
            "troupe-admin-api",
            "troupe-actors",
            "troupe-cluster",
            "troupe-storage",
            "troupe-upstream",
            "troupe-mock",
        ],
    ),
    ("troupe-bench", OUTSIDE),
    ("troupe-tests", OUTSIDE),
];
const OUTSIDE: &[&str] = &[
    "troupe-server",
    "troupe-mock",
    "troupe-wire",
    "troupe-admin-api",
    "troupe-core",
];

/// Tests may also link the scripted upstream and the in-memory fakes beside the ports.
const FOR_TESTS: [&str; 2] = ["troupe-mock", "troupe-core"];

/// Foreign crates that belong to one room, and the rooms that may link them.
const FOREIGN: [(&str, &[&str]); 16] = [
    ("actix", &["troupe-actors"]),
    ("actix-web", &["troupe-server"]),
    ("actix-http", &["troupe-server", "troupe-upstream"]),
    ("actix-ws", &["troupe-server"]),
    ("actix-cors", &["troupe-server"]),
    ("redis", &["troupe-cluster"]),
    ("deadpool-redis", &["troupe-cluster"]),
    ("memmap2", &["troupe-storage"]),
    ("sled", &["troupe-storage"]),
    ("sqlx", &["troupe-storage"]),
    // Links actix-http's h2 0.3 (docs/adr/0005).
    ("awc", &[]),
    ("reqwest", CLIENTS),
    ("hyper", CLIENTS),
    ("hyper-util", CLIENTS),
    ("ureq", CLIENTS),
    ("isahc", CLIENTS),
];
const CLIENTS: &[&str] = &["troupe-upstream"];

/// They play the clients and the load, outside the product.
const PLAYERS: [&str; 2] = ["troupe-bench", "troupe-tests"];

/// A crate's name in the sources, and the only folders that may name it.
const NAMED: [(&str, &[&str]); 7] = [
    ("actix::", &["actors/src/shell"]),
    ("actix_web::", &["server/src", "server/benches"]),
    ("redis::", &["cluster/"]),
    ("deadpool_redis::", &["cluster/"]),
    ("sled::", &["server/storage/"]),
    ("sqlx::", &["server/storage/"]),
    ("reqwest::", &["server/upstream/"]),
];

#[derive(Debug)]
struct Link {
    from: String,
    to: String,
    /// A dev-dependency: linked into tests only.
    for_tests: bool,
}

fn metadata() -> Value {
    let text = super::cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]);
    serde_json::from_str(&text).expect("cargo metadata prints JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn links(metadata: &Value) -> Vec<Link> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .flat_map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            dependencies.iter().map(|dependency| Link {
                from: text(&package["name"]),
                to: text(&dependency["name"]),
                for_tests: dependency["kind"] == "dev",
            })
        })
        .filter(|link| link.from != link.to)
        .collect()
}

#[test]
fn every_crate_has_a_room() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = text(&package["name"]);
        assert!(
            ROOMS.iter().any(|(room, _)| *room == name),
            "{name} has no row in ROOMS"
        );
        assert_eq!(
            package["publish"],
            serde_json::json!([]),
            "{name} must not be published"
        );
    }
}

#[test]
fn dependencies_point_inwards() {
    let breaches: Vec<String> = links(&metadata())
        .into_iter()
        .filter(|link| link.to.starts_with("troupe-"))
        .filter(|link| {
            let (_, may) = ROOMS
                .iter()
                .find(|(room, _)| *room == link.from)
                .expect("every_crate_has_a_room");
            let allowed = may.contains(&link.to.as_str());
            !(allowed || link.for_tests && FOR_TESTS.contains(&link.to.as_str()))
        })
        .map(|link| format!("{} must not link {}", link.from, link.to))
        .collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn the_core_is_pure() {
    const IMPURE: [&str; 8] = [
        "tokio",
        "actix",
        "actix-rt",
        "futures-util",
        "rand",
        "getrandom",
        "metrics",
        "tracing",
    ];
    let breaches: Vec<String> = links(&metadata())
        .into_iter()
        .filter(|link| link.from == "troupe-core" && !link.for_tests)
        .filter(|link| IMPURE.contains(&link.to.as_str()))
        .map(|link| link.to)
        .collect();
    assert!(
        breaches.is_empty(),
        "troupe-core must not link {breaches:?}"
    );
}

#[test]
fn foreign_crates_stay_in_their_room() {
    let breaches: Vec<String> = links(&metadata())
        .into_iter()
        .filter(|link| {
            let Some((_, rooms)) = FOREIGN.iter().find(|(name, _)| *name == link.to) else {
                return false;
            };
            let plays = PLAYERS.contains(&link.from.as_str());
            let tests_as_client = link.for_tests && *rooms == CLIENTS;
            !(rooms.contains(&link.from.as_str()) || plays || tests_as_client)
        })
        .map(|link| format!("{} must not link {}", link.from, link.to))
        .collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn sources_name_foreign_crates_in_their_room_only() {
    let mut breaches = Vec::new();
    for (path, source) in super::sources() {
        let plays = path.starts_with("bench/") || path.starts_with("tests/it/");
        let of_tests = path.contains("/tests/") || path.ends_with("/tests.rs");
        if !path.ends_with(".rs") || plays || of_tests {
            continue;
        }
        for (number, line) in source.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (name, folders) in NAMED {
                let at_home = folders.iter().any(|folder| path.starts_with(folder));
                if !at_home && names(code, name) {
                    breaches.push(format!("{path}:{} names {name}", number + 1));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Whether `code` holds the path `name`, and not as the tail of a longer identifier.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"' || c == ':')
    })
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (path, manifest) in super::sources() {
        if path.ends_with("/Cargo.toml") {
            assert!(
                manifest.contains("[lints]\nworkspace = true"),
                "{path} lacks `[lints]` with `workspace = true`"
            );
        }
    }
}
