//! The stored form of an account: settings in clear, secrets sealed, and what was learnt beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lane::LaneState;
use super::stats::AccountStats;
use crate::id::AccountId;
use crate::limit::LimitSet;
use crate::models::ModelRules;
use crate::schedule::Schedule;

/// What an account was added as. It may hold further credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    ApiKey,
    Oauth,
    WebSession,
}

impl AccountKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Oauth => "oauth",
            Self::WebSession => "web_session",
        }
    }
}

/// One of the credentials that an account may hold, in the order of fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    ApiKey,
    Oauth,
    Web,
}

impl Auth {
    pub const ALL: [Self; 3] = [Self::ApiKey, Self::Oauth, Self::Web];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Oauth => "oauth",
            Self::Web => "web",
        }
    }
}

/// Which credential is tried first; the others follow in the order of [`Auth::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreferredAuth {
    #[default]
    Auto,
    ApiKey,
    Oauth,
    Web,
}

impl PreferredAuth {
    /// All credentials in the order in which they are tried.
    #[must_use]
    pub fn order(self) -> [Auth; 3] {
        match self {
            Self::Auto | Self::ApiKey => Auth::ALL,
            Self::Oauth => [Auth::Oauth, Auth::ApiKey, Auth::Web],
            Self::Web => [Auth::Web, Auth::ApiKey, Auth::Oauth],
        }
    }
}

/// How an API key is presented upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthScheme {
    /// `x-api-key: …`
    #[default]
    #[serde(rename = "x-api-key")]
    XApiKey,
    /// `authorization: Bearer …`
    #[serde(rename = "bearer")]
    Bearer,
}

/// How access tokens are got (WIRE §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// RFC 7523; the assertion is read from its file at every exchange.
    JwtBearer,
    /// RFC 6749 §6: got by a login or an import; single use, it rotates.
    #[serde(alias = "authorization_code")]
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl Grant {
    /// Does an exchange use up what it presents? Then an exchange of unknown outcome may not be repeated at will.
    #[must_use]
    pub fn is_single_use(self) -> bool {
        self == Self::RefreshToken
    }
}

/// The body of token requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormat {
    #[default]
    Json,
    Form,
}

/// Everything about an account's tokens that is not secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthSettings {
    pub grant: Grant,
    pub token_url: String,
    #[serde(default)]
    pub authorize_url: Option<String>,
    #[serde(default)]
    pub redirect_uri: Option<String>,
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Further fields of the token request, by name.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
    #[serde(default)]
    pub format: TokenFormat,
    /// For [`Grant::JwtBearer`].
    #[serde(default)]
    pub assertion_file: Option<String>,
}

/// The web surface of an account with a session cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSettings {
    pub base_url: String,
    /// Of several organisations, this one; else the most capable.
    #[serde(default)]
    pub organization: Option<String>,
    /// Conversations are kept after their answer.
    #[serde(default)]
    pub preserve_chats: bool,
}

/// An account as stored; secrets are sealed before they come here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    pub id: AccountId,
    pub name: String,
    pub kind: AccountKind,
    /// Scheme, host, optional port and path prefix of the Messages API, without a trailing slash.
    pub base_url: String,
    pub auth: AuthScheme,
    /// The API key: an AEAD box (key id, nonce, ciphertext) whose associated data is the row's id. Empty without one.
    pub sealed: Vec<u8>,
    /// The other secrets, each in a box of its own, by the names of [`SecretName`].
    #[serde(default)]
    pub secrets: BTreeMap<SecretName, Vec<u8>>,
    /// Extra headers for every upstream request.
    pub headers: BTreeMap<String, String>,
    /// Model names here → model names at this upstream.
    pub models: BTreeMap<String, String>,
    /// Requests in flight at once; `None` is no limit.
    pub concurrent: Option<u32>,
    /// What may be used of it; the upstream's own limits are another thing.
    #[serde(default, skip_serializing_if = "LimitSet::is_empty")]
    pub limits: LimitSet,
    pub enabled: bool,
    #[serde(default)]
    pub preferred_auth: PreferredAuth,
    #[serde(default)]
    pub oauth: Option<OauthSettings>,
    #[serde(default)]
    pub web: Option<WebSettings>,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default = "one")]
    pub weight: u32,
    /// Lower is filled first.
    #[serde(default)]
    pub priority: u32,
    #[serde(default)]
    pub rules: ModelRules,
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Nothing is sent while a window of the upstream's stands at or above so many percent.
    #[serde(default)]
    pub reserve_percent: Option<u8>,
    /// Certificate authority trusted besides the system's, for this account: a file of PEM.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// What the account is at the place it was imported from; makes an import repeatable.
    #[serde(default)]
    pub imported_from: Option<String>,
    /// A keyed hash of each credential as it was brought last, by an operator or an import: tokens change by themselves,
    /// and what was brought once is not taken again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub brought: BTreeMap<Auth, String>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    pub updated_ms: u64,
    /// Counts the writes of this row; set by the store.
    pub version: u64,
}

/// Secrets of an account besides its API key and its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretName {
    WebCookie,
    ClientSecret,
    /// The proxy's URL, which may hold a password.
    Proxy,
}

impl SecretName {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebCookie => "web_cookie",
            Self::ClientSecret => "client_secret",
            Self::Proxy => "proxy",
        }
    }
}

fn one() -> u32 {
    1
}

impl AccountRecord {
    /// An enabled account of the Messages API with defaults everywhere; the caller fills in what differs.
    #[must_use]
    pub fn new(id: AccountId, name: String, kind: AccountKind, base_url: String) -> Self {
        Self {
            id,
            name,
            kind,
            base_url,
            auth: AuthScheme::default(),
            sealed: Vec::new(),
            secrets: BTreeMap::new(),
            headers: BTreeMap::new(),
            models: BTreeMap::new(),
            concurrent: None,
            limits: LimitSet::default(),
            enabled: true,
            preferred_auth: PreferredAuth::default(),
            oauth: None,
            web: None,
            group: None,
            tags: Vec::new(),
            weight: one(),
            priority: 0,
            rules: ModelRules::default(),
            schedule: None,
            reserve_percent: None,
            ca_file: None,
            imported_from: None,
            brought: BTreeMap::new(),
            created_ms: 0,
            updated_ms: 0,
            version: 0,
        }
    }
}

/// What the gateway learnt about an account; kept over restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountState {
    pub id: AccountId,
    /// By credential; one that has nothing to tell is absent.
    #[serde(default)]
    pub lanes: BTreeMap<Auth, LaneState>,
    #[serde(default)]
    pub stats: AccountStats,
    pub updated_ms: u64,
    /// How the first version wrote `lanes` of the API key. Read, never written.
    #[serde(default, skip_serializing)]
    health: Option<super::Health>,
    #[serde(default, skip_serializing)]
    cooldowns: Vec<super::CoolDown>,
}

impl AccountState {
    #[must_use]
    pub fn new(id: AccountId, updated_ms: u64) -> Self {
        Self {
            id,
            lanes: BTreeMap::new(),
            stats: AccountStats::default(),
            updated_ms,
            health: None,
            cooldowns: Vec::new(),
        }
    }

    /// The lanes, those of a state written by the first version included.
    #[must_use]
    pub fn into_lanes(mut self) -> BTreeMap<Auth, LaneState> {
        if let Some(health) = self.health.take() {
            self.lanes.entry(Auth::ApiKey).or_insert(LaneState {
                health,
                cooldowns: std::mem::take(&mut self.cooldowns),
                windows: Vec::new(),
            });
        }
        self.lanes
    }
}
