//! A login by a person: a page to open, and a code that comes back (RFC 6749 §4.1, RFC 7636).
//!
//! Invariant: a code is exchanged once; tokens are stored before anybody is told of them.

use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountRecord, Auth, Grant, OauthSettings, Secrets};
use troupe_upstream::Network;
use troupe_upstream::token::{
    self, AuthorizeParams, EndpointUrl, Login, TokenFault, Tokens, authorize_url, parse_pasted,
};

use super::super::secret_json::SecretText;
use super::super::{ErrorCode, OpError, Operation, Operations, credential};
use super::AccountInfo;
use super::tokens::NewTokens;
use crate::keeper::grant;

/// Begins a login; [`CompleteLogin`] ends it within ten minutes, in the same process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartLogin {
    pub name: String,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedLogin {
    pub login_id: String,
    /// To be opened in a browser, by the person that logs in.
    pub url: String,
    /// Comes back with the code.
    pub state: String,
    pub redirect_uri: String,
    pub how: LoginHow,
}

/// How the code comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginHow {
    /// The browser is sent to this machine, where whoever listens at the `redirect_uri` gets it.
    Redirect,
    /// The page shows it, or the address of the page that the browser is sent to has it: it is pasted.
    Paste,
}

/// Ends a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompleteLogin {
    pub login_id: String,
    /// `code#state`, a code, or the whole address that the browser was sent to.
    pub pasted: SecretText,
}

/// The account with its new tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedIn {
    pub account: AccountInfo,
    pub generation: u64,
}

impl Operation for StartLogin {
    type Outcome = StartedLogin;
    const NAME: &'static str = "account.login_start";

    async fn run(self, ops: &Operations) -> Result<StartedLogin, OpError> {
        let (record, _) = ops.any_account(&self.name).await?;
        let settings = login_settings(&record)?;
        let page = settings
            .authorize_url
            .as_deref()
            .ok_or_else(|| missing("authorize_url"))?;
        let page = EndpointUrl::parse(page)
            .map_err(|error| OpError::invalid(format!("`oauth.authorize_url` {error}")))?;
        let redirect_uri = settings.redirect_uri.clone();
        let redirect_uri = redirect_uri.ok_or_else(|| missing("redirect_uri"))?;
        let params = AuthorizeParams {
            authorize_url: page,
            client_id: settings.client_id.clone().unwrap_or_default(),
            redirect_uri: redirect_uri.clone(),
            scope: settings.scopes.clone(),
            extra: Default::default(),
        };
        let wrong = |error: token::LoginError| OpError::invalid(error.to_string());
        let login = Login::new().map_err(wrong)?;
        let url = authorize_url(&params, &login).map_err(wrong)?;
        let name = self.name;
        let login_id = ops
            .logins
            .begin(&ops.vault, &login, name, redirect_uri.clone())?;
        Ok(StartedLogin {
            login_id,
            url,
            state: secrecy::ExposeSecret::expose_secret(login.state()).to_owned(),
            how: how(&redirect_uri),
            redirect_uri,
        })
    }
}

impl Operation for CompleteLogin {
    type Outcome = LoggedIn;
    const NAME: &'static str = "account.login_complete";

    async fn run(self, ops: &Operations) -> Result<LoggedIn, OpError> {
        let pasted = parse_pasted(self.pasted.expose());
        let pasted = pasted.map_err(|error| OpError::invalid(error.to_string()))?;
        let (pending, login) = ops.logins.take(&ops.vault, &self.login_id, &pasted)?;
        let (record, declared) = ops.any_account(&pending.account).await?;
        let grant = login.grant(&pasted, &pending.redirect_uri);
        let grant = grant.map_err(|error| OpError::invalid(error.to_string()))?;
        let generation = ops.exchange_for(&record, grant).await?;
        Ok(LoggedIn {
            account: ops.info_of(&record, declared).await?,
            generation,
        })
    }
}

impl Operations {
    /// Presents `grant` at the account's token endpoint, by its own way, and stores and publishes what comes back; gives
    /// the new generation.
    pub(super) async fn exchange_for(
        &self,
        record: &AccountRecord,
        grant: token::Grant,
    ) -> Result<u64, OpError> {
        let settings = login_settings(record)?;
        let secrets = self.opened(record)?;
        let network = network(&secrets)?;
        let internal = |message: String| OpError::new(ErrorCode::Internal, message);
        let http = network.control_client().map_err(internal)?;
        let endpoint = grant::endpoint(settings, secrets.client_secret)
            .map_err(|error| OpError::invalid(format!("`oauth.token_url` {error}")))?;
        let exchanged = token::exchange(&http, &endpoint, grant).await;
        let tokens = exchanged.map_err(|fault| failed(&fault))?;
        self.take_tokens(record, tokens).await
    }

    async fn take_tokens(&self, record: &AccountRecord, tokens: Tokens) -> Result<u64, OpError> {
        let new = NewTokens::exchanged(
            tokens.access_token,
            tokens.refresh_token,
            tokens.expires_in_s,
        );
        // The account may have gone while somebody typed; its tokens would have no owner.
        let _changing = self.change().await;
        let (record, _) = self.any_account(&record.name).await?;
        let row = self.put_tokens(record.id, &record.name, &new).await?;
        self.publish_tokens(&record, &row)?;
        self.settle_on(&record, Some(row.generation)).await;
        Ok(row.generation)
    }

    /// The account's secrets, be it stored or declared.
    pub(super) fn opened(&self, record: &AccountRecord) -> Result<Secrets, OpError> {
        if let Some(declared) = self.declared.load().account(&record.name) {
            return Ok(declared.secrets.clone());
        }
        Ok(credential::seed(&self.vault, record.clone(), None, None)?.secrets)
    }
}

/// The account's own way out.
pub(super) fn network(secrets: &Secrets) -> Result<Network, OpError> {
    let reach = &secrets.reach;
    Network::new(reach.proxy.as_ref(), reach.ca_pem.as_deref())
        .map_err(|error| OpError::invalid(error.to_string()))
}

pub(super) fn login_settings(record: &AccountRecord) -> Result<&OauthSettings, OpError> {
    let name = &record.name;
    match &record.oauth {
        Some(settings) if settings.grant == Grant::RefreshToken => Ok(settings),
        Some(_) => Err(OpError::invalid(format!(
            "account {name} gets its tokens by itself; nobody has to log in"
        ))),
        None => Err(OpError::invalid(format!(
            "account {name} has no {}; give it with `troupe account update {name}` and the oauth settings",
            Auth::Oauth.as_str()
        ))),
    }
}

fn missing(field: &str) -> OpError {
    OpError::invalid(format!(
        "a login needs `oauth.{field}`; set it with `troupe account update`"
    ))
}

fn failed(fault: &TokenFault) -> OpError {
    let (code, what_to_do) = match fault {
        TokenFault::Misconfigured(_) => (ErrorCode::Invalid, "correct the oauth settings"),
        TokenFault::NotSent(_) | TokenFault::Busy { .. } => {
            (ErrorCode::Upstream, "start again when it answers")
        }
        TokenFault::Refused { .. } => (ErrorCode::Upstream, "start again with a new code"),
        TokenFault::Unknown(_) => (ErrorCode::Upstream, "start again: the code may be spent"),
    };
    OpError::new(code, format!("no tokens: {fault}; {what_to_do}"))
}

/// A redirect to this machine in plain http can be listened for.
fn how(redirect_uri: &str) -> LoginHow {
    let url = url::Url::parse(redirect_uri).ok();
    let is_here = url.is_some_and(|url| {
        let here = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        here && url.scheme() == "http"
    });
    if is_here {
        LoginHow::Redirect
    } else {
        LoginHow::Paste
    }
}
