//! Known providers' endpoints, as data: an operator names one instead of typing its URLs.
//!
//! Invariant: only what the provider documents for applications of others is here. No client id is built in: an operator
//! registers a client with the provider, under its terms, and configures the id. Whatever a preset says, configuration
//! overrides; a provider without a preset is configured in full.

use super::BodyFormat;

/// A provider's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    /// Where a person logs in; absent where only machines do.
    pub authorize_url: Option<&'static str>,
    pub token_url: &'static str,
    /// A public client's id, where the provider documents one for everybody.
    pub client_id: Option<&'static str>,
    /// Where the page sends the person, when the provider has one that shows the code; else the client's registered one
    /// is configured.
    pub redirect_uri: Option<&'static str>,
    pub scope: &'static [&'static str],
    pub format: BodyFormat,
    /// Extra fields that the operator must give.
    pub needs: &'static [&'static str],
    /// When this was read from the provider's documentation, `YYYY-MM`.
    pub as_of: &'static str,
}

/// All presets, by name.
pub const PRESETS: [Preset; 2] = [
    // platform.claude.com/docs, "OAuth reference": clients are registered by the operator's organisation; beta.
    Preset {
        name: "claude_platform",
        authorize_url: Some("https://auth.claude.com/oauth/authorize"),
        token_url: "https://auth.claude.com/v1/oauth/token",
        client_id: None,
        redirect_uri: None,
        scope: &[],
        format: BodyFormat::Form,
        needs: &[],
        as_of: "2026-11",
    },
    // platform.claude.com/docs, "WIF reference": an assertion of the operator's own identity provider.
    Preset {
        name: "claude_workload_identity",
        authorize_url: None,
        token_url: "https://api.anthropic.com/v1/oauth/token",
        client_id: None,
        redirect_uri: None,
        scope: &[],
        format: BodyFormat::Json,
        needs: &[
            "federation_rule_id",
            "organization_id",
            "service_account_id",
        ],
        as_of: "2026-11",
    },
];

/// The preset of that name.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::EndpointUrl;

    #[test]
    fn presets_are_usable_and_name_no_client() {
        for known in &PRESETS {
            assert_eq!(preset(known.name), Some(known));
            for url in known.authorize_url.iter().chain([&known.token_url]) {
                assert!(
                    EndpointUrl::parse(url).is_ok_and(|url| url.as_str().starts_with("https://"))
                );
            }
            assert_eq!(known.client_id, None, "{}", known.name);
        }
        assert_eq!(preset("unknown"), None);
    }
}
