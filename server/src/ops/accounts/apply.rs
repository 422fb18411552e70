//! Settings onto a record: checked as a whole by the rules of the configuration file, and every secret sealed for its
//! place.
//!
//! Invariant: a record that came out of here is whole: what it needs is there, and what is there can be used.

use secrecy::SecretString;
use troupe_core::account::{
    AccountKind, AccountRecord, Auth, Grant, SecretName, Secrets, WebSettings,
};

use super::super::patch::Patch;
use super::super::secret_json::SecretText;
use super::super::{ErrorCode, OpError, Operations, credential};
use super::oauth;
use super::plain::plain;
use super::settings::{AccountSettings, BroughtTokens, OauthChange, WebChange};
use crate::account_rules::{self, WebConsent, address, headers, web::DEFAULT_BASE_URL as WEB};

/// What adding or enabling a web session means.
pub const WEB_TERMS: &str = "a web session uses your own account in a way that may be against the provider's terms; whether to do so is your decision and your risk";

pub(in super::super) fn kind(kind: &str) -> Result<AccountKind, OpError> {
    match kind {
        "api_key" => Ok(AccountKind::ApiKey),
        "oauth" => Ok(AccountKind::Oauth),
        "web_session" => Ok(AccountKind::WebSession),
        _ => Err(OpError::invalid(
            "the kind of an account is `api_key`, `oauth` or `web_session`",
        )),
    }
}

impl Operations {
    /// Changes `record` by `settings`; the tokens among them are the caller's to store.
    pub(super) async fn apply_settings(
        &self,
        record: &mut AccountRecord,
        settings: AccountSettings,
    ) -> Result<(), OpError> {
        if settings.brings_cookie() {
            self.refuse_web()?;
        }
        self.apply_unasked(record, settings).await
    }

    /// The same without a word on web sessions: those that an import brings stay unusable until they are acknowledged.
    pub(in super::super) async fn apply_unasked(
        &self,
        record: &mut AccountRecord,
        settings: AccountSettings,
    ) -> Result<(), OpError> {
        let stays = stays(record, &settings);
        let mut secrets = credential::seed(&self.vault, stays, None, None)?.secrets;
        let tokens = settings.tokens.clone();
        plain(record, &settings)?;
        self.api_key(record, &mut secrets, settings.api_key)?;
        self.oauth(record, &mut secrets, settings.oauth)?;
        self.web(record, &mut secrets, settings.web)?;
        let proxy = settings.proxy;
        let mut proxy_url = secrets.reach.proxy.clone();
        if let Patch::Set(proxy) = &proxy {
            let checked = address::proxy(&proxy.0);
            checked.map_err(|why| OpError::invalid(format!("`proxy` {why}")))?;
        }
        self.named(record, SecretName::Proxy, &mut proxy_url, proxy)?;
        settings.ca_file.apply(&mut record.ca_file);
        secrets.reach = credential::reach(&record.name, proxy_url, record.ca_file.as_deref())
            .map_err(|error| OpError::invalid(error.message))?;
        if let Some(tokens) = &tokens {
            check_tokens(record, tokens)?;
            record.brought.insert(Auth::Oauth, self.print_of(tokens));
        }
        let refresh_token = self.refresh_token(record, tokens.as_ref()).await?;
        let asked_elsewhere = WebConsent {
            enabled: true,
            acknowledge_terms: true,
        };
        account_rules::check(record, &secrets, refresh_token.as_ref(), asked_elsewhere)
            .map_err(OpError::invalid)
    }

    /// # Errors
    /// `Terms`, where web sessions are not switched on or their terms not acknowledged.
    pub(in super::super) fn refuse_web(&self) -> Result<(), OpError> {
        if self.web_allowed() {
            return Ok(());
        }
        Err(OpError::new(
            ErrorCode::Terms,
            format!(
                "{WEB_TERMS}; to go on, set web_session.enabled and web_session.acknowledge_terms to true in the configuration"
            ),
        ))
    }

    /// A keyed hash of something secret, short: enough to see that it is another one.
    pub(in super::super) fn print(&self, parts: &[&str]) -> String {
        let mut text = zeroize::Zeroizing::new(Vec::new());
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash = self.hasher.hash(&text).0;
        let digits = hash.iter().take(8).map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// The print of tokens as they were brought.
    pub(in super::super) fn print_of(&self, tokens: &BroughtTokens) -> String {
        let text = |token: &Option<SecretText>| {
            let text = token.as_ref().map(SecretText::expose).unwrap_or_default();
            zeroize::Zeroizing::new(text.to_owned())
        };
        self.print(&[&text(&tokens.access_token), &text(&tokens.refresh_token)])
    }

    fn api_key(
        &self,
        record: &mut AccountRecord,
        secrets: &mut Secrets,
        change: Patch<SecretText>,
    ) -> Result<(), OpError> {
        match change {
            Patch::Keep => {}
            Patch::Remove => {
                record.sealed.clear();
                secrets.api_key = None;
            }
            Patch::Set(key) => {
                record.sealed = credential::seal(&self.vault, record.id, &key.0)?;
                secrets.api_key = Some(key.0);
            }
        }
        Ok(())
    }

    fn oauth(
        &self,
        record: &mut AccountRecord,
        secrets: &mut Secrets,
        change: Patch<OauthChange>,
    ) -> Result<(), OpError> {
        let secret = match change {
            Patch::Keep => return Ok(()),
            Patch::Remove => {
                record.oauth = None;
                Patch::Remove
            }
            Patch::Set(mut change) => {
                let secret = std::mem::take(&mut change.client_secret);
                record.oauth = Some(oauth::changed(record.oauth.take(), change)?);
                secret
            }
        };
        let stands = &mut secrets.client_secret;
        self.named(record, SecretName::ClientSecret, stands, secret)
    }

    fn web(
        &self,
        record: &mut AccountRecord,
        secrets: &mut Secrets,
        change: Patch<WebChange>,
    ) -> Result<(), OpError> {
        let cookie = match change {
            Patch::Keep => return Ok(()),
            Patch::Remove => {
                record.web = None;
                Patch::Remove
            }
            Patch::Set(change) => {
                let mut web = record.web.take().unwrap_or_else(|| WebSettings {
                    base_url: WEB.to_owned(),
                    organization: None,
                    preserve_chats: false,
                });
                let read = |text: String| {
                    let read = address::web_base_url(&text);
                    read.map_err(|why| OpError::invalid(format!("`web.base_url` {why}")))
                };
                let base_url = change.base_url.try_map(read)?;
                base_url.apply_or(&mut web.base_url, WEB.to_owned());
                change.organization.apply(&mut web.organization);
                change
                    .preserve_chats
                    .apply_or(&mut web.preserve_chats, false);
                record.web = Some(web);
                change.cookie
            }
        };
        let stands = &mut secrets.web_cookie;
        self.named(record, SecretName::WebCookie, stands, cookie)
    }

    /// Seals, or removes, a secret besides the API key.
    fn named(
        &self,
        record: &mut AccountRecord,
        name: SecretName,
        stands: &mut Option<SecretString>,
        change: Patch<SecretText>,
    ) -> Result<(), OpError> {
        match change {
            Patch::Keep => {}
            Patch::Remove => {
                record.secrets.remove(&name);
                *stands = None;
            }
            Patch::Set(secret) => {
                let sealed = credential::seal_named(&self.vault, record.id, name, &secret.0)?;
                record.secrets.insert(name, sealed);
                *stands = Some(secret.0);
            }
        }
        Ok(())
    }

    /// The refresh token that the account will have, for a grant that has one.
    async fn refresh_token(
        &self,
        record: &AccountRecord,
        brought: Option<&BroughtTokens>,
    ) -> Result<Option<SecretString>, OpError> {
        if let Some(brought) = brought {
            return Ok(brought.refresh_token.as_ref().map(|token| token.0.clone()));
        }
        let grant = record.oauth.as_ref().map(|oauth| oauth.grant);
        if grant != Some(Grant::RefreshToken) {
            return Ok(None);
        }
        match self.stores.accounts.token(record.id).await? {
            Some(row) => Ok(credential::open_tokens(&self.vault, &row)?.refresh_token),
            None => Ok(None),
        }
    }
}

/// The record without the boxes that `settings` replace: one that does not open any more must not stand in the way of
/// a new credential.
fn stays(record: &AccountRecord, settings: &AccountSettings) -> AccountRecord {
    let mut stays = AccountRecord {
        ca_file: None,
        ..record.clone()
    };
    if !settings.api_key.is_keep() {
        stays.sealed.clear();
    }
    let client_secret = match &settings.oauth {
        Patch::Keep => false,
        Patch::Remove => true,
        Patch::Set(oauth) => !oauth.client_secret.is_keep(),
    };
    let cookie = match &settings.web {
        Patch::Keep => false,
        Patch::Remove => true,
        Patch::Set(web) => !web.cookie.is_keep(),
    };
    for (name, goes) in [
        (SecretName::ClientSecret, client_secret),
        (SecretName::WebCookie, cookie),
        (SecretName::Proxy, !settings.proxy.is_keep()),
    ] {
        if goes {
            stays.secrets.remove(&name);
        }
    }
    stays
}

fn check_tokens(record: &AccountRecord, tokens: &BroughtTokens) -> Result<(), OpError> {
    let refuse = |why: &str| Err(OpError::invalid(format!("`tokens` {why}")));
    if record.oauth.is_none() {
        return refuse("need `oauth`, which says how they are renewed");
    }
    if tokens.access_token.is_none() && tokens.refresh_token.is_none() {
        return refuse("have an access_token, a refresh_token or both");
    }
    if tokens.expires_at_ms.is_some() && tokens.expires_in_s.is_some() {
        return refuse("have either expires_at_ms or expires_in_s");
    }
    let given = [&tokens.access_token, &tokens.refresh_token];
    for token in given.into_iter().flatten() {
        let checked = headers::credential(token.expose());
        checked.map_err(|why| OpError::invalid(format!("a token {why}")))?;
    }
    Ok(())
}
