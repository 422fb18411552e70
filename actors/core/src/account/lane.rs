//! One credential of an account: its health, its pauses, and how full the upstream says its windows are.
//!
//! Invariant: no pause is longer than [`MAX_COOL_DOWN_MS`]; what is kept is bounded; a pause that has ended is a trial,
//! not a clean bill: only a success clears it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::health::{CoolDown, Health, Window};

/// Longest pause that an upstream can cause: a spend limit that is lifted with the next month.
pub const MAX_COOL_DOWN_MS: u64 = 32 * 24 * 3_600_000;
/// A window's reset further away than this is no window.
const MAX_WINDOW_MS: u64 = 40 * 24 * 3_600_000;
/// Bound on remembered pauses; the soonest to end goes first.
const MAX_COOL_DOWNS: usize = 64;
/// Bound on remembered windows; the soonest to be reset goes first.
const MAX_WINDOWS: usize = 64;

/// What is kept of a lane over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    #[serde(default)]
    pub health: Health,
    #[serde(default)]
    pub cooldowns: Vec<CoolDown>,
    #[serde(default)]
    pub windows: Vec<Window>,
}

impl LaneState {
    /// The part worth keeping: pauses that others caused, not the soft preferences of the moment.
    #[must_use]
    pub fn lasting(&self, unix_ms: u64) -> Self {
        let kept = |c: &&CoolDown| c.throttled && c.until_ms > unix_ms;
        Self {
            health: self.health.clone(),
            cooldowns: self.cooldowns.iter().filter(kept).cloned().collect(),
            windows: self
                .windows
                .iter()
                .filter(|w| w.reset_ms > unix_ms)
                .cloned()
                .collect(),
        }
    }

    /// What was kept, read again: nothing in it outlasts what could have been put in now.
    #[must_use]
    pub fn restored(mut self, unix_ms: u64) -> Self {
        let latest_ms = unix_ms.saturating_add(MAX_COOL_DOWN_MS);
        for pause in &mut self.cooldowns {
            pause.until_ms = pause.until_ms.min(latest_ms);
        }
        let latest_ms = unix_ms.saturating_add(MAX_WINDOW_MS);
        self.windows.retain(|w| w.reset_ms <= latest_ms);
        self
    }

    /// The clock was found to be ahead by so much and set back: pauses keep their length.
    pub(super) fn set_back(&mut self, by_ms: u64) {
        for pause in &mut self.cooldowns {
            pause.until_ms = pause.until_ms.saturating_sub(by_ms);
        }
    }

    /// Adds or prolongs a pause.
    pub fn cool(&mut self, unix_ms: u64, pause: CoolDown) {
        let until_ms = pause.until_ms.min(unix_ms.saturating_add(MAX_COOL_DOWN_MS));
        self.cooldowns
            .retain(|c| c.throttled || c.until_ms > unix_ms);
        let same = |c: &&mut CoolDown| {
            c.model == pause.model && c.betas == pause.betas && c.throttled == pause.throttled
        };
        match self.cooldowns.iter_mut().find(same) {
            Some(known) => known.until_ms = known.until_ms.max(until_ms),
            None => self.cooldowns.push(CoolDown { until_ms, ..pause }),
        }
        if self.cooldowns.len() > MAX_COOL_DOWNS
            && let Some(soonest) = (0..self.cooldowns.len())
                .min_by_key(|&i| (self.cooldowns[i].throttled, self.cooldowns[i].until_ms))
        {
            self.cooldowns.swap_remove(soonest);
        }
    }

    /// A success for `model`: pauses of it that have ended are over for good. Did that change anything?
    pub fn recovered(&mut self, unix_ms: u64, model: Option<&str>) -> bool {
        let before = self.cooldowns.len();
        self.cooldowns.retain(|c| {
            c.until_ms > unix_ms || !(c.model.is_none() || c.model.as_deref() == model)
        });
        self.cooldowns.len() != before
    }

    /// When the next window is reset (ms since the Unix epoch).
    pub(super) fn next_reset_ms(&self) -> Option<u64> {
        self.windows.iter().map(|window| window.reset_ms).min()
    }

    /// Windows that were reset say nothing any more. Were there any?
    pub(super) fn forget_windows(&mut self, unix_ms: u64) -> bool {
        let before = self.windows.len();
        self.windows.retain(|window| window.reset_ms > unix_ms);
        self.windows.len() != before
    }

    /// Takes in what an answer said about windows; nonsense is left out. Did anything change that ranking sees?
    pub fn observe(&mut self, unix_ms: u64, seen: Vec<Window>) -> bool {
        let mut changed = false;
        for window in seen {
            if window.reset_ms <= unix_ms || window.reset_ms - unix_ms > MAX_WINDOW_MS {
                continue;
            }
            let known = self
                .windows
                .iter_mut()
                .find(|w| w.name == window.name && w.model == window.model);
            match known {
                Some(known) if *known == window => {}
                Some(known) => {
                    *known = window;
                    changed = true;
                }
                None => {
                    self.windows.retain(|w| w.reset_ms > unix_ms);
                    if self.windows.len() >= MAX_WINDOWS
                        && let Some(soonest) =
                            (0..self.windows.len()).min_by_key(|&i| self.windows[i].reset_ms)
                    {
                        self.windows.swap_remove(soonest);
                    }
                    self.windows.push(window);
                    changed = true;
                }
            }
        }
        changed
    }
}

/// What a lane's pauses mean for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pauses {
    /// Nothing may be sent before (ms since the Unix epoch).
    pub throttled_until_ms: Option<u64>,
    /// A pause has ended and nobody has tried since.
    pub trial: bool,
    /// Others are preferred.
    pub avoided: bool,
    /// And that is because of the model: another credential may have it.
    pub lacking: bool,
}

/// Reads the pauses for a request of `model` with a hash of its betas.
pub(super) fn pauses(
    cooldowns: &[CoolDown],
    model: Option<&str>,
    betas: u64,
    unix_ms: u64,
) -> Pauses {
    let mut found = Pauses {
        throttled_until_ms: None,
        trial: false,
        avoided: false,
        lacking: false,
    };
    for c in cooldowns {
        let concerns = (c.model.is_none() || c.model.as_deref() == model)
            && c.betas.is_none_or(|known| known == betas);
        if !concerns {
            continue;
        }
        match (c.throttled, c.until_ms > unix_ms) {
            (true, true) => {
                found.throttled_until_ms = found.throttled_until_ms.max(Some(c.until_ms));
            }
            (true, false) => found.trial = true,
            (false, true) if c.model.is_some() => found.lacking = true,
            (false, true) => found.avoided = true,
            (false, false) => {}
        }
    }
    found
}

/// The fullest window that counts for `model` (ppm), and when it is reset.
pub(super) fn fullest(windows: &[Window], model: Option<&str>, unix_ms: u64) -> (u32, u64) {
    windows
        .iter()
        .filter(|w| w.reset_ms > unix_ms)
        .filter(|w| w.model.is_none() || w.model.as_deref() == model)
        .map(|w| (w.used_ppm, w.reset_ms))
        .max()
        .unwrap_or_default()
}

/// A window seen for `model` or, without one, for the account.
#[must_use]
pub fn window(name: &str, model: Option<Arc<str>>, used_ppm: u32, reset_ms: u64) -> Window {
    Window {
        name: name.into(),
        model,
        used_ppm,
        reset_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(model: Option<&str>, until_ms: u64, throttled: bool) -> CoolDown {
        CoolDown {
            model: model.map(Into::into),
            betas: None,
            until_ms,
            throttled,
        }
    }

    #[test]
    fn an_ended_pause_is_a_trial_until_a_success() {
        let mut lane = LaneState::default();
        lane.cool(0, pause(Some("a"), 1_000, true));
        let at = |lane: &LaneState, model, now| pauses(&lane.cooldowns, Some(model), 0, now);
        assert_eq!(at(&lane, "a", 0).throttled_until_ms, Some(1_000));
        assert_eq!(at(&lane, "b", 0).throttled_until_ms, None);
        assert!(at(&lane, "a", 1_000).trial && !at(&lane, "b", 1_000).trial);
        assert!(!lane.recovered(1_000, Some("b")) && lane.recovered(1_000, Some("a")));
        assert!(!at(&lane, "a", 1_000).trial);
    }

    #[test]
    fn an_odd_beta_is_one_clients_own() {
        let mut lane = LaneState::default();
        let odd = CoolDown {
            betas: Some(7),
            ..pause(Some("a"), 1_000, false)
        };
        lane.cool(0, odd);
        assert!(pauses(&lane.cooldowns, Some("a"), 7, 0).lacking);
        assert!(!pauses(&lane.cooldowns, Some("a"), 8, 0).lacking);
    }

    #[test]
    fn pauses_and_windows_are_bounded() {
        let mut lane = LaneState::default();
        for n in 0..200u64 {
            lane.cool(0, pause(Some(&format!("m{n}")), 1 + n, true));
            lane.observe(0, vec![window(&format!("w{n}"), None, 1, 1 + n)]);
        }
        assert_eq!((lane.cooldowns.len(), lane.windows.len()), (64, 64));
        lane.cool(0, pause(None, u64::MAX, true));
        let longest = lane.cooldowns.iter().map(|c| c.until_ms).max();
        assert_eq!(longest, Some(MAX_COOL_DOWN_MS));
    }

    #[test]
    fn windows_that_were_reset_are_forgotten() {
        let mut lane = LaneState::default();
        lane.observe(0, vec![window("5h", None, 900_000, 1_000)]);
        assert_eq!(lane.next_reset_ms(), Some(1_000));
        assert!(!lane.forget_windows(999) && lane.forget_windows(1_000));
        assert_eq!(lane.next_reset_ms(), None);
    }

    #[test]
    fn windows_end_with_their_reset_and_nonsense_is_left_out() {
        let mut lane = LaneState::default();
        assert!(lane.observe(10, vec![window("5h", None, 900_000, 1_000)]));
        assert!(!lane.observe(10, vec![window("5h", None, 900_000, 1_000)]));
        assert!(!lane.observe(10, vec![window("old", None, 1, 10)]));
        assert!(!lane.observe(10, vec![window("far", None, 1, u64::MAX)]));
        assert_eq!(fullest(&lane.windows, None, 999), (900_000, 1_000));
        assert_eq!(fullest(&lane.windows, None, 1_000), (0, 0));
    }
}
