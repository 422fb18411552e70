//! Published prices, each with the month in which it was looked up. Source: the Claude API's pricing page
//! (platform.claude.com/docs, "Pricing") and its pages on single models.

use super::name::{Family, ModelName};
use super::prices::{LongPrompt, Prices, Rates};
use super::tier::TierFactors;
use super::{Family::*, Multiplier, Priced};

/// Batches cost half. What a committed capacity costs is agreed with each customer: priority is for the configuration.
pub(super) const TIERS: TierFactors = TierFactors {
    priority: Multiplier::ONE,
    batch: Multiplier::from_ppm(500_000),
};

/// 10 USD for a thousand searches, on top of the tokens. Looked up in 2026-08.
pub(super) const WEB_SEARCH_MICRO_USD: u64 = 10_000;

const fn usd(cents_in: u64, cents_out: u64) -> Rates {
    Rates::of(cents_in * 10_000, cents_out * 10_000)
}

const fn row(
    family: Family,
    (major, minor): (u8, u8),
    rates: Rates,
    as_of: &'static str,
) -> Priced {
    Priced {
        model: ModelName {
            family,
            major,
            minor,
        },
        prices: Prices::of(rates),
        as_of,
    }
}

/// In US cents per million tokens in and out.
const FABLE: Rates = usd(1_000, 5_000);
const OPUS: Rates = usd(500, 2_500);
const OPUS_TO_4_1: Rates = usd(1_500, 7_500);
const SONNET_5: Rates = usd(200, 1_000);
const SONNET: Rates = usd(300, 1_500);

/// Cache reads at a 40th of input.
const FABLE_5_1: Rates = Rates {
    cache_read: 250_000,
    ..FABLE
};
/// Cache reads at a 20th of input.
const OPUS_5_5: Rates = Rates {
    cache_read: 200_000,
    ..usd(400, 2_000)
};
/// Cache reads at a 20th of input since October 2026.
const SONNET_5_5: Rates = Rates {
    cache_read: 100_000,
    ..SONNET_5
};
const HAIKU_5_5: Priced = Priced {
    model: ModelName {
        family: Haiku,
        major: 5,
        minor: 5,
    },
    prices: Prices {
        long_prompt: Some(LongPrompt {
            over_tokens: 100_000,
            rates: usd(50, 250),
        }),
        ..Prices::of(usd(10, 50))
    },
    as_of: "2026-10",
};
/// Rounded by its publisher.
const HAIKU_3: Rates = Rates {
    cache_read: 30_000,
    cache_write_5m: 300_000,
    ..usd(25, 125)
};

pub(super) static PRICES: &[Priced] = &[
    row(Fable, (5, 1), FABLE_5_1, "2026-10"),
    row(Fable, (5, 0), FABLE, "2026-08"),
    row(Mythos, (5, 1), FABLE_5_1, "2026-10"),
    row(Mythos, (5, 0), FABLE, "2026-10"),
    row(Opus, (5, 5), OPUS_5_5, "2026-10"),
    row(Opus, (5, 0), OPUS, "2026-08"),
    row(Opus, (4, 8), OPUS, "2026-08"),
    row(Opus, (4, 7), OPUS, "2026-08"),
    row(Opus, (4, 6), OPUS, "2026-08"),
    row(Opus, (4, 5), OPUS, "2026-08"),
    row(Opus, (4, 1), OPUS_TO_4_1, "2026-08"),
    row(Opus, (4, 0), OPUS_TO_4_1, "2026-08"),
    row(Opus, (3, 0), OPUS_TO_4_1, "2026-02"),
    row(Sonnet, (5, 5), SONNET_5_5, "2026-10"),
    row(Sonnet, (5, 0), SONNET_5, "2026-08"),
    row(Sonnet, (4, 6), SONNET, "2026-08"),
    row(Sonnet, (4, 5), SONNET, "2026-08"),
    row(Sonnet, (4, 0), SONNET, "2026-02"),
    row(Sonnet, (3, 7), SONNET, "2026-02"),
    row(Sonnet, (3, 5), SONNET, "2025-08"),
    row(Sonnet, (3, 0), SONNET, "2025-03"),
    HAIKU_5_5,
    row(Haiku, (4, 5), usd(100, 500), "2026-08"),
    row(Haiku, (3, 5), usd(80, 400), "2026-02"),
    row(Haiku, (3, 0), HAIKU_3, "2026-02"),
];
