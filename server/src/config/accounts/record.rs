//! From a declared account to what the store would hold of it.
//!
//! Invariant: the same declaration gives the same record and the same secrets, so that a reload of an account that did
//! not change changes nothing.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, OauthSettings, Reach, Secrets};
use troupe_core::models::ModelRules;

use super::super::secret::Secret;
use super::Account;
use crate::account_rules::{Fault, address};

impl Account {
    /// The OAuth settings, over their preset.
    ///
    /// # Errors
    /// What is missing.
    pub fn oauth_settings(&self) -> Result<Option<OauthSettings>, Fault> {
        let written = self.oauth.as_ref();
        written.map(|oauth| oauth.fields().resolve()).transpose()
    }

    /// Everything that is not secret. Its id follows from its name.
    pub fn record(&self) -> AccountRecord {
        let headers = self.headers.iter();
        let base_url = address::base_url(&self.base_url).unwrap_or_else(|_| self.base_url.clone());
        let id = AccountId::declared(&self.name);
        AccountRecord {
            auth: self.auth,
            headers: headers
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
            models: self.models.clone(),
            concurrent: self.concurrent,
            limits: self.limits.0.clone(),
            preferred_auth: self.preferred_auth,
            oauth: self.oauth_settings().ok().flatten(),
            web: self.web.as_ref().map(super::Web::settings),
            group: self.group.clone(),
            tags: self.tags.clone(),
            weight: self.weight,
            priority: self.priority,
            rules: ModelRules {
                allow: self.allow_models.clone().unwrap_or_default(),
                deny: self.deny_models.clone(),
            },
            schedule: self.schedule.clone(),
            reserve_percent: self.reserve,
            ca_file: self.ca_file.as_deref().map(shown),
            ..AccountRecord::new(id, self.name.clone(), self.kind, base_url)
        }
    }

    /// Its secrets. A proxy that reads `***` is left out: it is none.
    pub fn secrets(&self) -> Secrets {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|s| s.as_secret_string().clone());
        let oauth = self.oauth.as_ref();
        Secrets {
            api_key: text(&self.api_key),
            web_cookie: self.web.as_ref().and_then(|web| text(&web.cookie)),
            client_secret: oauth.and_then(|oauth| text(&oauth.client_secret)),
            reach: Arc::new(Reach {
                proxy: text(&self.proxy)
                    .filter(|_| !self.proxy.as_ref().is_some_and(Secret::is_redacted)),
                ca_pem: self.ca_pem.as_ref().map(|pem| pem.to_vec()),
            }),
        }
    }

    /// The token that its tokens begin with, while the store has none.
    pub fn refresh_token(&self) -> Option<SecretString> {
        let token = self.oauth.as_ref()?.refresh_token.as_ref()?;
        Some(token.as_secret_string().clone())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
