//! Faults: one by one, many at once, and those of the whole file.

use super::*;

#[test]
fn each_fault_has_its_message() {
    let mut wrong = Vec::new();
    let tables = [
        table::TABLE,
        account_table::TABLE,
        routing_table::TABLE,
        limit_table::TABLE,
    ];
    for (text, expected) in tables.into_iter().flatten() {
        let bench = Bench::yaml(&format!("version: 1\n{text}\n"));
        let cwd = bench.folder.path().display().to_string();
        let told = match load(&bench.sources) {
            Ok(_) => "(it loads)".to_owned(),
            Err(errors) => errors.to_string().replace(&cwd, "CWD"),
        };
        if told != *expected {
            wrong.push(format!("{text}\n  said     {told}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn many_faults_are_told_in_one_go_and_in_order() {
    let bench = Bench::yaml(
        r"version: 1
server:
  bind: nowhere
  wrkers: 1
  body_limit: big
accounts:
  - name: 'no good'
    api_key: ${NOT_SET}
    base_url: 5
  - api_key: x
    colour: red
  - name: fine
    api_key: ok
    concurrent: 0
plugins: [a]
sessions: { max: 0 }
",
    )
    .env("TROUPE_STREAMING__KEEPALIVE", "often");
    insta::assert_snapshot!(bench.errors(), @r"
    troupe.yaml:3:3: server.bind: expected an address and port such as 127.0.0.1:5200, got `nowhere`
    troupe.yaml:4:3: server.wrkers: unknown key; did you mean `workers`?
    troupe.yaml:5:3: server.body_limit: expected a size such as 512KiB, 32MiB or 1GiB, got `big`
    troupe.yaml:7:5: accounts[0].name: must be 1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or digit
    troupe.yaml:8:5: accounts[0].api_key: variable `NOT_SET` is not set; set it or write `${NOT_SET:-default}`
    troupe.yaml:9:5: accounts[0].base_url: must start with http:// or https://
    troupe.yaml:10:5: accounts[1]: `name` is missing
    troupe.yaml:11:5: accounts[1].colour: unknown key
    troupe.yaml:14:5: accounts[2].concurrent: must be at least 1; leave it out for no bound
    troupe.yaml:15:1: plugins: `plugins` is not available in this version
    troupe.yaml:16:13: sessions.max: must be at least 1
    TROUPE_STREAMING__KEEPALIVE: streaming.keepalive: expected a duration such as 500ms, 5s, 15m, 1h or 30d, got `often`
    ");
}

#[test]
fn the_version_is_asked_for() {
    let bench = Bench::yaml("server: {}\n");
    assert_eq!(
        bench.errors(),
        "troupe.yaml:1:1: version: missing; add the line `version: 1` at the top of the file"
    );
    let bench = Bench::yaml("# nothing\nversion: 2\n");
    assert_eq!(
        bench.errors(),
        "troupe.yaml:2:1: version: this version of troupe reads `version: 1` only"
    );
    assert!(Bench::yaml("").errors().contains("version: missing"));
    assert_eq!(
        Bench::yaml("- a\n").errors(),
        "troupe.yaml:1:1: expected a mapping of keys at the top"
    );
}

#[test]
fn text_that_is_not_yaml_has_its_place() {
    let told = Bench::yaml("version: 1\nserver: { bind: x\n").errors();
    assert!(told.starts_with("troupe.yaml:"), "{told}");
    assert!(told.contains("not valid YAML: "), "{told}");
    let bench = Bench::new();
    std::fs::write(
        bench.folder.path().join("troupe.yaml"),
        b"version: 1\n\xff\n",
    )
    .expect("a file");
    assert_eq!(bench.errors(), "troupe.yaml:2:1: is not UTF-8 text");
}

#[test]
fn copies_of_copies_are_bounded() {
    let mut text = "version: 1\nx: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{},", level - 1).repeat(10);
        text.push_str(&format!("x{level}: &a{level} [{alias}]\n"));
    }
    assert!(Bench::yaml(&text).errors().contains("too large"));
    let deep = format!("version: 1\nx: {}{}\n", "[".repeat(100), "]".repeat(100));
    assert!(Bench::yaml(&deep).errors().contains("nested too deeply"));
}
