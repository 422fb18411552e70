//! `/metrics`: every line is valid Prometheus text, and no label is a client's to choose.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::process::until;
use crate::serve::{Ask, KEY, Place};

/// Types by name, and samples as (name, labels, value).
#[derive(Debug, Default)]
struct Metrics {
    types: BTreeMap<String, String>,
    helped: BTreeSet<String>,
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Metrics {
    fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => {
                    assert!(!help.trim().is_empty(), "{line}");
                    assert!(parsed.helped.insert(name.to_owned()), "twice: {line}");
                }
                ["#", "TYPE", name, kind] => {
                    let before = parsed.types.insert(name.to_owned(), kind.to_owned());
                    assert_eq!(before, None, "twice: {line}");
                }
                _ => parsed.samples.push(sample(line)),
            }
        }
        parsed
    }

    /// The sum of the samples of `name` that have these labels.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |of: &BTreeMap<String, String>| {
            labels
                .iter()
                .all(|(name, value)| of.get(*name).is_some_and(|found| found == value))
        };
        let found = self
            .samples
            .iter()
            .filter(|(found, of, _)| found == name && fits(of));
        found.map(|(_, _, value)| value).sum()
    }
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value = value
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(name.chars().all(legal), "{line}");
    let labels = labels.strip_suffix('}').expect("a closing brace");
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let labels = pairs.map(|pair| {
        let (name, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(name.chars().all(legal), "{line}");
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}

fn read(place: &Place) -> Metrics {
    Metrics::parse(&Ask::get("/metrics").send(place.address).body())
}

#[test]
fn they_parse_and_count_what_happened() {
    let place = Place::new();
    let _gateway = place.serve();
    place.stream(KEY, "default").body();
    place.message(KEY, "default").body();
    place.message(KEY, "status_400").body();
    place
        .message("troupe-nobody-has-this-key-0000", "default")
        .body();
    let odd = r#"{"model":"claude-made-up-by-a-client","max_tokens":9,"messages":[]}"#;
    let odd = Ask::new("POST", "/v1/messages", odd.to_owned()).key(KEY);
    odd.send(place.address).body();
    let counted =
        |metrics: &Metrics| metrics.value("troupe_requests_total", &[("route", "messages")]);
    let soon = until(Duration::from_secs(5), || counted(&read(&place)) >= 4.0);
    let metrics = read(&place);
    assert!(soon, "{metrics:?}");

    for (name, ..) in &metrics.samples {
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| {
                name.strip_suffix(end)
                    .filter(|name| metrics.types.contains_key(*name))
            })
            .unwrap_or(name);
        assert!(
            family.starts_with("troupe_") || family.starts_with("process_"),
            "{family}"
        );
        assert!(metrics.helped.contains(family), "{family} has no help");
        let kind = metrics
            .types
            .get(family)
            .unwrap_or_else(|| panic!("{family} has no type"));
        assert_eq!(
            kind == "counter",
            family.ends_with("_total"),
            "{family} is a {kind}"
        );
    }
    let ok = [
        ("route", "messages"),
        ("status", "200"),
        ("outcome", "completed"),
    ];
    assert!(
        metrics.value("troupe_requests_total", &ok) >= 2.0,
        "{metrics:?}"
    );
    let relayed = [("account", "scripted"), ("status", "400")];
    assert!(
        metrics.value("troupe_upstream_requests_total", &relayed) >= 1.0,
        "{metrics:?}"
    );
    assert!(metrics.value("troupe_tokens_total", &[("type", "output")]) > 0.0);
    assert!(metrics.value("troupe_cost_usd_total", &[]) > 0.0);
    assert!(metrics.value("troupe_time_to_first_event_seconds_count", &[]) >= 2.0);
    assert!(metrics.value("troupe_streams_open", &[]).abs() < 0.5);
    let active = [("account", "scripted"), ("state", "active")];
    assert!((metrics.value("troupe_account_state", &active) - 1.0).abs() < 0.5);
    for (name, labels, _) in &metrics.samples {
        for (label, value) in labels {
            assert!(!value.contains("made-up"), "{name}: {label}={value}");
            assert!(
                !["key", "user", "session"].contains(&label.as_str()),
                "{name}: {label}"
            );
        }
    }
}

#[test]
fn a_running_stream_is_seen() {
    let place = Place::new();
    let _gateway = place.serve();
    let stream = place.running_stream(KEY, "endless");
    let open = || read(&place).value("troupe_streams_open", &[]);
    assert!((open() - 1.0).abs() < 0.5);
    drop(stream);
    assert!(until(Duration::from_secs(5), || open() < 0.5));
}

#[test]
fn they_are_for_this_machine_and_for_a_port_of_their_own() {
    let place = Place::new();
    let own = crate::process::free_address();
    place.configure(&format!(
        "{}telemetry: {{ metrics: {{ bind: \"{own}\" }} }}\n",
        place.account("scripted", crate::serve::ACCOUNT)
    ));
    let _gateway = place.serve();
    let forwarded = Ask::get("/metrics").with("x-forwarded-for", "203.0.113.9");
    assert_eq!(forwarded.status(place.address), 403);
    assert_eq!(Ask::get("/metrics").status(own), 200);
    assert_eq!(Ask::get("/v1/models").key(KEY).status(own), 404);
}
