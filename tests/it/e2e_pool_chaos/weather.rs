//! What befalls the accounts: a seeded schedule of illnesses, and who must be called healthy when.
//!
//! Invariant: an account is healthy when it would have answered well since before the gateway could last have heard
//! otherwise; an upstream that asked for a pause is not healthy before its end. One account at a time resets connections:
//! what may have been processed is repeated once, so a request that meets two of them fails by right.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use troupe_mock::Scenario;

use super::{TIGHT, WIDE, crowd::Crowd};
use crate::gateway::{Pool, credential};

/// An answer takes so long.
pub const PACE_MS: u64 = 20;
/// At most so many are ill at once.
const ILL_AT_ONCE: usize = 12;
/// Longer than any request takes.
const RESETS_APART: Duration = Duration::from_secs(2);
/// A healthy account that nobody asks for so long, while others queue, idles.
const IDLE: Duration = Duration::from_millis(1_500);

pub fn names() -> Vec<String> {
    let wide = (0..WIDE).map(|n| format!("w{n:02}"));
    wide.chain((0..TIGHT).map(|n| format!("t{n:02}"))).collect()
}

/// xorshift64*: the same schedule for the same seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap_or_default() % limit
    }
}

#[derive(Debug, Clone)]
struct Patient {
    name: String,
    /// While it is ill.
    until: Option<Instant>,
    /// What the gateway may still hold against it after that.
    aftermath: Duration,
    well_since: Instant,
    /// Counts illnesses; a slow spell is none.
    illnesses: u64,
    /// It gets no further one that lasts beyond the test.
    spared: bool,
}

#[derive(Debug)]
pub struct Weather {
    patients: Mutex<Vec<Patient>>,
    dice: Mutex<Dice>,
    /// When the next may reset connections.
    resets_from: Mutex<Instant>,
}

impl Weather {
    pub fn new(seed: u64) -> Self {
        let now = Instant::now();
        let patient = |name| Patient {
            name,
            until: None,
            aftermath: Duration::ZERO,
            well_since: now,
            illnesses: 0,
            spared: false,
        };
        Self {
            patients: Mutex::new(names().into_iter().map(patient).collect()),
            dice: Mutex::new(Dice::new(seed)),
            resets_from: Mutex::new(now),
        }
    }

    /// Strikes and heals until `end`.
    pub async fn blow(weather: Arc<Self>, pool: Arc<Pool>, end: Instant) {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while Instant::now() < end {
            ticks.tick().await;
            weather.heal(&pool, Instant::now());
            weather.strike(&pool, Instant::now());
        }
    }

    pub fn clear(&self, pool: &Pool) {
        self.heal(pool, Instant::now() + Duration::from_secs(3_600));
    }

    fn heal(&self, pool: &Pool, now: Instant) {
        for patient in self.patients.lock().expect("patients").iter_mut() {
            if patient.until.is_some_and(|until| until <= now) {
                patient.until = None;
                patient.well_since = now + patient.aftermath;
                pool.mock.treat(&credential(&patient.name), None);
            }
        }
    }

    fn strike(&self, pool: &Pool, now: Instant) {
        let mut dice = self.dice.lock().expect("dice");
        let mut patients = self.patients.lock().expect("patients");
        let ill = patients.iter().filter(|patient| patient.until.is_some());
        if ill.count() >= ILL_AT_ONCE {
            return;
        }
        let place = dice.below(patients.len());
        let lasting = patients.iter().filter(|patient| patient.spared).count();
        let patient = &mut patients[place];
        if patient.until.is_some() || patient.well_since > now {
            return;
        }
        let (scenario, aftermath, is_illness) = illness(&mut dice, &patient.name);
        let is_lasting = aftermath >= Duration::from_secs(30);
        if is_lasting && lasting >= (WIDE + TIGHT) / 8 {
            return;
        }
        let until = now + Duration::from_millis(300 + dice.below(1_700) as u64);
        let mut resets_from = self.resets_from.lock().expect("a time");
        if scenario.reset_before_head {
            if *resets_from > now {
                return;
            }
            *resets_from = until + RESETS_APART;
        }
        patient.spared |= is_lasting;
        patient.aftermath = aftermath;
        patient.until = Some(until);
        if is_illness {
            patient.illnesses += 1;
        } else {
            patient.aftermath = Duration::ZERO;
        }
        pool.mock.treat(&credential(&patient.name), Some(scenario));
    }

    /// The number of its illnesses so far, if it is healthy.
    pub fn healthy(&self, name: &str) -> Option<u64> {
        let now = Instant::now();
        let patients = self.patients.lock().expect("patients");
        let patient = patients.iter().find(|patient| patient.name == name)?;
        (patient.until.is_none() && patient.well_since <= now).then_some(patient.illnesses)
    }

    pub fn illnesses(&self) -> u64 {
        let patients = self.patients.lock().expect("patients");
        patients.iter().map(|patient| patient.illnesses).sum()
    }

    /// Accounts of the tight group that have been healthy for as long as an idler may idle.
    fn long_healthy(&self) -> Vec<String> {
        let now = Instant::now();
        let patients = self.patients.lock().expect("patients");
        let healthy = patients.iter().filter(|patient| {
            let is_tight = patient.name.starts_with('t');
            is_tight && patient.until.is_none() && patient.well_since + IDLE <= now
        });
        healthy.map(|patient| patient.name.clone()).collect()
    }
}

/// What the account answers, what the gateway holds against it afterwards, and whether it is an illness at all.
fn illness(dice: &mut Dice, name: &str) -> (Scenario, Duration, bool) {
    let seconds = Duration::from_secs;
    let with = |status, header: &str, value: &str| Scenario {
        headers: vec![(header.to_owned(), value.to_owned())],
        ..Scenario::status(status)
    };
    // An account is the second choice for five seconds after a fault of its platform.
    let platform = seconds(6);
    match dice.below(40) {
        0..=7 => (with(429, "retry-after", "1"), seconds(2), true),
        8 => (Scenario::status(429), seconds(31), true),
        // Looked at again after a minute.
        9 => (Scenario::status(401), seconds(75), true),
        10..=13 => (Scenario::status(529), platform, true),
        14..=23 => (
            Scenario::status([500, 502, 503, 504][dice.below(4)]),
            platform,
            true,
        ),
        24..=29 => {
            let reset = Scenario {
                reset_before_head: true,
                ..Scenario::default()
            };
            (reset, platform, true)
        }
        _ => {
            let slow = Scenario {
                text: Some(name.to_owned()),
                first_byte_delay_ms: 400,
                ..Scenario::default()
            };
            (slow, seconds(0), false)
        }
    }
}

/// Healthy accounts of the tight group that were asked nothing although requests of the group waited.
pub async fn watch_for_idlers(
    weather: Arc<Weather>,
    pool: Arc<Pool>,
    crowd: Arc<Crowd>,
    end: Instant,
) -> Vec<String> {
    let mut idlers = Vec::new();
    let mut queued_since = None;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while Instant::now() < end {
        ticks.tick().await;
        let (running, last) = asked(&pool);
        let queued = crowd.asking_tight().saturating_sub(running);
        let now = Instant::now();
        if queued < 5 {
            queued_since = None;
            continue;
        }
        let since = *queued_since.get_or_insert(now);
        if now - since < IDLE {
            continue;
        }
        for name in weather.long_healthy() {
            let idle = last.iter().find(|(asked, _)| *asked == credential(&name));
            let idle_since = idle.map_or(since, |(_, at)| *at);
            if now.saturating_duration_since(idle_since) > IDLE {
                idlers.push(format!(
                    "{name} for {:?} beside {queued} that wait",
                    now - idle_since
                ));
            }
        }
    }
    idlers
}

/// Requests that run in the tight group, and when each of its accounts was last seen at work.
fn asked(pool: &Pool) -> (usize, Vec<(String, Instant)>) {
    let (now, mut running, mut last) = (Instant::now(), 0, Vec::<(String, Instant)>::new());
    pool.mock.journal().each(|entry| {
        let Some(key) = entry
            .header("x-api-key")
            .filter(|key| key.starts_with("key-of-t"))
        else {
            return;
        };
        running += usize::from(!entry.is_over());
        // A request counts as work to its end; none takes longer than a slow answer.
        let at = if entry.is_over() {
            entry.started_at
        } else {
            now
        };
        match last.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = (*known).max(at),
            None => last.push((key.to_owned(), at)),
        }
    });
    (running, last)
}
