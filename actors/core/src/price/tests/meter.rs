//! The meter against a reference that is slow and written another way, and tables of what others count wrong.

use super::*;

/// A price per token as a fraction of micro-dollars, class by class: decimal long multiplication, no 128-bit shortcuts.
mod reference {
    use super::super::*;

    /// Digits in base 10 000, the least first.
    #[derive(Clone, PartialEq, Eq)]
    struct Big(Vec<u32>);

    impl Big {
        fn of(mut number: u64) -> Self {
            let mut digits = Vec::new();
            while number > 0 {
                digits.push((number % 10_000) as u32);
                number /= 10_000;
            }
            Self(digits)
        }

        fn plus(&self, other: &Self) -> Self {
            let (mut sum, mut carry) = (Vec::new(), 0);
            for at in 0..self.0.len().max(other.0.len()) {
                let digit = |big: &Self| big.0.get(at).copied().unwrap_or(0);
                let here = digit(self) + digit(other) + carry;
                sum.push(here % 10_000);
                carry = here / 10_000;
            }
            if carry > 0 {
                sum.push(carry);
            }
            Self(sum)
        }

        fn times(&self, other: &Self) -> Self {
            let mut sum = Self(Vec::new());
            for (shift, digit) in other.0.iter().enumerate() {
                let (mut row, mut carry) = (vec![0; shift], 0u64);
                for mine in &self.0 {
                    let here = u64::from(*mine) * u64::from(*digit) + carry;
                    row.push((here % 10_000) as u32);
                    carry = here / 10_000;
                }
                if carry > 0 {
                    row.push(carry as u32);
                }
                sum = sum.plus(&Self(row));
            }
            sum
        }

        /// Cuts off `groups` of four digits, up when any of them is not 0.
        fn over_ten_thousands(&self, groups: usize) -> Self {
            let (cut, kept) = self.0.split_at(groups.min(self.0.len()));
            let kept = Self(kept.to_vec());
            if cut.iter().any(|digit| *digit > 0) {
                return kept.plus(&Self::of(1));
            }
            kept
        }

        fn to_u64(&self) -> u64 {
            let mut number: u64 = 0;
            for digit in self.0.iter().rev() {
                let next = number.checked_mul(10_000);
                match next.and_then(|next| next.checked_add(u64::from(*digit))) {
                    Some(next) => number = next,
                    None => return u64::MAX,
                }
            }
            number
        }
    }

    /// Sums what each class costs, then the tier, then the calls.
    pub(super) fn micro_usd(prices: &Prices, usage: &TokenUsage, tier: Tier) -> u64 {
        let classes = |rates: &Rates| {
            vec![
                (usage.cache_write_1h, rates.cache_write_1h),
                (usage.cache_write_5m, rates.cache_write_5m),
                (usage.cache_read, rates.cache_read),
                (usage.input, rates.input),
                (usage.output, rates.output),
            ]
        };
        let mut prompt = Big::of(0);
        for (tokens, _) in classes(&prices.rates).iter().take(4) {
            prompt = prompt.plus(&Big::of(*tokens));
        }
        let mut rates = prices.rates;
        if let Some(long) = prices.long_prompt
            && prompt.to_u64() > long.over_tokens
        {
            rates = long.rates;
        }
        let mut sum = Big::of(0);
        for (tokens, rate) in classes(&rates) {
            sum = sum.plus(&Big::of(tokens).times(&Big::of(rate)));
        }
        let ppm = match tier {
            Tier::Standard => 1_000_000,
            Tier::Priority => prices.tiers.priority.ppm(),
            Tier::Batch => prices.tiers.batch.ppm(),
        };
        let tokens = sum.times(&Big::of(u64::from(ppm))).over_ten_thousands(3);
        let calls = Big::of(usage.web_searches).times(&Big::of(prices.web_search_micro_usd));
        tokens.plus(&calls).to_u64()
    }
}

fn any_tier() -> impl Strategy<Value = Tier> {
    prop::sample::select(&Tier::ALL[..])
}

fn any_rates() -> impl Strategy<Value = Rates> {
    let rate = || {
        prop_oneof![
            0u64..3,
            0u64..100_000_000,
            0u64..=1_000_000_000_000,
            any::<u64>()
        ]
    };
    (rate(), rate(), rate(), rate(), rate()).prop_map(
        |(input, output, cache_read, cache_write_5m, cache_write_1h)| Rates {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
        },
    )
}

fn any_prices() -> impl Strategy<Value = Prices> {
    let factor = || {
        prop_oneof![Just(1_000_000), 0u32..4, 0u32..=1_000_000_000].prop_map(Multiplier::from_ppm)
    };
    let long = (prop_oneof![0u64..1_000_000, any::<u64>()], any_rates());
    let long = prop::option::of(long);
    let call = prop_oneof![0u64..100_000, any::<u64>()];
    (any_rates(), long, factor(), factor(), call).prop_map(
        |(rates, long, priority, batch, web_search_micro_usd)| Prices {
            rates,
            long_prompt: long.map(|(over_tokens, rates)| LongPrompt { over_tokens, rates }),
            tiers: TierFactors { priority, batch },
            web_search_micro_usd,
        },
    )
}

fn meter(prices: Prices) -> Meter {
    let table = PriceTable::with([(Pattern::parse("x").unwrap(), prices)]);
    let meter = table.meter("x");
    assert!(meter.is_known());
    meter
}

fn sonnet(usage: TokenUsage, tier: Tier) -> u64 {
    PriceTable::built_in()
        .meter("claude-sonnet-4-5")
        .cost(&usage, tier)
}

#[test]
fn a_write_for_an_hour_is_not_one_for_five_minutes() {
    let zero = TokenUsage::default();
    let five = sonnet(
        TokenUsage {
            cache_write_5m: 1_000,
            ..zero
        },
        Tier::Standard,
    );
    let hour = sonnet(
        TokenUsage {
            cache_write_1h: 1_000,
            ..zero
        },
        Tier::Standard,
    );
    assert_eq!((five, hour), (3_750, 6_000));
}

#[test]
fn what_is_read_from_the_cache_is_not_input_as_well() {
    let usage = TokenUsage {
        input: 10,
        cache_read: 100_000,
        ..TokenUsage::default()
    };
    assert_eq!(sonnet(usage, Tier::Standard), 30 + 30_000);
}

#[test]
fn tiers_are_factors_on_tokens_and_not_on_calls() {
    let usage = TokenUsage {
        output: 1_000,
        web_searches: 3,
        ..TokenUsage::default()
    };
    assert_eq!(sonnet(usage, Tier::Standard), 15_000 + 30_000);
    assert_eq!(sonnet(usage, Tier::Batch), 7_500 + 30_000);
    assert_eq!(sonnet(usage, Tier::Priority), 15_000 + 30_000);
    let dear = Prices {
        tiers: TierFactors {
            priority: Multiplier::from_ppm(1_300_001),
            batch: Multiplier::ONE,
        },
        web_search_micro_usd: 1,
        ..Prices::of(Rates::of(1_000_000, 1_000_000))
    };
    assert_eq!(meter(dear).cost(&input(10), Tier::Priority), 14);
    assert_eq!(meter(dear).bound(10, 0, false), 14);
}

#[test]
fn the_bound_is_dear_enough_and_not_dearer() {
    let table = PriceTable::built_in();
    for (model, input, output, marks, bound) in [
        ("claude-sonnet-4-5", 1_000, 0, false, 3_000),
        ("claude-sonnet-4-5", 1_000, 0, true, 6_000),
        ("claude-sonnet-4-5", 1_000, 100, true, 7_500),
        ("claude-haiku-5-5", 100_000, 1_000, false, 10_500),
        ("claude-haiku-5-5", 100_001, 1_000, false, 50_001 + 2_500),
        ("nobody-s", 1_000, 100, true, 30_000 + 7_500),
        ("claude-opus-5", u64::MAX, u64::MAX, true, u64::MAX),
        ("claude-opus-5", 0, 0, true, 0),
    ] {
        assert_eq!(
            table.bound(model, input, output, marks),
            bound,
            "{model} {input}"
        );
    }
}

#[test]
fn nothing_overflows() {
    let most = TokenUsage {
        input: u64::MAX,
        output: u64::MAX,
        cache_read: u64::MAX,
        cache_write_5m: u64::MAX,
        cache_write_1h: u64::MAX,
        web_searches: u64::MAX,
    };
    assert_eq!(most.prompt(), u64::MAX);
    for tier in Tier::ALL {
        assert_eq!(sonnet(most, tier), u64::MAX);
    }
    let mut sum = most;
    sum.add(&most);
    assert_eq!(sum, most);
}

#[test]
fn tiers_are_stored_by_name_and_new_ones_are_standard() {
    for tier in Tier::ALL {
        let text = serde_json::to_string(&tier).unwrap();
        assert_eq!(serde_json::from_str::<Tier>(&text).unwrap(), tier);
    }
    assert_eq!(
        serde_json::from_str::<Tier>(r#""flex""#).unwrap(),
        Tier::Standard
    );
}

proptest! {
    #[test]
    fn the_meter_is_the_reference(prices in any_prices(), usage in any_usage(), tier in any_tier()) {
        let expected = reference::micro_usd(&prices, &usage, tier);
        prop_assert_eq!(meter(prices).cost(&usage, tier), expected);
    }

    #[test]
    fn no_tokens_within_the_bound_cost_more(
        prices in any_prices(),
        tier in any_tier(),
        tokens in prop::collection::vec(0u64..3_000_000, 5),
        marks in any::<bool>(),
    ) {
        let [input, output, cache_read, write_5m, write_1h] = tokens.try_into().unwrap();
        let (write_5m, write_1h) = if marks { (write_5m, write_1h) } else { (0, 0) };
        let usage = TokenUsage {
            input,
            output,
            cache_read,
            cache_write_5m: write_5m,
            cache_write_1h: write_1h,
            web_searches: 0,
        };
        let meter = meter(prices);
        prop_assert!(meter.cost(&usage, tier) <= meter.bound(usage.prompt(), output, marks));
    }

    #[test]
    fn the_bound_holds_for_the_dearest_class_alone(tokens in 0u64..3_000_000, prices in any_prices()) {
        let zero = TokenUsage::default();
        let dearest = [
            TokenUsage { input: tokens, ..zero },
            TokenUsage { cache_read: tokens, ..zero },
            TokenUsage { cache_write_5m: tokens, ..zero },
            TokenUsage { cache_write_1h: tokens, ..zero },
        ]
        .into_iter()
        .flat_map(|usage| Tier::ALL.map(|tier| meter(prices).cost(&usage, tier)))
        .max();
        let bound = meter(prices).bound(tokens, 0, true);
        prop_assert!(Some(bound) >= dearest);
        if prices.long_prompt.is_none() {
            prop_assert_eq!(Some(bound), dearest);
        }
    }
}
