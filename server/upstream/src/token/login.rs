//! A login: what must be remembered between the page that is opened and the code that comes back (RFC 7636).
//!
//! Invariant: only the challenge leaves before the exchange; a code that comes with another login's `state` is never
//! exchanged.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{EndpointUrl, Grant, Pasted};

/// Why a login cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("the system gives no random bytes")]
    NoRandom,
    #[error("the code belongs to another login; start again")]
    OtherLogin,
    #[error("a login needs client_id; register a client with the provider and configure it")]
    NoClient,
    #[error("extra parameter {0:?} is set by the protocol itself; remove it")]
    ReservedExtra(String),
}

/// A login under way. Its two secrets may be stored (sealed) between start and completion, see [`Login::resume`].
#[derive(Clone)]
pub struct Login {
    verifier: SecretString,
    state: SecretString,
}

/// What the authorize page is asked (RFC 6749 §4.1.1).
#[derive(Clone, Debug)]
pub struct AuthorizeParams {
    pub authorize_url: EndpointUrl,
    pub client_id: String,
    pub redirect_uri: String,
    pub scope: Vec<String>,
    pub extra: BTreeMap<String, String>,
}

// === impl Login ===

impl Login {
    /// From the system's random bytes.
    pub fn new() -> Result<Self, LoginError> {
        let mut random = [0; 64];
        getrandom::fill(&mut random).map_err(|_| LoginError::NoRandom)?;
        Ok(Self::start(&random))
    }

    /// From random bytes that are used for nothing else; half of them for each secret.
    #[must_use]
    pub fn start(random: &[u8; 64]) -> Self {
        let (verifier, state) = random.split_at(32);
        Self::resume(
            URL_SAFE_NO_PAD.encode(verifier).into(),
            URL_SAFE_NO_PAD.encode(state).into(),
        )
    }

    /// A login that was started earlier.
    #[must_use]
    pub fn resume(verifier: SecretString, state: SecretString) -> Self {
        Self { verifier, state }
    }

    #[must_use]
    pub fn verifier(&self) -> &SecretString {
        &self.verifier
    }

    #[must_use]
    pub fn state(&self) -> &SecretString {
        &self.state
    }

    /// `code_challenge` by method S256 (RFC 7636 §4.2).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret()))
    }

    /// Is this the login that the code was given out for? Compared in constant time.
    #[must_use]
    pub fn has_state(&self, given: &str) -> bool {
        let own = self.state.expose_secret().as_bytes();
        own.ct_eq(given.as_bytes()).into()
    }

    /// The grant for the exchange. A code that came without a state is taken; the challenge still binds it to this login.
    /// `redirect_uri` is the one that was sent to the authorize page.
    pub fn grant(&self, pasted: &Pasted, redirect_uri: &str) -> Result<Grant, LoginError> {
        if let Some(given) = &pasted.state
            && !self.has_state(given.expose_secret())
        {
            return Err(LoginError::OtherLogin);
        }
        Ok(Grant::AuthorizationCode {
            code: pasted.code.clone(),
            verifier: self.verifier.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: pasted.state.clone(),
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// The address that the person opens. It holds the login's state, so it is shown to that person only.
pub fn authorize_url(params: &AuthorizeParams, login: &Login) -> Result<String, LoginError> {
    if params.client_id.is_empty() {
        return Err(LoginError::NoClient);
    }
    let (scope, challenge) = (params.scope.join(" "), login.challenge());
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", &params.client_id),
        ("redirect_uri", &params.redirect_uri),
        ("state", login.state.expose_secret()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if !scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    let mut url = params.authorize_url.url().clone();
    let in_url: Vec<String> = url
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let others = params.extra.keys().chain(&in_url);
    for name in others {
        if pairs.iter().any(|(known, _)| known == name) {
            return Err(LoginError::ReservedExtra(name.clone()));
        }
    }
    url.query_pairs_mut()
        .extend_pairs(pairs)
        .extend_pairs(&params.extra);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::parse_pasted;

    fn params() -> AuthorizeParams {
        AuthorizeParams {
            authorize_url: EndpointUrl::parse("https://a.example/authorize?tenant=1").unwrap(),
            client_id: "app".into(),
            redirect_uri: "https://b.example/cb".into(),
            scope: vec!["one".into(), "two".into()],
            extra: [("code".to_owned(), "true".to_owned())].into(),
        }
    }

    #[test]
    fn the_challenge_of_the_standard() {
        // RFC 7636, appendix B.
        let login = Login::resume(
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
            "s".into(),
        );
        assert_eq!(
            login.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let login = Login::new().unwrap();
        let (verifier, state) = (
            login.verifier().expose_secret(),
            login.state().expose_secret(),
        );
        assert_eq!((verifier.len(), state.len()), (43, 43));
        assert_ne!(verifier, state);
        assert_ne!(verifier, Login::new().unwrap().verifier().expose_secret());
        assert!(!format!("{login:?}").contains(state));
    }

    #[test]
    fn the_address() {
        let login = Login::resume("v".into(), "s&s".into());
        let url = authorize_url(&params(), &login).unwrap();
        assert_eq!(
            url,
            format!(
                "https://a.example/authorize?tenant=1&response_type=code&client_id=app&redirect_uri=https%3A%2F%2Fb.example%2Fcb\
                 &state=s%26s&code_challenge={}&code_challenge_method=S256&scope=one+two&code=true",
                login.challenge()
            )
        );
        let mut wrong = params();
        wrong.extra.insert("state".into(), "x".into());
        assert_eq!(
            authorize_url(&wrong, &login),
            Err(LoginError::ReservedExtra("state".into()))
        );
        let mut wrong = params();
        wrong.authorize_url = EndpointUrl::parse("https://a.example/?scope=x").unwrap();
        assert_eq!(
            authorize_url(&wrong, &login),
            Err(LoginError::ReservedExtra("scope".into()))
        );
        let mut wrong = params();
        wrong.client_id.clear();
        assert_eq!(authorize_url(&wrong, &login), Err(LoginError::NoClient));
    }

    #[test]
    fn a_code_of_another_login_is_refused() {
        let login = Login::resume("v".into(), "state".into());
        for (text, taken) in [
            ("c#state", true),
            ("c", true),
            ("https://b.example/cb?code=c&state=state", true),
            ("c#State", false),
            ("c#stat", false),
            ("c#state2", false),
        ] {
            let grant = login.grant(&parse_pasted(text).unwrap(), "https://b.example/cb");
            assert_eq!(grant.is_ok(), taken, "{text}");
            assert!(taken || matches!(grant, Err(LoginError::OtherLogin)));
        }
    }
}
