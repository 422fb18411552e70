//! What the configuration says of the log and of bodies, compiled.
//!
//! Invariant: a request keeps the settings it began with, its patterns too.

use troupe_core::RequestId;

use super::redact::{MARGIN, Redactor};
use super::taken::Why;
use crate::config::request_log::{Bodies, ONE_PPM, RequestLog};

/// Which requests' bodies are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Off,
    /// Those that were refused, failed, were cut or cancelled.
    Errors,
    /// So many of a million.
    Sampled(u32),
    All,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct BodySettings {
    /// Rows are kept, and bodies may be.
    pub is_on: bool,
    pub policy: Policy,
    /// What is kept of one body.
    pub limit_bytes: usize,
    /// What is kept of one day (UTC), packed.
    pub day_bytes: u64,
    /// What all days that are kept may have.
    pub all_bytes: u64,
    pub redactor: Redactor,
}

impl BodySettings {
    /// Of a valid configuration.
    #[must_use]
    pub fn compile(log: &RequestLog) -> Self {
        // Checked before; without its patterns nothing is kept.
        let redactor = Redactor::new(&log.redact).ok();
        let policy = match log.bodies {
            _ if !log.enabled || redactor.is_none() => Policy::Off,
            Bodies::Off => Policy::Off,
            Bodies::Errors => Policy::Errors,
            Bodies::Sampled => Policy::Sampled(log.sample.ppm()),
            Bodies::All => Policy::All,
        };
        Self {
            policy,
            limit_bytes: usize::try_from(log.body_limit.bytes()).unwrap_or(usize::MAX),
            day_bytes: log.bodies_max.bytes(),
            all_bytes: all_bytes(log),
            is_on: log.enabled && redactor.is_some(),
            redactor: redactor.unwrap_or_default(),
        }
    }

    /// Bytes that are captured of one body, so that its cut can be made clean.
    #[must_use]
    pub fn capture_bytes(&self) -> usize {
        self.limit_bytes.saturating_add(MARGIN)
    }

    /// Why this request's bodies are captured, if they are.
    #[must_use]
    pub fn chosen(&self, id: RequestId) -> Option<Why> {
        match self.policy {
            Policy::Off => None,
            Policy::Errors => Some(Why::Errors),
            Policy::Sampled(ppm) => is_sampled(id, ppm).then_some(Why::Sampled),
            Policy::All => Some(Why::All),
        }
    }
}

/// Of the days of the retention, the one that is not over, and one whose time has just come.
fn all_bytes(log: &RequestLog) -> u64 {
    let days = log.bodies_retention.get().as_secs().div_ceil(86_400) + 2;
    days.saturating_mul(log.bodies_max.bytes())
}

/// By the id's random part: the same requests, whoever asks.
fn is_sampled(id: RequestId, ppm: u32) -> bool {
    let random = id.0.as_u128() as u32;
    (u64::from(random) * u64::from(ONE_PPM)) >> 32 < u64::from(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_has_room_for_each_day() {
        let log = RequestLog::default();
        let settings = BodySettings::compile(&log);
        assert_eq!(settings.all_bytes, 9 * settings.day_bytes);
    }

    #[test]
    fn a_sample_is_as_large_as_asked_for() {
        let id = || RequestId(uuid::Uuid::now_v7());
        assert!((0..1_000).all(|_| is_sampled(id(), ONE_PPM) && !is_sampled(id(), 0)));
        let tenth = (0..20_000).filter(|_| is_sampled(id(), 100_000)).count();
        assert!((1_700..2_300).contains(&tenth), "{tenth}");
    }
}
