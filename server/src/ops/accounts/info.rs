//! An account as people and programs see it: no credential, and of its extra headers only the names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use troupe_actors::account::ActiveAccount;
use troupe_core::AccountId;
use troupe_core::account::{
    AccountKind, AccountRecord, AccountStats, AccountView, Auth, AuthScheme, CoolDown, Grant,
    Health, LaneView, OauthSettings, PreferredAuth, SecretName, TokenPhase, TokenView, WebSettings,
    Window,
};
use troupe_core::gate::UNLIMITED;

use super::super::fields::timestamp;
use super::super::limits::{self, Limits};
use super::StatsInfo;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    pub id: AccountId,
    pub name: String,
    pub kind: AccountKind,
    pub base_url: String,
    pub auth: AuthScheme,
    /// Names only.
    pub headers: Vec<String>,
    pub models: BTreeMap<String, String>,
    pub concurrent: Option<u32>,
    /// As the configuration file writes them.
    #[serde(default)]
    pub limits: Limits,
    pub preferred_auth: PreferredAuth,
    pub oauth: Option<OauthInfo>,
    pub web: Option<WebInfo>,
    pub group: Option<String>,
    pub tags: Vec<String>,
    pub weight: u32,
    pub priority: u32,
    pub allow_models: Vec<String>,
    pub deny_models: Vec<String>,
    pub schedule: Option<String>,
    /// Percent.
    pub reserve: Option<u8>,
    /// It is reached by a proxy of its own, whose URL is secret.
    pub proxied: bool,
    pub ca_file: Option<String>,
    pub imported_from: Option<String>,
    /// It belongs to the configuration file.
    pub declared: bool,
    pub enabled: bool,
    /// That of its best credential (see [`CredentialInfo::state`]), `disabled` or `quarantined`.
    pub state: String,
    /// Why it is in this state, where there is more to say.
    pub reason: Option<String>,
    /// In the order in which they are tried.
    pub credentials: Vec<CredentialInfo>,
    /// `None` when the gateway does not run.
    pub slots: Option<SlotsInfo>,
    pub stats: Option<StatsInfo>,
    /// `None` for declared accounts.
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

/// How tokens are got; the client's secret stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthInfo {
    pub grant: Grant,
    pub token_url: String,
    pub authorize_url: Option<String>,
    pub redirect_uri: Option<String>,
    pub client_id: Option<String>,
    pub scopes: Vec<String>,
    /// Names only.
    pub extra: Vec<String>,
    pub assertion_file: Option<String>,
}

/// The web surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebInfo {
    pub base_url: String,
    pub organization: Option<String>,
    pub preserve_chats: bool,
}

/// One credential of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialInfo {
    pub auth: Auth,
    /// `active`, `cooling_down`, `renewing`, `rejected`, `needs_login`, `challenged` or `out_of_service`.
    pub state: String,
    pub reason: Option<String>,
    /// Since when it is so, where it is not well.
    pub since: Option<Timestamp>,
    pub cooldowns: Vec<CoolDownInfo>,
    pub windows: Vec<WindowInfo>,
    /// Of oauth.
    pub token: Option<TokenInfo>,
}

/// A pause that still runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDownInfo {
    /// `None` pauses every model.
    pub model: Option<String>,
    pub until: Option<Timestamp>,
    /// `throttled` keeps requests away, `avoided` makes the account the second choice.
    pub kind: String,
    /// Only for requests with one certain set of betas.
    pub some_betas: bool,
}

/// How full the upstream says a window is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowInfo {
    pub name: String,
    pub model: Option<String>,
    /// Parts per million.
    pub used_ppm: u32,
    pub reset: Option<Timestamp>,
}

/// A token's life, never the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// 0 when there never was one.
    pub generation: u64,
    pub obtained_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// `idle`, `renewing`, `unknown`, `postponed` or `needs_login`.
    pub phase: String,
    /// When the next attempt may be made.
    pub not_before: Option<Timestamp>,
    pub reason: Option<String>,
}

/// Requests in flight now, and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotsInfo {
    pub in_use: u32,
    pub limit: Option<u32>,
}

impl AccountInfo {
    pub(super) fn of_active(
        record: &AccountRecord,
        declared: bool,
        active: &ActiveAccount,
        stats: Option<&AccountStats>,
        now_ms: u64,
    ) -> Self {
        let mut info = Self::of_view(record, declared, &active.view.load(), stats, now_ms);
        if active.is_gone() {
            info.state = "quarantined".into();
            info.reason = Some("its actor failed too often; see the log".into());
        }
        let limit = active.slots.limit();
        info.slots = Some(SlotsInfo {
            in_use: active.slots.in_use(),
            limit: Some(limit).filter(|limit| *limit != UNLIMITED),
        });
        info
    }

    pub(super) fn of_view(
        record: &AccountRecord,
        declared: bool,
        view: &AccountView,
        stats: Option<&AccountStats>,
        now_ms: u64,
    ) -> Self {
        let lanes = view.lanes.iter();
        let credentials: Vec<_> = lanes.map(|lane| CredentialInfo::of(lane, now_ms)).collect();
        let state_is = |wanted: &str| credentials.iter().find(|c| c.state == wanted);
        let best = state_is("active")
            .or_else(|| state_is("cooling_down"))
            .or_else(|| state_is("renewing"))
            .or(credentials.first());
        let (state, reason) = match best {
            _ if !record.enabled => ("disabled".to_owned(), None),
            Some(best) => (best.state.clone(), best.reason.clone()),
            None => (
                "needs_login".to_owned(),
                Some("it has no credential".into()),
            ),
        };
        let written = |at: u64| timestamp(at).filter(|_| at > 0);
        let texts = |patterns: &[troupe_core::models::Pattern]| {
            patterns.iter().map(ToString::to_string).collect()
        };
        Self {
            id: record.id,
            name: record.name.clone(),
            kind: record.kind,
            base_url: record.base_url.clone(),
            auth: record.auth,
            headers: record.headers.keys().cloned().collect(),
            models: record.models.clone(),
            concurrent: record.concurrent,
            limits: limits::info(&record.limits),
            preferred_auth: record.preferred_auth,
            oauth: record.oauth.as_ref().map(OauthInfo::from),
            web: record.web.as_ref().map(WebInfo::from),
            group: record.group.clone(),
            tags: record.tags.clone(),
            weight: record.weight,
            priority: record.priority,
            allow_models: texts(&record.rules.allow),
            deny_models: texts(&record.rules.deny),
            schedule: record.schedule.as_ref().map(ToString::to_string),
            reserve: record.reserve_percent,
            proxied: record.secrets.contains_key(&SecretName::Proxy) || view.reach.proxy.is_some(),
            ca_file: record.ca_file.clone(),
            imported_from: record.imported_from.clone(),
            declared,
            enabled: record.enabled,
            state,
            reason,
            credentials,
            slots: None,
            stats: stats.map(StatsInfo::from),
            created_at: written(record.created_ms),
            updated_at: written(record.updated_ms),
        }
    }
}

impl CredentialInfo {
    fn of(lane: &LaneView, now_ms: u64) -> Self {
        let running: Vec<_> = lane
            .cooldowns
            .iter()
            .filter(|pause| pause.until_ms > now_ms)
            .collect();
        let (state, reason) = state(lane, &running, now_ms);
        let since_ms = match &lane.health {
            Health::Active => None,
            Health::Rejected { since_ms }
            | Health::NeedsLogin { since_ms, .. }
            | Health::Challenged { since_ms }
            | Health::OutOfService { since_ms, .. } => Some(*since_ms),
        };
        let windows = lane
            .windows
            .iter()
            .filter(|window| window.reset_ms > now_ms);
        Self {
            auth: lane.auth,
            state: state.to_owned(),
            reason,
            since: since_ms.and_then(timestamp),
            cooldowns: running.into_iter().map(CoolDownInfo::from).collect(),
            windows: windows.map(WindowInfo::from).collect(),
            token: lane.token.as_ref().map(TokenInfo::from),
        }
    }
}

/// The word for a credential, and what there is to say beside it.
fn state(lane: &LaneView, running: &[&CoolDown], now_ms: u64) -> (&'static str, Option<String>) {
    let reason = match &lane.health {
        Health::Active => return of_active(lane, running, now_ms),
        Health::Rejected { .. } => "the upstream does not accept the credential".to_owned(),
        Health::NeedsLogin { reason, .. } | Health::OutOfService { reason, .. } => reason.clone(),
        Health::Challenged { .. } => {
            "the web surface asks for a person; log in there with a browser, then enable the account"
                .to_owned()
        }
    };
    (lane.health.as_str(), Some(reason))
}

fn of_active(
    lane: &LaneView,
    running: &[&CoolDown],
    now_ms: u64,
) -> (&'static str, Option<String>) {
    match &lane.token {
        Some(token) if token.stale_ms <= now_ms => match &token.phase {
            TokenPhase::NeedsLogin { reason } => return ("needs_login", Some(reason.clone())),
            _ => return ("renewing", None),
        },
        _ => {}
    }
    let whole = |pause: &&&CoolDown| pause.throttled && pause.model.is_none();
    match running.iter().find(whole) {
        Some(_) => ("cooling_down", None),
        None => ("active", None),
    }
}

impl From<&TokenView> for TokenInfo {
    fn from(token: &TokenView) -> Self {
        let written = |at: u64| timestamp(at).filter(|_| at > 0);
        let (phase, not_before, reason) = match &token.phase {
            TokenPhase::Idle => ("idle", None, None),
            TokenPhase::Renewing => ("renewing", None, None),
            TokenPhase::Unknown => (
                "unknown",
                written(token.stale_ms),
                Some("an earlier renewal has no known outcome; the token serves to its end".into()),
            ),
            TokenPhase::Postponed { until_ms } => ("postponed", timestamp(*until_ms), None),
            TokenPhase::NeedsLogin { reason } => ("needs_login", None, Some(reason.clone())),
        };
        Self {
            generation: token.generation,
            obtained_at: written(token.obtained_ms),
            expires_at: written(token.expires_ms),
            phase: phase.to_owned(),
            not_before,
            reason,
        }
    }
}

impl From<&Window> for WindowInfo {
    fn from(window: &Window) -> Self {
        Self {
            name: window.name.to_string(),
            model: window.model.as_deref().map(str::to_owned),
            used_ppm: window.used_ppm,
            reset: timestamp(window.reset_ms),
        }
    }
}

impl From<&CoolDown> for CoolDownInfo {
    fn from(pause: &CoolDown) -> Self {
        Self {
            model: pause.model.as_deref().map(str::to_owned),
            until: timestamp(pause.until_ms),
            kind: if pause.throttled {
                "throttled"
            } else {
                "avoided"
            }
            .to_owned(),
            some_betas: pause.betas.is_some(),
        }
    }
}

impl From<&OauthSettings> for OauthInfo {
    fn from(settings: &OauthSettings) -> Self {
        Self {
            grant: settings.grant,
            token_url: settings.token_url.clone(),
            authorize_url: settings.authorize_url.clone(),
            redirect_uri: settings.redirect_uri.clone(),
            client_id: settings.client_id.clone(),
            scopes: settings.scopes.clone(),
            extra: settings.extra.keys().cloned().collect(),
            assertion_file: settings.assertion_file.clone(),
        }
    }
}

impl From<&WebSettings> for WebInfo {
    fn from(settings: &WebSettings) -> Self {
        Self {
            base_url: settings.base_url.clone(),
            organization: settings.organization.clone(),
            preserve_chats: settings.preserve_chats,
        }
    }
}
