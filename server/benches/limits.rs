//! What it costs to tell a caller its limits: three windows of requests, two of tokens, one of money, a slot.
//!
//! Target: 1 µs for all headers of one answer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actix_web::http::header::HeaderMap;
use divan::{Bencher, black_box};
use troupe_core::KeyId;
use troupe_core::limit::name::UnknownLimit;
use troupe_core::limit::{Cell, Gate, Limit, LimitName, LimitRule, Scope, ScopeView, Source};
use troupe_core::port::Counter;
use troupe_core::price::Multiplier;
use troupe_server::pipeline::limits::told;

/// 24 February 2026, 09:59:37 UTC.
const NOW_MS: u64 = 1_771_927_177_000;
const MODEL: &str = "claude-sonnet-5";
const LIMITS: [(&str, u64); 7] = [
    ("requests_per_minute", 100),
    ("requests_per_hour", 2_000),
    ("requests_per_day", 20_000),
    ("tokens_per_hour", 5_000_000),
    ("tokens_per_day", 50_000_000),
    ("usd_per_month", 100_000_000),
    ("concurrent", 32),
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

/// A key of which a third was used.
fn key(name: &str) -> Result<Arc<Gate>, UnknownLimit> {
    let scope = Scope::Key(KeyId::declared(name));
    let limits = LIMITS.iter().map(|(name, value)| {
        let name: LimitName = name.parse()?;
        let id = scope.limit_id(None, name);
        let cell = match name.period() {
            Some(period) => {
                let charged = Charged((value / 3).into());
                Cell::new(id, period.span(NOW_MS), Arc::new(charged))
            }
            None => Cell::of_slots(id),
        };
        Ok(Limit {
            name,
            models: None,
            rule: LimitRule::of(*value),
            source: Source::Key,
            cells: std::iter::once(Arc::new(cell)).collect(),
        })
    });
    Ok(Gate::new(ScopeView {
        limits: limits.collect::<Result<_, _>>()?,
        label: "key troupe-abc12345".into(),
        multiplier: Multiplier::ONE,
        ready: true,
        scope,
    }))
}

fn tell(gate: &Arc<Gate>, out: &mut HeaderMap) {
    let gates = std::slice::from_ref(gate);
    let spend = told::spend(gates, MODEL, NOW_MS);
    told::headers(gates, MODEL, NOW_MS, spend, out);
}

/// As for most answers: the texts of this window are there.
#[divan::bench]
fn warm(bencher: Bencher<'_, '_>) {
    let Ok(gate) = key("one") else { return };
    bencher
        .with_inputs(|| HeaderMap::with_capacity(32))
        .bench_local_values(|mut out| {
            tell(black_box(&gate), &mut out);
            out
        });
}

/// As for the first answer of a window: every text is written.
#[divan::bench]
fn cold(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| (key("one"), HeaderMap::with_capacity(32)))
        .bench_local_values(|(gate, mut out)| {
            if let Ok(gate) = &gate {
                tell(black_box(gate), &mut out);
            }
            out
        });
}
