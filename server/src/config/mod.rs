//! The configuration: one file per section, and how it is loaded, shown, watched and reloaded.
//!
//! Index. Sections: [`server`], [`storage`], [`secrets`], [`accounts`], [`keys`], [`models`],
//! [`routing`], [`limits`], [`sessions`], [`streaming`], [`request_log`], [`usage`], [`audit`], [`admin`],
//! [`telemetry`], [`web_session`], [`passthrough`]; keys of later versions: `gate`.
//! Loading: `parse` (YAML → tree) → `interpolate` (`${VAR}`) → `environ` and flags (over the
//! tree) → `gate` → `read`/`de` (tree → types) → `check`/`rules`; in order in [`load`].
//! Running: [`watch`] tells of changes, [`reload`] takes them over.
//!
//! Invariant: this module knows no other module of the server but `account_rules` (which knows none),
//! and a [`Config`] that exists is valid as a whole.

mod access;
pub mod accounts;
pub mod admin;
pub mod audit;
mod check;
mod de;
mod diff;
mod environ;
mod error;
mod files;
mod gate;
mod interpolate;
pub mod keys;
pub mod limits;
mod load;
pub mod models;
mod money;
mod parse;
pub mod passthrough;
mod read;
pub mod reload;
pub mod request_log;
pub mod routing;
mod rules;
mod schema;
mod secret;
pub mod secrets;
pub mod server;
pub mod sessions;
mod show;
pub mod storage;
pub mod streaming;
pub mod telemetry;
#[cfg(test)]
mod tests;
mod tree;
mod unit;
pub mod usage;
mod warnings;
pub mod watch;
pub mod web_session;
mod words;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::accounts::Account;
pub use self::diff::diff_needs_restart;
pub use self::error::{ConfigError, ConfigErrors, Origin};
pub use self::keys::{Endpoints, Key, Resources};
pub use self::limits::WrittenLimits;
pub use self::load::{Flags, Loaded, Redacted, Sources, load};
pub use self::reload::{Reloadable, Reloader, Section};
pub use self::schema::schema;
pub use self::secret::{REDACTED, Secret};
pub use self::show::show;
pub use self::unit::{ByteSize, HumanDuration};
pub use self::warnings::warnings;

/// `troupe.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    #[garde(dive)]
    pub server: server::Server,
    #[garde(dive)]
    pub storage: storage::Storage,
    #[garde(dive)]
    pub secrets: secrets::Secrets,
    /// Upstream accounts. Read-only in API and UI; they leave with the file.
    #[garde(skip)]
    pub accounts: Vec<Account>,
    /// Client keys. Read-only in API and UI; they leave with the file.
    #[garde(dive)]
    pub keys: Vec<Key>,
    #[garde(dive)]
    pub models: models::Models,
    #[garde(dive)]
    pub routing: routing::Routing,
    #[garde(dive)]
    pub limits: limits::Limits,
    #[garde(dive)]
    pub sessions: sessions::Sessions,
    #[garde(dive)]
    pub streaming: streaming::Streaming,
    #[garde(dive)]
    pub request_log: request_log::RequestLog,
    #[garde(dive)]
    pub usage: usage::Usage,
    #[garde(dive)]
    pub audit: audit::Audit,
    #[garde(dive)]
    pub admin: admin::Admin,
    #[garde(dive)]
    pub telemetry: telemetry::Telemetry,
    #[garde(dive)]
    pub web_session: web_session::WebSession,
    #[garde(dive)]
    pub passthrough: passthrough::Passthrough,
}
