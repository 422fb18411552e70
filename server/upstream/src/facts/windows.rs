//! How full the upstream's windows are, from the `anthropic-ratelimit-*` headers (WIRE §1).
//!
//! Names are an open set: `unified-{window}-{status,utilization,reset}` of plans, and the four plain limits.
//! Invariant: nonsense is left out and told, never a fact; a reset that is known lies ahead, by at most
//! [`RESET_MAX_MS`]. Without such headers nothing is done.

use std::fmt;

use smallvec::SmallVec;

use super::RateLimits;

/// No window is longer; what claims to be is misread.
pub const RESET_MAX_MS: u64 = 40 * 24 * 3600 * 1000;

/// Windows of one answer; more are left out.
const WINDOWS_MAX: usize = 16;

const FULL_PPM: u32 = 1_000_000;

/// From here on a number is a percentage. A fraction may be a little above one, where a request went beyond the limit.
const PERCENT_FROM: f64 = 2.0;
const UTILIZATION_MAX: f64 = 1e6;

/// Limits of one class of models each.
const PLAIN: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

/// A window's name: `5h`, `7d_opus`, `input-tokens`. At most 24 bytes of `[a-z0-9_-]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowName {
    bytes: [u8; Self::MAX],
    len: u8,
}

/// One window, as far as this answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowFacts {
    pub name: WindowName,
    /// It counts the model, or the class of models, that was asked for; not all that the account does.
    pub model_scoped: bool,
    /// Parts per million, at most a million.
    pub utilization_ppm: u32,
    /// Ahead of now; milliseconds since the Unix epoch.
    pub reset_ms: Option<u64>,
    /// It is why a request was refused, or would be. Never of a plain limit, which fills up again bit by bit.
    pub rejected: bool,
}

/// What one answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    pub list: SmallVec<[WindowFacts; 4]>,
    /// Something could not be what it says and was left out; worth a line in the log.
    pub nonsense: bool,
}

// === impl WindowName ===

impl WindowName {
    pub const MAX: usize = 24;

    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if name.is_empty() || name.len() > Self::MAX || !name.bytes().all(known) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Self {
            bytes,
            len: u8::try_from(name.len()).ok()?,
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = usize::from(self.len).min(Self::MAX);
        std::str::from_utf8(&self.bytes[..len]).unwrap_or_default()
    }

    /// `5h` and `7d` are the account's; with something behind, as in `7d_opus`, a model's. Words are the account's.
    fn is_model_scoped(&self) -> bool {
        let name = self.as_str();
        name.starts_with(|first: char| first.is_ascii_digit()) && name.contains(['_', '-'])
    }
}

impl fmt::Display for WindowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for WindowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

// === impl RateLimits ===

impl RateLimits {
    /// `now_ms` since the Unix epoch.
    #[must_use]
    pub fn windows(&self, now_ms: u64) -> Windows {
        let mut out = Windows::default();
        if self.is_empty() {
            return out;
        }
        let mut drafts: SmallVec<[Draft<'_>; 4]> = SmallVec::new();
        let mut plain = [Plain::default(); PLAIN.len()];
        for (name, value) in self.iter() {
            let Some((window, field)) = unified(name) else {
                Plain::note(&mut plain, name, value);
                continue;
            };
            match WindowName::new(window) {
                // A cap on what is paid beyond a plan: how much a plan can do is not told by it.
                Some(name) if name.as_str() == "overage" => {}
                Some(name) => Draft::of(&mut drafts, name).note(field, value),
                None => out.nonsense = true,
            }
        }
        let in_percent = drafts.iter().any(Draft::is_percent);
        for draft in drafts {
            draft.conclude(in_percent, now_ms, &mut out);
        }
        for (name, limit) in PLAIN.into_iter().zip(&plain) {
            limit.conclude(name, now_ms, &mut out);
        }
        out
    }

    /// When a refused plan credential works again, in milliseconds from now, if the answer says so: the account's own
    /// reset, or that of the windows that refuse. Only where something is refused, never in the past, at most `most_ms`.
    pub(crate) fn refused_for_ms(&self, now_ms: u64, most_ms: u64) -> Option<u64> {
        let status = self.get("unified-status");
        if status.is_some_and(|status| status != REJECTED) {
            // A window can be full while what is paid beyond the plan serves: this refusal has another reason.
            return None;
        }
        let whole =
            status.and_then(|_| Windows::default().ahead(self.get("unified-reset"), now_ms));
        let reset_ms = whole.or_else(|| {
            let model_only = self.is_model_scoped();
            let windows = self.windows(now_ms).list.into_iter();
            windows
                .filter(|window| window.rejected && window.model_scoped == model_only)
                .filter_map(|window| window.reset_ms)
                .max()
        })?;
        Some(reset_ms.saturating_sub(now_ms).min(most_ms))
    }

    /// Does a refusal concern one model only? True when a model's own window is rejected and none of the account's is.
    #[must_use]
    pub fn is_model_scoped(&self) -> bool {
        let (mut of_model, mut of_account) = (false, false);
        for (name, _) in self.iter().filter(|(_, value)| *value == REJECTED) {
            let window = match unified(name) {
                Some((window, Field::Status)) if window != "overage" => WindowName::new(window),
                _ => None,
            };
            match window.map(|window| window.is_model_scoped()) {
                Some(true) => of_model = true,
                Some(false) => of_account = true,
                None => {}
            }
        }
        of_model && !of_account
    }
}

const REJECTED: &str = "rejected";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Status,
    Utilization,
    Reset,
}

/// The window and the field of `unified-{window}-{field}`; names of windows may have dashes.
fn unified(name: &str) -> Option<(&str, Field)> {
    let (window, field) = name.strip_prefix("unified-")?.rsplit_once('-')?;
    let field = match field {
        "status" => Field::Status,
        "utilization" => Field::Utilization,
        "reset" => Field::Reset,
        _ => return None,
    };
    Some((window, field))
}

/// A plain limit whose headers are being gathered; of repeated ones the first counts.
#[derive(Clone, Copy, Default)]
struct Plain<'a> {
    limit: Option<&'a str>,
    remaining: Option<&'a str>,
    reset: Option<&'a str>,
}

// === impl Plain ===

impl<'a> Plain<'a> {
    fn note(all: &mut [Self; PLAIN.len()], name: &str, value: &'a str) {
        let Some((limit, part)) = name.rsplit_once('-') else {
            return;
        };
        let Some(at) = PLAIN.iter().position(|known| *known == limit) else {
            return;
        };
        let slot = match part {
            "limit" => &mut all[at].limit,
            "remaining" => &mut all[at].remaining,
            "reset" => &mut all[at].reset,
            _ => return,
        };
        slot.get_or_insert(value);
    }

    fn conclude(&self, name: &str, now_ms: u64, out: &mut Windows) {
        let (Some(limit), Some(remaining), Some(name)) =
            (self.limit, self.remaining, WindowName::new(name))
        else {
            return;
        };
        let (Ok(limit @ 1..), Ok(remaining)) = (limit.parse::<u64>(), remaining.parse::<u64>())
        else {
            out.nonsense = true;
            return;
        };
        let used = u128::from(limit.saturating_sub(remaining)) * u128::from(FULL_PPM);
        let window = WindowFacts {
            name,
            model_scoped: true,
            utilization_ppm: u32::try_from(used / u128::from(limit)).unwrap_or(FULL_PPM),
            reset_ms: out.ahead(self.reset, now_ms),
            rejected: false,
        };
        out.push(window);
    }
}

/// A window whose headers are being gathered.
struct Draft<'a> {
    name: WindowName,
    utilization: Option<&'a str>,
    reset: Option<&'a str>,
    rejected: bool,
}

// === impl Draft ===

impl<'a> Draft<'a> {
    fn of(all: &mut SmallVec<[Self; 4]>, name: WindowName) -> &mut Self {
        let at = all.iter().position(|draft| draft.name == name);
        let at = at.unwrap_or_else(|| {
            all.push(Self {
                name,
                utilization: None,
                reset: None,
                rejected: false,
            });
            all.len() - 1
        });
        &mut all[at]
    }

    fn note(&mut self, field: Field, value: &'a str) {
        match field {
            Field::Status => self.rejected |= value == REJECTED,
            Field::Utilization => self.utilization = Some(value),
            Field::Reset => self.reset = Some(value),
        }
    }

    fn utilization(&self) -> Option<f64> {
        let value = self.utilization?.trim();
        let number = value.strip_suffix('%').unwrap_or(value);
        let parsed = number.parse().ok();
        parsed.filter(|number: &f64| (0.0..=UTILIZATION_MAX).contains(number))
    }

    fn is_percent(&self) -> bool {
        let signed = self.utilization.is_some_and(|value| value.ends_with('%'));
        signed
            || self
                .utilization()
                .is_some_and(|number| number >= PERCENT_FROM)
    }

    fn conclude(&self, in_percent: bool, now_ms: u64, out: &mut Windows) {
        let read = self.utilization();
        out.nonsense |= self.utilization.is_some() && read.is_none();
        let read = read.map(|number| ppm(if in_percent { number / 100.0 } else { number }));
        let reset_ms = out.ahead(self.reset, now_ms);
        let Some(utilization_ppm) = read.or(self.rejected.then_some(FULL_PPM)) else {
            return;
        };
        out.push(WindowFacts {
            name: self.name,
            model_scoped: self.name.is_model_scoped(),
            utilization_ppm,
            reset_ms,
            rejected: self.rejected,
        });
    }
}

// === impl Windows ===

impl Windows {
    fn push(&mut self, window: WindowFacts) {
        if self.list.len() < WINDOWS_MAX {
            self.list.push(window);
        } else {
            self.nonsense = true;
        }
    }

    /// A reset that is still to come. One long past or far off is misread.
    fn ahead(&mut self, reset: Option<&str>, now_ms: u64) -> Option<u64> {
        let read = instant_ms(reset?).filter(|read| read.abs_diff(now_ms) <= RESET_MAX_MS);
        self.nonsense |= read.is_none();
        read.filter(|read| *read > now_ms)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within 0 and a million"
)]
fn ppm(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * f64::from(FULL_PPM)).round() as u32
}

/// Seconds since the Unix epoch, or RFC 3339: milliseconds since the Unix epoch.
pub(super) fn instant_ms(value: &str) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a moment too far: told as such.
        return Some(
            value
                .parse::<u64>()
                .unwrap_or(u64::MAX)
                .saturating_mul(1000),
        );
    }
    let at: jiff::Timestamp = value.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests;
