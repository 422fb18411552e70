//! From an account's settings to what is presented at its token endpoint.

use std::path::Path;

use secrecy::SecretString;
use troupe_core::account::{Grant, OauthSettings, Renewed, TokenFormat};
use troupe_upstream::token::{
    self, BodyFormat, ClientAuth, EndpointUrl, EndpointUrlError, TokenEndpoint,
};

use super::postponed;
use crate::ops::credential::SealedTokens;

/// # Errors
/// The URL is none.
pub(crate) fn endpoint(
    settings: &OauthSettings,
    client_secret: Option<SecretString>,
) -> Result<TokenEndpoint, EndpointUrlError> {
    Ok(TokenEndpoint {
        url: EndpointUrl::parse(&settings.token_url)?,
        client_id: settings.client_id.clone(),
        client_secret,
        client_auth: ClientAuth::Body,
        format: match settings.format {
            TokenFormat::Json => BodyFormat::Json,
            TokenFormat::Form => BodyFormat::Form,
        },
        scope: settings.scopes.clone(),
        extra: settings.extra.clone(),
    })
}

/// # Errors
/// There is nothing to present.
pub(super) async fn read(
    settings: &OauthSettings,
    tokens: Option<&SealedTokens>,
) -> Result<token::Grant, Renewed> {
    match settings.grant {
        Grant::ClientCredentials => Ok(token::Grant::ClientCredentials),
        Grant::RefreshToken => match tokens.and_then(|tokens| tokens.refresh_token.clone()) {
            Some(refresh_token) => Ok(token::Grant::RefreshToken { refresh_token }),
            None => Err(Renewed::Refused {
                reason: "nobody has logged in yet".into(),
            }),
        },
        Grant::JwtBearer => {
            let Some(file) = &settings.assertion_file else {
                return Err(postponed("assertion_file is not set"));
            };
            let assertion = token::read_assertion(Path::new(file)).await;
            let assertion = assertion.map_err(postponed)?;
            Ok(token::Grant::JwtBearer { assertion })
        }
    }
}
