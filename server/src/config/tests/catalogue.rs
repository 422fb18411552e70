//! Prices: what may be said of a model, and the file of their own.

use troupe_core::price::Tier;
use troupe_core::record::TokenUsage;

use super::*;

const ONE_OF_EACH: TokenUsage = TokenUsage {
    input: 1_000_000,
    output: 1_000_000,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    web_searches: 1,
};

fn with_file(file: &str) -> Bench {
    let bench = Bench::yaml("version: 1\nmodels:\n  prices_file: prices.yaml\n");
    bench.write("prices.yaml", file);
    bench
}

#[test]
fn tiers_searches_and_long_prompts_have_prices() {
    let bench = Bench::yaml(
        r#"version: 1
models:
  prices:
    a: { input: 1, output: 2 }
    b: { input: 1, output: 2, web_search: 0.02, priority: 1.25, batch: "0.1" }
    c: { input: 1, output: 2, long_prompt: { over_tokens: 10, input: 3, output: 4, cache_read: 1 } }
"#,
    );
    let loaded = bench.load();
    let table = loaded.config.models.price_table();
    for (model, tier, micro_usd) in [
        ("a", Tier::Standard, 3_010_000),
        ("a", Tier::Priority, 3_010_000),
        ("a", Tier::Batch, 1_510_000),
        ("b", Tier::Priority, 3_770_000),
        ("b", Tier::Batch, 320_000),
        ("c", Tier::Standard, 7_010_000),
    ] {
        let cost = table.meter(model).cost(&ONE_OF_EACH, tier);
        assert_eq!(cost, micro_usd, "{model} {tier:?}");
    }
    let shown = show(&loaded.config);
    let again = Bench::yaml(&shown).load().config;
    assert_eq!(again, loaded.config, "{shown}");
}

#[test]
fn the_file_stands_between_inline_and_built_in_prices() {
    let bench = Bench::yaml(
        r#"version: 1
models:
  prices_file: prices.json
  prices: { "house-*": { input: 1, output: 1 } }
"#,
    );
    let file = r#"{"as_of": "2026-11-01", "prices": {
        "house-1": {"input": 2, "output": 2},
        "claude-opus-5": {"input": 4.5, "output": 20, "as_of": "2026-10-01"}}}"#;
    bench.write("prices.json", file);
    let loaded = bench.load();
    assert_eq!(
        loaded.inputs.last(),
        Some(&bench.folder.path().join("prices.json"))
    );
    let table = loaded.config.models.price_table();
    for (model, usd_in) in [
        ("house-1", 1_000_000),
        ("claude-opus-5", 4_500_000),
        ("claude-haiku-4-5", 1_000_000),
    ] {
        let found = table.find(model).map(|prices| prices.rates.input);
        assert_eq!(found, Some(usd_in), "{model}");
    }
    // A changed file is a changed configuration.
    bench.write("prices.json", r#"{"prices": {}}"#);
    assert_ne!(bench.load().config, loaded.config);
    // What it holds is not shown as if it were written in troupe.yaml.
    assert!(!show(&loaded.config).contains("house-1:"));
}

#[test]
fn faults_name_the_file_and_the_key() {
    for (file, told) in [
        (
            "prices:\n  x: { input: 1 }\n",
            "troupe.yaml:3:3: models.prices_file: prices.yaml:2:3: prices.x: `output` is missing",
        ),
        (
            "prices:\n  x: { input: 1, output: 2, batch: -1 }\n",
            "troupe.yaml:3:3: models.prices_file: prices.yaml:2:29: prices.x.batch: expected a factor of at most \
             1000 such as 1.25 or 0.5, got `-1`",
        ),
        (
            "prices:\n  x: { input: 1, output: 2, web_search: 10000 }\n",
            "troupe.yaml:3:3: models.prices_file: prices.yaml:2:29: prices.x.web_search: expected dollars per call \
             such as 0.01, got `10000`",
        ),
        (
            "prices:\n  x: { input: \"${HOME}\", output: 2 }\n",
            "troupe.yaml:3:3: models.prices_file: prices.yaml:2:8: prices.x.input: expected dollars per million \
             tokens such as 3 or 0.25, got `${HOME}`",
        ),
        (
            "as_of: soon\nprice: {}\n",
            "troupe.yaml:3:3: models.prices_file: prices.yaml:1:1: as_of: expected a date such as 2026-08-01, got \
             `soon`\n\
             troupe.yaml:3:3: models.prices_file: prices.yaml:2:1: price: unknown key; did you mean `prices`?",
        ),
        (
            "- 1\n",
            "troupe.yaml:3:3: models.prices_file: prices.yaml:1:1: expected a mapping of keys, got a list",
        ),
    ] {
        assert_eq!(with_file(file).errors(), told, "{file}");
    }
    let many: String = (0..257)
        .map(|n| format!("  \"{n}*\": {{ input: 1, output: 1 }}\n"))
        .collect();
    let told = with_file(&format!("prices:\n{many}")).errors();
    assert!(told.contains("more than 256 with `*`"), "{told}");
    let absent = Bench::yaml("version: 1\nmodels: { prices_file: absent.yaml }\n").errors();
    assert!(
        absent
            .starts_with("troupe.yaml:2:11: models.prices_file: absent.yaml:1:1: cannot be read:"),
        "{absent}"
    );
    let endless = Bench::yaml("version: 1\nmodels: { prices_file: /dev/zero }\n").errors();
    assert!(endless.contains("is larger than 4 MiB"), "{endless}");
}
