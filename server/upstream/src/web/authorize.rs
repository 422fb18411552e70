//! Cookie → OAuth: the account's session agrees, in the operator's name, to a grant for the account's own use.
//!
//! Invariant: the cookie goes to the account's base URL only; the state that comes back is the one that was sent, and the
//! redirect is read, never followed.

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use troupe_core::account::Verdict;
use url::Url;

use super::{
    Organization, WebAccount, WebLimits, fault::WebFault, organization, signal::Call,
    surface::Surface,
};

/// The pieces of an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3).
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// With `{base}` for the account's base URL and `{organization_uuid}`.
    pub authorize_url: String,
    pub client_id: String,
    pub redirect_uri: String,
    pub scope: String,
    pub state: String,
    /// Of the method S256.
    pub code_challenge: String,
}

/// What the token endpoint is asked with.
#[derive(Debug)]
pub struct Authorized {
    pub code: SecretString,
    pub state: String,
    /// The organisation that the grant is for.
    pub organization: Organization,
}

#[derive(Debug, Deserialize)]
struct Redirect {
    redirect_uri: String,
}

/// Asks for an authorization code with the account's cookie. `http` as for [`open`](super::open).
///
/// # Errors
/// By the signals of every call; a URL elsewhere than on the account's base URL is refused before any.
pub async fn authorize(
    http: &reqwest::Client,
    account: &WebAccount,
    request: &AuthorizeRequest,
) -> Result<Authorized, WebFault> {
    let limits = WebLimits::default();
    let surface = Surface::new(http, account)?;
    // Before any call: only the organisation is still unknown.
    path(account, request, "0")?;
    let organization = match account.organization.clone() {
        Some(known) => known,
        None => organization::find(&surface, account.wanted.as_deref(), &limits).await?,
    };
    let body = json!({
        "response_type": "code",
        "client_id": request.client_id,
        "organization_uuid": organization.id,
        "redirect_uri": request.redirect_uri,
        "scope": request.scope,
        "state": request.state,
        "code_challenge": request.code_challenge,
        "code_challenge_method": "S256",
    });
    let path = path(account, request, &organization.id)?;
    let call = surface.request(Method::POST, &path).json(&body);
    let told: Redirect = surface
        .json(Call::Authorization, call, limits.call())
        .await?;
    let code = code(&told.redirect_uri, request)?;
    Ok(Authorized {
        code,
        state: request.state.clone(),
        organization,
    })
}

/// The part of the authorize URL below the account's base URL.
fn path(
    account: &WebAccount,
    request: &AuthorizeRequest,
    organization: &str,
) -> Result<String, WebFault> {
    let base = account.base.as_str();
    let filled = request.authorize_url.replace("{base}", base);
    let path = filled
        .strip_prefix(base)
        .filter(|path| path.starts_with('/'));
    match path {
        Some(path) => Ok(path.replace("{organization_uuid}", organization)),
        None => {
            let reason =
                "the authorize url is not below the account's base url; correct it".to_owned();
            Err(WebFault::new(
                Verdict::OutOfService {
                    reason: reason.clone(),
                },
                reason,
            ))
        }
    }
}

/// The code in a redirect to where it was asked for.
fn code(redirect: &str, request: &AuthorizeRequest) -> Result<SecretString, WebFault> {
    let wrong = || {
        WebFault::platform("the web surface sent an authorization that is not the one asked for")
    };
    let (told, asked) = (Url::parse(redirect), Url::parse(&request.redirect_uri));
    let (Ok(told), Ok(asked)) = (told, asked) else {
        return Err(wrong());
    };
    let place = |url: &Url| (url.origin(), url.path().to_owned());
    if place(&told) != place(&asked) {
        return Err(wrong());
    }
    let value = |name: &str| {
        let mut found = told.query_pairs().filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.into_owned());
        // Two of a name could mean either.
        value.filter(|value| !value.is_empty() && found.next().is_none())
    };
    if value("state").as_deref() != Some(request.state.as_str()) {
        return Err(wrong());
    }
    value("code").map(SecretString::from).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::base_url::BaseUrl;

    fn request(authorize_url: &str) -> AuthorizeRequest {
        AuthorizeRequest {
            authorize_url: authorize_url.to_owned(),
            client_id: "client".to_owned(),
            redirect_uri: "https://r.example/cb?keep=1".to_owned(),
            scope: "a b".to_owned(),
            state: "s1".to_owned(),
            code_challenge: "c".to_owned(),
        }
    }

    #[test]
    fn the_cookie_stays_on_the_base_url() {
        let account = WebAccount {
            base: BaseUrl::parse("https://h.example").unwrap(),
            cookie: SecretString::from("k"),
            organization: None,
            wanted: None,
            headers: BTreeMap::new(),
        };
        for (url, below) in [
            (
                "{base}/v1/oauth/{organization_uuid}/authorize",
                Some("/v1/oauth/o-1/authorize"),
            ),
            ("https://h.example/x", Some("/x")),
            ("https://h.example.evil/x", None),
            ("https://h.example@evil/x", None),
            ("https://other.example/x", None),
            ("http://h.example/x", None),
        ] {
            assert_eq!(
                path(&account, &request(url), "o-1").ok().as_deref(),
                below,
                "{url}"
            );
        }
    }

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        for (redirect, expected) in [
            ("https://r.example/cb?code=abc&state=s1", Some("abc")),
            ("https://r.example/cb?state=s1&code=a%2Bb", Some("a+b")),
            ("https://r.example/cb?code=abc&state=s2", None),
            ("https://r.example/cb?code=abc", None),
            ("https://r.example/cb?code=&state=s1", None),
            ("https://r.example/cb?code=a&code=b&state=s1", None),
            ("https://r.example/other?code=abc&state=s1", None),
            ("https://evil.example/cb?code=abc&state=s1", None),
            ("no url", None),
        ] {
            let found = code(redirect, &request("")).ok();
            let found = found.as_ref().map(|code| code.expose_secret());
            assert_eq!(found, expected, "{redirect}");
        }
    }
}
