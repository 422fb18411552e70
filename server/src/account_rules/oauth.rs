//! OAuth settings: from what is written, over a preset, to what is complete.

use std::collections::BTreeMap;

use troupe_core::account::{Grant, OauthSettings, TokenFormat};
use troupe_upstream::token::BodyFormat;
use troupe_upstream::token::presets::{self, PRESETS, Preset};

use super::{Fault, address};

/// More is a mistake.
const ENTRIES_MAX: usize = 64;
const TEXT_MAX_BYTES: usize = 4096;

/// What only the protocol sets in a token request.
const RESERVED: [&str; 13] = [
    "grant_type",
    "assertion",
    "refresh_token",
    "access_token",
    "code",
    "code_verifier",
    "redirect_uri",
    "state",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// OAuth settings as they are written: every field over those of the preset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OauthFields {
    pub preset: Option<String>,
    pub grant: Option<Grant>,
    pub token_url: Option<String>,
    pub authorize_url: Option<String>,
    pub redirect_uri: Option<String>,
    pub client_id: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub extra: BTreeMap<String, String>,
    pub format: Option<TokenFormat>,
    pub assertion_file: Option<String>,
}

impl OauthFields {
    /// The preset's fields under one's own.
    ///
    /// # Errors
    /// An unknown preset, a field of its that is missing, no grant, no token endpoint.
    pub fn resolve(self) -> Result<OauthSettings, Fault> {
        let preset = self.preset.as_deref().map(find).transpose()?;
        if let Some(preset) = preset {
            self.has_what_is_needed(preset)?;
        }
        let own = |text: Option<&str>| text.map(str::to_owned);
        let grant = self.grant.ok_or_else(|| {
            let why = "needs `grant`: jwt_bearer, refresh_token or client_credentials";
            Fault::new("oauth", why)
        })?;
        let token_url = self.token_url.or_else(|| own(preset.map(|p| p.token_url)));
        let scopes = preset.map(|p| p.scope.iter().map(|&scope| scope.to_owned()).collect());
        Ok(OauthSettings {
            grant,
            token_url: token_url.ok_or_else(|| {
                let why = format!("needs `token_url`, or a `preset`: {}", preset_names());
                Fault::new("oauth", why)
            })?,
            authorize_url: self
                .authorize_url
                .or_else(|| own(preset.and_then(|p| p.authorize_url))),
            redirect_uri: self
                .redirect_uri
                .or_else(|| own(preset.and_then(|p| p.redirect_uri))),
            client_id: self
                .client_id
                .or_else(|| own(preset.and_then(|p| p.client_id))),
            scopes: self.scopes.or(scopes).unwrap_or_default(),
            extra: self.extra,
            format: self
                .format
                .or(preset.map(|p| format(p.format)))
                .unwrap_or_default(),
            assertion_file: self.assertion_file,
        })
    }

    fn has_what_is_needed(&self, preset: &Preset) -> Result<(), Fault> {
        let missing = |field: &&&str| !self.extra.contains_key(**field);
        match preset.needs.iter().find(missing) {
            Some(field) => Err(Fault::new(
                "oauth",
                format!("needs `extra.{field}` for the preset {}", preset.name),
            )),
            None => Ok(()),
        }
    }
}

fn find(name: &str) -> Result<&'static Preset, Fault> {
    presets::preset(name).ok_or_else(|| {
        let why = format!("is none that is known; expected {}", preset_names());
        Fault::new("oauth.preset", why)
    })
}

fn preset_names() -> String {
    let names: Vec<_> = PRESETS
        .iter()
        .map(|preset| format!("`{}`", preset.name))
        .collect();
    names.join(" or ")
}

fn format(format: BodyFormat) -> TokenFormat {
    match format {
        BodyFormat::Json => TokenFormat::Json,
        BodyFormat::Form => TokenFormat::Form,
    }
}

/// Secrets that stand beside the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OauthHolds {
    pub client_secret: bool,
    pub refresh_token: bool,
}

/// Everything that is wrong with settings.
#[must_use]
pub fn settings(oauth: &OauthSettings, holds: OauthHolds) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut told = |field: &'static str, checked: Result<(), String>| {
        faults.extend(checked.err().map(|why| Fault::new(field, why)));
    };
    told("oauth.token_url", address::endpoint_url(&oauth.token_url));
    if let Some(url) = &oauth.authorize_url {
        told("oauth.authorize_url", address::endpoint_url(url));
    }
    if let Some(uri) = &oauth.redirect_uri {
        told("oauth.redirect_uri", address::redirect_uri(uri));
    }
    if let Some(id) = &oauth.client_id {
        told("oauth.client_id", word(id));
    }
    told("oauth.scopes", scopes(&oauth.scopes));
    told("oauth.extra", extra(&oauth.extra));
    match &oauth.assertion_file {
        Some(_) if oauth.grant != Grant::JwtBearer => told(
            "oauth.assertion_file",
            Err("is read for the grant jwt_bearer only; remove it, or change `grant`".to_owned()),
        ),
        Some(file) => told("oauth.assertion_file", text(file)),
        None => {}
    }
    told("oauth", is_complete(oauth, holds));
    faults
}

fn is_complete(oauth: &OauthSettings, holds: OauthHolds) -> Result<(), String> {
    let has_client = oauth.client_id.is_some();
    let needs = |what: &str| Err(format!("needs {what}"));
    match oauth.grant {
        Grant::JwtBearer if oauth.assertion_file.is_none() => {
            needs("`assertion_file` for the grant jwt_bearer")
        }
        Grant::ClientCredentials if !has_client || !holds.client_secret => needs(
            "`client_id` and `client_secret` (or `client_secret_file`) for the grant client_credentials",
        ),
        Grant::RefreshToken if oauth.authorize_url.is_none() && !holds.refresh_token => needs(
            "`refresh_token` (or `refresh_token_file`), or `authorize_url` to log in, for the grant refresh_token",
        ),
        Grant::RefreshToken if oauth.authorize_url.is_some() && !holds.refresh_token && !has_client => needs(
            "`client_id` to log in: register a client with the provider",
        ),
        Grant::RefreshToken
            if oauth.authorize_url.is_some()
                && !holds.refresh_token
                && oauth.redirect_uri.is_none() =>
        {
            needs("`redirect_uri` to log in, as it is registered for the client")
        }
        _ if holds.refresh_token && oauth.grant != Grant::RefreshToken => {
            Err("has a `refresh_token`, which the grant refresh_token alone uses; remove it, or change `grant`".to_owned())
        }
        _ => Ok(()),
    }
}

fn scopes(scopes: &[String]) -> Result<(), String> {
    let is_scope =
        |s: &String| (1..=256).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic());
    if scopes.len() > ENTRIES_MAX || !scopes.iter().all(is_scope) {
        return Err(format!(
            "must be at most {ENTRIES_MAX} words of visible ASCII, one scope each"
        ));
    }
    Ok(())
}

fn extra(extra: &BTreeMap<String, String>) -> Result<(), String> {
    if extra.len() > ENTRIES_MAX {
        return Err(format!("at most {ENTRIES_MAX} fields can be given"));
    }
    for (name, value) in extra {
        word(name).map_err(|_| "a field's name must be one word of visible ASCII".to_owned())?;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "`{name}` is set by the protocol itself; remove it, or use the setting of its own"
            ));
        }
        text(value).map_err(|why| format!("`{name}` {why}"))?;
    }
    Ok(())
}

fn word(word: &str) -> Result<(), String> {
    text(word)?;
    if !word.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be one word of visible ASCII".to_owned());
    }
    Ok(())
}

fn text(text: &str) -> Result<(), String> {
    if !(1..=TEXT_MAX_BYTES).contains(&text.len()) || text.contains(char::is_control) {
        return Err(format!(
            "must be 1 to {TEXT_MAX_BYTES} bytes without control characters"
        ));
    }
    Ok(())
}
