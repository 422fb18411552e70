//! Web sessions: whether the operator wants them, and their settings.

use troupe_core::account::WebSettings;
use troupe_upstream::token::EndpointUrl;

use super::{Fault, address};

/// The web surface of the provider whose sessions are known.
pub const DEFAULT_BASE_URL: &str = "https://claude.ai";

/// What stands in the exchange's address for the organisation, and for the account's web address.
const ORGANIZATION: &str = "{organization_uuid}";
const BASE: &str = "{base}";

/// What the operator has said about web sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebConsent {
    pub enabled: bool,
    pub acknowledge_terms: bool,
}

impl WebConsent {
    /// Both, or web credentials are not used.
    #[must_use]
    pub const fn is_given(self) -> bool {
        self.enabled && self.acknowledge_terms
    }

    /// May an account have a session cookie?
    ///
    /// # Errors
    /// What has to be said first.
    pub fn check(self) -> Result<(), String> {
        if self.is_given() {
            return Ok(());
        }
        Err(
            "is a web session, and needs both `web_session.enabled: true` and \
             `web_session.acknowledge_terms: true`; using a session cookie this way may be against the \
             provider's terms, and is the operator's decision"
                .to_owned(),
        )
    }
}

/// # Errors
/// `enabled` alone.
pub fn consent_is_whole(consent: WebConsent) -> Result<(), String> {
    if consent.enabled && !consent.acknowledge_terms {
        return Err(
            "needs `web_session.acknowledge_terms: true` beside it; using web sessions this way may be \
             against the provider's terms, and is the operator's decision"
                .to_owned(),
        );
    }
    Ok(())
}

/// # Errors
/// What would be right.
pub fn settings(web: &WebSettings) -> Result<(), Fault> {
    address::web_base_url(&web.base_url).map_err(|why| Fault::new("web.base_url", why))?;
    let is_id = |id: &String| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !web.organization.as_ref().is_none_or(is_id) {
        let why = "must be the organisation's uuid: letters, digits and `-`";
        return Err(Fault::new("web.organization", why));
    }
    Ok(())
}

/// Where a session is exchanged for an OAuth grant.
///
/// # Errors
/// What would be right.
pub fn authorize_url(template: &str) -> Result<(), String> {
    if !template.contains(ORGANIZATION) {
        return Err(format!(
            "must hold `{ORGANIZATION}`, such as {BASE}/v1/oauth/{ORGANIZATION}/authorize"
        ));
    }
    let filled = template.replace(ORGANIZATION, "0");
    let filled = match filled.strip_prefix(BASE) {
        Some(path) if path.starts_with('/') => format!("{DEFAULT_BASE_URL}{path}"),
        Some(_) => return Err(format!("must have a path after `{BASE}`")),
        None => filled,
    };
    if filled.contains(['{', '}']) {
        return Err(format!(
            "holds braces that mean nothing; only `{BASE}` at its beginning and `{ORGANIZATION}` are filled in"
        ));
    }
    EndpointUrl::parse(&filled)
        .map(drop)
        .map_err(|error| error.to_string())
}
