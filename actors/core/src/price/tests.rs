mod meter;

use proptest::prelude::*;

use super::*;
use crate::models::Pattern;

const MILLION: u64 = 1_000_000;

fn input(tokens: u64) -> TokenUsage {
    TokenUsage {
        input: tokens,
        ..TokenUsage::default()
    }
}

fn any_usage() -> impl Strategy<Value = TokenUsage> {
    let count = || prop_oneof![0u64..10, 0u64..2_000_000, any::<u64>()];
    (count(), count(), count(), count(), count(), count()).prop_map(
        |(input, output, cache_read, cache_write_5m, cache_write_1h, web_searches)| TokenUsage {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            web_searches,
        },
    )
}

/// (model, USD per million in, out)
const NAMES: [(&str, u64, u64); 24] = [
    ("claude-fable-5", 10, 50),
    ("claude-opus-5", 5, 25),
    ("claude-opus-5[1m]", 5, 25),
    ("claude-opus-4-5-20251101", 5, 25),
    ("claude-opus-4-6", 5, 25),
    ("claude-opus-4-1-20250805", 15, 75),
    ("claude-opus-4-20250514", 15, 75),
    ("claude-opus-4-0", 15, 75),
    ("claude-3-opus-20240229", 15, 75),
    ("claude-3-opus-latest", 15, 75),
    ("claude-sonnet-5", 2, 10),
    ("claude-sonnet-5-5", 2, 10),
    ("claude-sonnet-4-5", 3, 15),
    ("claude-sonnet-4-6[1m]", 3, 15),
    ("Claude-Sonnet-4.5", 3, 15),
    ("anthropic/claude-3.7-sonnet:thinking", 3, 15),
    ("claude-sonnet-4@20250514", 3, 15),
    ("claude-3-5-sonnet-v2@20241022", 3, 15),
    ("claude-3-5-sonnet-20241022", 3, 15),
    ("us.anthropic.claude-opus-4-1-20250805-v1:0", 15, 75),
    (
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
        3,
        15,
    ),
    ("vertex_ai/claude-haiku-4-5@20251001", 1, 5),
    ("claude-haiku-4-5", 1, 5),
    ("claude-opus-5-5-20260915", 4, 20),
];

#[test]
fn every_host_has_its_own_names() {
    for (model, usd_in, usd_out) in NAMES {
        let prices = PriceTable::default().find(model);
        assert_eq!(
            prices.map(|p| (p.rates.input, p.rates.output)),
            Some((usd_in * MILLION, usd_out * MILLION)),
            "{model}"
        );
    }
    let haiku = PriceTable::default().find("claude-3-5-haiku-latest");
    assert_eq!(haiku.map(|p| p.rates.input), Some(800_000));
}

#[test]
fn a_name_that_is_not_plain_is_unknown() {
    for model in [
        "",
        "gpt-5",
        "claude",
        "claude-opus",
        "claude-opus-latest",
        "opus-4-5",
        "claude-opus-4-9",
        "claude-opus-6",
        "claude-5-sonnet-4",
        "claude-haiku-4-5-1",
        "claude-3-5-7-sonnet",
        "claude-instant-1-2",
        "claude-2.1",
        "claudette-opus-5",
        "claude-opus-²",
        "claude-sonnet-999",
    ] {
        let cost = cost_micro_usd(model, &input(MILLION));
        let dearest = Cost {
            micro_usd: 15 * MILLION,
            known: false,
        };
        assert_eq!(cost, dearest, "{model}");
    }
    let long = "claude-".repeat(1_000_000);
    assert!(!cost_micro_usd(&long, &input(1)).known);
}

#[test]
fn each_class_has_its_price() {
    let each = TokenUsage {
        input: MILLION,
        output: MILLION,
        cache_read: MILLION,
        cache_write_5m: MILLION,
        cache_write_1h: MILLION,
        web_searches: 0,
    };
    let one = |usage: TokenUsage| cost_micro_usd("claude-sonnet-4-5", &usage).micro_usd;
    let zero = TokenUsage::default;
    assert_eq!(one(input(MILLION)), 3_000_000);
    assert_eq!(
        one(TokenUsage {
            output: MILLION,
            ..zero()
        }),
        15_000_000
    );
    assert_eq!(
        one(TokenUsage {
            cache_read: MILLION,
            ..zero()
        }),
        300_000
    );
    assert_eq!(
        one(TokenUsage {
            cache_write_5m: MILLION,
            ..zero()
        }),
        3_750_000
    );
    assert_eq!(
        one(TokenUsage {
            cache_write_1h: MILLION,
            ..zero()
        }),
        6_000_000
    );
    assert_eq!(one(each), 28_050_000);
    assert_eq!(one(zero()), 0);
}

#[test]
fn a_request_is_rounded_up_once() {
    // 0.3 + 0.25 + 1.25 micro-dollars: 2, not 1 + 1 + 2.
    let usage = TokenUsage {
        cache_read: 3,
        input: 1,
        output: 1,
        ..TokenUsage::default()
    };
    let cost = PriceTable::with([(
        Pattern::parse("x").unwrap(),
        Prices::of(Rates {
            cache_read: 100_000,
            ..Rates::of(250_000, 1_250_000)
        }),
    )])
    .cost("x", &usage);
    assert_eq!(
        cost,
        Cost {
            micro_usd: 2,
            known: true
        }
    );
}

#[test]
fn a_long_prompt_has_its_own_prices() {
    let usage = |input, cache_read| TokenUsage {
        input,
        cache_read,
        output: 1_000,
        ..TokenUsage::default()
    };
    let cost = |usage| cost_micro_usd("claude-haiku-5-5", &usage).micro_usd;
    assert_eq!(cost(usage(100_000, 0)), 10_000 + 500);
    assert_eq!(cost(usage(50_000, 60_000)), 25_000 + 3_000 + 2_500);
}

#[test]
fn the_operator_s_price_goes_before_ours() {
    let rates = |usd: u64| Prices::of(Rates::of(usd * MILLION, usd * MILLION));
    let pattern = |text| Pattern::parse(text).unwrap();
    let table = PriceTable::with([
        (pattern("*"), rates(1)),
        (pattern("claude-*"), rates(2)),
        (pattern("claude-opus-5"), rates(3)),
    ]);
    for (model, usd) in [("local", 1), ("claude-haiku-4-5", 2), ("claude-opus-5", 3)] {
        let cost = table.cost(model, &input(MILLION));
        assert_eq!(
            (cost.micro_usd, cost.known),
            (usd * MILLION, true),
            "{model}"
        );
    }
    let dear = PriceTable::with([(pattern("house-*"), rates(40))]);
    let unknown = dear.cost("unheard-of", &input(MILLION));
    assert_eq!((unknown.micro_usd, unknown.known), (40 * MILLION, false));
    // An operator may say that a model of the house costs nothing.
    let free = PriceTable::with([(pattern("local-*"), rates(0))]);
    assert_eq!(
        free.cost("local-1", &input(MILLION)),
        Cost {
            micro_usd: 0,
            known: true
        }
    );
}

#[test]
fn inline_prices_go_before_those_of_the_file() {
    let rates = |usd: u64| Prices::of(Rates::of(usd * MILLION, usd * MILLION));
    let pattern = |text| Pattern::parse(text).unwrap();
    let file = [
        (pattern("house-1"), rates(1)),
        (pattern("house-*"), rates(2)),
        (pattern("only-the-file"), rates(60)),
    ];
    let table = PriceTable::with(file).over([
        (pattern("house-*"), rates(3)),
        (pattern("House-2"), rates(4)),
    ]);
    for (model, usd) in [
        ("house-1", 3),
        ("HOUSE-2", 4),
        ("house-3", 3),
        ("only-the-file", 60),
        ("claude-opus-5", 5),
        // The dearest of all.
        ("nobody-s", 60),
    ] {
        let cost = table.cost(model, &input(MILLION)).micro_usd;
        assert_eq!(cost, usd * MILLION, "{model}");
    }
    let long = format!("house-{}", "1".repeat(300));
    assert!(!table.meter(&long).is_known());
}

#[test]
fn the_model_that_answered_is_priced_when_it_is_known() {
    let table = PriceTable::built_in();
    for (answered, asked, priced) in [
        (
            Some("claude-haiku-4-5"),
            "claude-opus-5",
            "claude-haiku-4-5",
        ),
        (Some("claude-opus-5-20260101"), "fast", "claude-opus-5"),
        (Some("local"), "claude-opus-5", "claude-opus-5"),
        (None, "claude-opus-5", "claude-opus-5"),
        (Some("local"), "fast", "nobody-s"),
    ] {
        let meter = table.meter_of_answer(answered, asked);
        assert_eq!(meter, table.meter(priced), "{answered:?} for {asked}");
    }
}

#[test]
fn the_data_is_in_order() {
    let mut names: Vec<_> = built_in().iter().map(|row| row.model).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), built_in().len(), "a model is priced twice");
    for row in built_in() {
        let rates = row.prices.rates;
        assert!(
            rates.cache_read < rates.input && rates.input < rates.output,
            "{row:?}"
        );
        assert!(
            rates.input < rates.cache_write_5m && rates.cache_write_5m < rates.cache_write_1h,
            "{row:?}"
        );
        assert!(
            row.as_of.len() == 7 && row.as_of.starts_with("20"),
            "{row:?}"
        );
    }
}

proptest! {
    #[test]
    fn unknown_is_never_cheaper(usage in any_usage()) {
        let unknown = cost_micro_usd("unheard-of", &usage).micro_usd;
        for (model, ..) in NAMES {
            prop_assert!(cost_micro_usd(model, &usage).micro_usd <= unknown, "{model}");
        }
        prop_assert!(unknown > 0 || usage.is_zero());
    }

    #[test]
    fn any_name_is_read_or_not(model in "\\PC{0,60}") {
        let _ = ModelName::parse(&model);
    }
}
