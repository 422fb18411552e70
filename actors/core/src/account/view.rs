//! What requests see of an account.

use std::sync::Arc;

use secrecy::SecretString;
use smallvec::SmallVec;

use super::health::{CoolDown, Health, Unavailable, Window};
use super::lane::{fullest, pauses};
use super::record::{AccountRecord, Auth, AuthScheme, PreferredAuth};
use super::token::{TokenPhase, TokenView};
use crate::gate::Slots;
use crate::id::AccountId;
use crate::standing::StandingValues;

/// A credential as it is presented upstream.
#[derive(Clone, Debug)]
pub struct Credential {
    pub scheme: Scheme,
    pub secret: SecretString,
}

/// The header that carries a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    XApiKey,
    Bearer,
    /// The web surface's session.
    Cookie,
}

impl From<AuthScheme> for Scheme {
    fn from(scheme: AuthScheme) -> Self {
        match scheme {
            AuthScheme::XApiKey => Self::XApiKey,
            AuthScheme::Bearer => Self::Bearer,
        }
    }
}

/// How an account's upstream is reached, where that is not the direct way.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// `http`, `https`, `socks5` or `socks5h`, perhaps with user and password.
    pub proxy: Option<SecretString>,
    /// Trusted besides the system's certificates.
    pub ca_pem: Option<Vec<u8>>,
}

/// A set of credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthSet(u8);

impl AuthSet {
    #[must_use]
    pub fn with(self, auth: Auth) -> Self {
        Self(self.0 | 1 << auth as u8)
    }

    /// Every credential.
    pub const ALL: Self = Self(0b111);

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub fn has(self, auth: Auth) -> bool {
        self.0 & (1 << auth as u8) != 0
    }
}

impl From<Auth> for AuthSet {
    fn from(auth: Auth) -> Self {
        Self::default().with(auth)
    }
}

/// What a request wants of an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want<'a> {
    pub model: Option<&'a str>,
    /// A hash of the betas that it asks for; 0 for none.
    pub betas: u64,
    /// It is a `POST /v1/messages`, the one call that the web surface can serve.
    pub is_message: bool,
    /// Web sessions are switched on.
    pub web: bool,
    /// Credentials of this account that were tried for it.
    pub tried: AuthSet,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// How a credential fits a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub auth: Auth,
    /// Its pause has ended and nobody has tried since: one request goes ahead.
    pub trial: bool,
    /// Its token must be renewed first.
    pub stale: bool,
    /// Others are preferred.
    pub avoided: bool,
    /// Parts per million used of the fullest window that counts.
    pub used_ppm: u32,
}

/// One credential.
#[derive(Clone, Debug)]
pub struct LaneView {
    pub auth: Auth,
    pub health: Health,
    pub cooldowns: Arc<[CoolDown]>,
    pub windows: Arc<[Window]>,
    /// `None` for a token that was never got.
    pub credential: Option<Arc<Credential>>,
    pub token: Option<TokenView>,
    /// Of the token; of another credential, which one since the start it is. A report repeats it.
    pub generation: u64,
    /// One place for the trial after a pause; long-lived, beside the view.
    pub trial: Arc<Slots>,
}

/// How a lane fits, and whether the account's other credentials are to be tried before it.
struct LaneFit {
    fit: Fit,
    fallback: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct AccountView {
    pub record: Arc<AccountRecord>,
    pub reach: Arc<Reach>,
    /// In the order in which they are tried.
    pub lanes: SmallVec<[LaneView; 1]>,
}

impl LaneView {
    /// # Errors
    /// Why not.
    fn fit(&self, want: &Want<'_>, record: &AccountRecord) -> Result<LaneFit, Unavailable> {
        if want.tried.has(self.auth) {
            return Err(Unavailable::Tried);
        }
        if self.auth == Auth::Web && !(want.is_message && want.web) {
            return Err(Unavailable::Unsupported);
        }
        match self.health {
            Health::Active => {}
            Health::Rejected { .. } => return Err(Unavailable::Rejected),
            Health::NeedsLogin { .. } => return Err(Unavailable::NeedsLogin),
            Health::Challenged { .. } => return Err(Unavailable::Challenged),
            Health::OutOfService { .. } => return Err(Unavailable::OutOfService),
        }
        let found = pauses(&self.cooldowns, want.model, want.betas, want.unix_ms);
        if let Some(until_ms) = found.throttled_until_ms {
            return Err(Unavailable::Throttled { until_ms });
        }
        let (used_ppm, reset_ms) = fullest(&self.windows, want.model, want.unix_ms);
        let reserve_ppm = record.reserve_percent.map(|p| u32::from(p) * 10_000);
        if reserve_ppm.is_some_and(|most| used_ppm >= most) {
            return Err(Unavailable::Reserved { until_ms: reset_ms });
        }
        let stale = match &self.token {
            None => false,
            Some(token) if token.stale_ms > want.unix_ms => false,
            Some(token) => match (&token.phase, token.phase.postponed_ms(want.unix_ms)) {
                (TokenPhase::NeedsLogin { .. }, _) => return Err(Unavailable::NeedsLogin),
                (_, Some(until_ms)) => return Err(Unavailable::Renewing { until_ms }),
                _ => true,
            },
        };
        // The fallback mode is for when nothing else can serve, unless the operator wants it first.
        let last_resort = self.auth == Auth::Web && record.preferred_auth != PreferredAuth::Web;
        Ok(LaneFit {
            fit: Fit {
                auth: self.auth,
                trial: found.trial,
                stale,
                avoided: found.avoided || found.lacking || last_resort,
                used_ppm,
            },
            // A fault of the platform is no other credential's business.
            fallback: found.lacking || last_resort,
        })
    }
}

impl AccountView {
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.record.id
    }

    #[must_use]
    pub fn lane(&self, auth: Auth) -> Option<&LaneView> {
        self.lanes.iter().find(|lane| lane.auth == auth)
    }

    /// The secret of a credential, as it is presented.
    #[must_use]
    pub fn secret_of(&self, auth: Auth) -> Option<SecretString> {
        let credential = self.lane(auth)?.credential.as_ref()?;
        Some(credential.secret.clone())
    }

    /// The credential that takes a request now, the first that can in the order of preference. Slots are a matter of
    /// the gate, not of the view.
    ///
    /// # Errors
    /// Why none can; of several reasons the one that ends the soonest.
    pub fn fit(&self, want: &Want<'_>) -> Result<Fit, Unavailable> {
        let record = &*self.record;
        if !record.enabled {
            return Err(Unavailable::Disabled);
        }
        if want.model.is_some_and(|model| !record.rules.permits(model)) {
            return Err(Unavailable::ModelDenied);
        }
        if let Some(schedule) = &record.schedule
            && !schedule.is_open(want.unix_ms)
        {
            return Err(Unavailable::OffSchedule {
                until_ms: schedule.next_change_ms(want.unix_ms).unwrap_or(u64::MAX),
            });
        }
        let mut why = Unavailable::Unsupported;
        let mut fallback = None;
        for lane in &self.lanes {
            match lane.fit(want, record) {
                Ok(found) if !found.fallback => return Ok(found.fit),
                Ok(found) => {
                    fallback.get_or_insert(found.fit);
                }
                Err(other) if ends_ms(&other) < ends_ms(&why) => why = other,
                Err(_) => {}
            }
        }
        fallback.ok_or(why)
    }

    /// The word for people and metrics: that of the best credential.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if !self.record.enabled {
            return "disabled";
        }
        let active = |lane: &&LaneView| lane.health == Health::Active;
        let best = self.lanes.iter().find(active).or(self.lanes.first());
        best.map_or("needs_login", |lane| match &lane.token {
            Some(token)
                if token.stale_ms == 0 && matches!(token.phase, TokenPhase::NeedsLogin { .. }) =>
            {
                "needs_login"
            }
            _ => lane.health.as_str(),
        })
    }

    /// What ranking reads instead of this view. It may be too hopeful, never too dark.
    #[must_use]
    pub fn standing(&self) -> StandingValues {
        let record = &*self.record;
        let closed_until_ms = |lane: &LaneView| match lane.health {
            Health::Active => lane
                .cooldowns
                .iter()
                .filter(|c| c.throttled && c.model.is_none() && c.betas.is_none())
                .map(|c| c.until_ms)
                .max()
                .unwrap_or(0),
            _ => u64::MAX,
        };
        let closed = self.lanes.iter().map(closed_until_ms).min();
        let open = self.lanes.iter().find(|lane| lane.health == Health::Active);
        let avoided = open.into_iter().flat_map(|lane| lane.cooldowns.iter());
        StandingValues {
            closed_until_ms: if record.enabled {
                closed.unwrap_or(u64::MAX)
            } else {
                u64::MAX
            },
            avoided_until_ms: avoided
                .filter(|c| !c.throttled && c.model.is_none() && c.betas.is_none())
                .map(|c| c.until_ms)
                .max()
                .unwrap_or(0),
            utilisation_ppm: open.map_or(0, |lane| {
                let whole = lane.windows.iter().filter(|w| w.model.is_none());
                whole.map(|w| w.used_ppm).max().unwrap_or(0)
            }),
            weight: record.weight,
            priority: record.priority,
            look: self.must_look(),
        }
    }

    /// Does a request have to read the view to know whether it fits?
    fn must_look(&self) -> bool {
        let record = &*self.record;
        let plain = |lane: &LaneView| {
            lane.auth == Auth::ApiKey && lane.cooldowns.is_empty() && lane.windows.is_empty()
        };
        !record.rules.is_empty()
            || record.schedule.is_some()
            || record.reserve_percent.is_some()
            || !matches!(self.lanes.as_slice(), [lane] if plain(lane))
    }
}

/// When a reason ends by itself (ms since the Unix epoch); the lower, the better it says why.
fn ends_ms(why: &Unavailable) -> u64 {
    match why {
        Unavailable::Throttled { until_ms }
        | Unavailable::Reserved { until_ms }
        | Unavailable::Renewing { until_ms } => *until_ms,
        Unavailable::Unsupported => u64::MAX,
        Unavailable::Tried => u64::MAX - 1,
        _ => u64::MAX - 2,
    }
}
