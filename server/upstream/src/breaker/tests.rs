use std::{hint::black_box, thread, time::Instant};

use super::*;

fn opened(settings: Settings) -> Arc<Breaker> {
    let breaker = Breakers::new(settings).host("h");
    for _ in 0..settings.failures {
        breaker.permit(0).unwrap().failure(0);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn a_permit_is_concluded_or_says_nothing() {
    let breaker = opened(Settings::default());
    assert!(breaker.is_open(1_999) && !breaker.is_open(2_000));
    assert_eq!(breaker.permit(0).unwrap_err().until_ms, 2_000);
    let trial = breaker.permit(2_000).unwrap();
    assert!(breaker.is_open(2_000));
    assert!(breaker.permit(2_000).is_err());
    drop(trial);
    assert!(!breaker.is_open(2_000));
    breaker
        .permit(2_000)
        .unwrap()
        .conclude(Outcome::Neither, 2_000);
    breaker
        .permit(2_000)
        .unwrap()
        .conclude(Outcome::Failure, 2_000);
    assert_eq!(breaker.permit(2_000).unwrap_err().until_ms, 6_000);
    breaker
        .permit(6_000)
        .unwrap()
        .conclude(Outcome::Success, 6_000);
    assert_eq!(breaker.state(), BreakerState::Closed);
    drop(breaker.permit(6_000).unwrap());
    assert_eq!(breaker.gist.load(Ordering::Relaxed), CLEAN);
}

#[test]
fn workers_share_it() {
    let breakers = Breakers::new(Settings {
        failures: 4_000,
        ..Settings::default()
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let breaker = breakers.host("h");
                for now_ms in 0..1_000 {
                    breaker.permit(now_ms).unwrap().failure(now_ms);
                }
            });
        }
    });
    let state = breakers.states();
    assert_eq!(state, [("h".into(), BreakerState::Open)]);
    // Of all that ask at once one may try.
    let trials: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| breakers.host("h").permit(60_000)))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(trials.iter().filter(|one| one.is_ok()).count(), 1);
}

#[test]
fn hosts_are_bounded() {
    let breakers = Breakers::new(Settings::default());
    let used = breakers.host("used");
    for n in 0..2 * HOSTS_MAX {
        let _ = breakers.host(&n.to_string());
    }
    assert!(breakers.states().len() <= HOSTS_MAX);
    assert!(Arc::ptr_eq(&used, &breakers.host("used")));
    let held: Vec<_> = (0..HOSTS_MAX)
        .map(|n| breakers.host(&n.to_string()))
        .collect();
    assert_eq!(breakers.states().len(), HOSTS_MAX);
    let alone = breakers.host("one more");
    assert!(alone.permit(0).is_ok());
    assert_eq!(breakers.states().len(), HOSTS_MAX);
    drop(held);
}

/// Not a measurement, which needs a release build, but a guard against a lock or an allocation on the way.
#[test]
fn the_usual_way_is_short() {
    const MANY: u32 = 100_000;
    let breaker = Breakers::new(Settings::default()).host("h");
    let best = (0..10)
        .map(|_| {
            let started = Instant::now();
            for now_ms in 0..u64::from(MANY) {
                black_box(&breaker)
                    .permit(black_box(now_ms))
                    .unwrap()
                    .success();
            }
            started.elapsed() / MANY
        })
        .min()
        .unwrap();
    assert!(best.as_nanos() < 1_000, "{best:?}");
}
