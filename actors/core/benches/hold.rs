//! What it costs to take what a request may use and to settle it, with all limits on: three windows of requests, two of
//! tokens, one of money, a slot.
//!
//! Target: 1 µs for both together, nobody else being there; the same with another thread at the same key is shown beside.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use divan::{Bencher, black_box};
use troupe_core::limit::name::UnknownLimit;
use troupe_core::limit::{
    Amounts, Cell, Demand, Gate, Hold, Limit, LimitName, LimitRule, Scope, ScopeView, Source,
};
use troupe_core::port::Counter;
use troupe_core::price::Multiplier;

/// 24 February 2026, 09:59:37 UTC.
const NOW_MS: u64 = 1_771_927_177_000;
const MODEL: &str = "claude-sonnet-5";
/// So much that a benchmark does not use it up.
const VALUE: u64 = 1 << 52;
const LIMITS: [&str; 7] = [
    "concurrent",
    "requests_per_minute",
    "requests_per_hour",
    "requests_per_day",
    "tokens_per_hour",
    "tokens_per_day",
    "usd_per_month",
];

fn main() {
    divan::main();
}

#[derive(Default)]
struct Charged(AtomicU64);

impl Counter for Charged {
    fn value(&self) -> &AtomicU64 {
        &self.0
    }
}

fn key() -> Result<Arc<Gate>, UnknownLimit> {
    let scope = Scope::Gateway;
    let limits = LIMITS.iter().map(|name| {
        let name: LimitName = name.parse()?;
        let id = scope.limit_id(None, name);
        let cells = match name.period() {
            None => vec![Cell::of_slots(id)],
            Some(period) => {
                let this = period.span(NOW_MS);
                let spans = [
                    period.span(this.start_ms - 1),
                    this,
                    period.span(this.end_ms),
                ];
                let open = |span| Cell::new(id, span, Arc::new(Charged::default()));
                spans.into_iter().map(open).collect()
            }
        };
        Ok(Limit {
            name,
            models: None,
            rule: LimitRule::of(VALUE),
            source: Source::Key,
            cells: cells.into_iter().map(Arc::new).collect(),
        })
    });
    Ok(Gate::new(ScopeView {
        limits: limits.collect::<Result<_, _>>()?,
        multiplier: Multiplier::from_ppm(1_250_000),
        ready: true,
        ..ScopeView::cold(scope, "this gateway")
    }))
}

/// A request that may use 10 000 tokens and uses 1 500.
fn amounts(output_tokens: u64, micro_usd: u64) -> Amounts {
    Amounts {
        requests: 1,
        input_tokens: 1_000,
        output_tokens,
        micro_usd,
    }
}

fn request(gate: &Arc<Gate>) {
    let demand = Demand {
        bound: amounts(9_000, 138_000),
        at_once: amounts(0, 3_000),
    };
    let hold = Hold::take(gate, black_box(&demand), MODEL, NOW_MS, false);
    if let Ok(hold) = black_box(hold) {
        hold.settle(black_box(&amounts(500, 10_500)), NOW_MS);
    }
}

#[divan::bench(threads = [1, 2])]
fn take_and_settle(bencher: Bencher) {
    if let Ok(gate) = key() {
        bencher.bench(|| request(&gate));
    }
}

/// What a stream pays now and then.
#[divan::bench]
fn checkpoint(bencher: Bencher) {
    let Ok(gate) = key() else {
        return;
    };
    let demand = Demand {
        bound: amounts(9_000, 138_000),
        at_once: amounts(0, 3_000),
    };
    if let Ok(mut hold) = Hold::take(&gate, &demand, MODEL, NOW_MS, false) {
        bencher.bench_local(|| {
            let (facts, ahead) = (amounts(500, 10_500), amounts(564, 11_460));
            hold.checkpoint(black_box(&facts), black_box(&ahead), NOW_MS)
        });
    }
}
