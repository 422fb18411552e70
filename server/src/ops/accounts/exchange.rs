//! Cookie → OAuth: an account's web session agrees to a grant for the account's own use.
//!
//! Invariant: under the same acknowledgement as web sessions themselves; a challenge is told, never answered.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use troupe_core::account::{AccountRecord, PreferredAuth};
use troupe_upstream::BaseUrl;
use troupe_upstream::token::{Login, Pasted};
use troupe_upstream::web::{AuthorizeRequest, WebAccount, authorize};

use super::super::{ErrorCode, OpError, Operation, Operations};
use super::login::{LoggedIn, login_settings, network};

/// Gets the account tokens by its session; from then on it prefers them, unless it prefers something else already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExchangeAccount {
    pub name: String,
}

impl Operation for ExchangeAccount {
    type Outcome = LoggedIn;
    const NAME: &'static str = "account.exchange";

    async fn run(self, ops: &Operations) -> Result<LoggedIn, OpError> {
        ops.refuse_web()?;
        let (record, declared) = ops.any_account(&self.name).await?;
        let settings = login_settings(&record)?;
        let needs = |field: &str| {
            OpError::invalid(format!("the exchange needs {field}; set it and try again"))
        };
        let plan = ops.plan();
        let template = plan.web.as_ref().and_then(|web| web.authorize_url.clone());
        let template =
            template.ok_or_else(|| needs("`web_session.authorize_url` in the configuration"))?;
        let client_id = settings
            .client_id
            .clone()
            .ok_or_else(|| needs("`oauth.client_id`"))?;
        let redirect_uri = settings.redirect_uri.clone();
        let redirect_uri = redirect_uri.ok_or_else(|| needs("`oauth.redirect_uri`"))?;
        let secrets = ops.opened(&record)?;
        let network = network(&secrets)?;
        let http = network.control_client();
        let http = http.map_err(|message| OpError::new(ErrorCode::Internal, message))?;
        let account = web_account(&record, secrets.web_cookie)?;
        let login = Login::new().map_err(|error| OpError::invalid(error.to_string()))?;
        let request = AuthorizeRequest {
            authorize_url: template,
            client_id,
            redirect_uri: redirect_uri.clone(),
            scope: settings.scopes.join(" "),
            state: login.state().expose_secret().to_owned(),
            code_challenge: login.challenge(),
        };
        let authorized = authorize(&http, &account, &request).await;
        let authorized = authorized.map_err(|fault| {
            OpError::new(
                ErrorCode::Upstream,
                format!("the session gave no grant: {fault}"),
            )
        })?;
        let pasted = Pasted {
            code: authorized.code,
            state: Some(authorized.state.into()),
        };
        let grant = login.grant(&pasted, &redirect_uri);
        let grant = grant.map_err(|error| OpError::invalid(error.to_string()))?;
        let generation = ops.exchange_for(&record, grant).await?;
        let record = ops.prefer_oauth(record, declared).await?;
        Ok(LoggedIn {
            account: ops.info_of(&record, declared).await?,
            generation,
        })
    }
}

impl Operations {
    async fn prefer_oauth(
        &self,
        record: AccountRecord,
        declared: bool,
    ) -> Result<AccountRecord, OpError> {
        if declared || record.preferred_auth != PreferredAuth::Auto {
            return Ok(record);
        }
        let _changing = self.change().await;
        let prefer = |record: &mut AccountRecord| {
            if record.preferred_auth == PreferredAuth::Auto {
                record.preferred_auth = PreferredAuth::Oauth;
            }
        };
        let stored = self.change_account(&record.name, prefer).await?;
        self.settle_on(&stored, None).await;
        Ok(stored)
    }
}

fn web_account(
    record: &AccountRecord,
    cookie: Option<secrecy::SecretString>,
) -> Result<WebAccount, OpError> {
    let (Some(web), Some(cookie)) = (&record.web, cookie) else {
        return Err(OpError::invalid(format!(
            "account {} has no web session to exchange",
            record.name
        )));
    };
    let base = BaseUrl::parse(&web.base_url);
    Ok(WebAccount {
        base: base.map_err(|error| OpError::invalid(format!("`web.base_url` {error}")))?,
        cookie,
        organization: None,
        wanted: web.organization.clone(),
        headers: record.headers.clone(),
    })
}
