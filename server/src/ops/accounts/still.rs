//! An account that does not run, seen as if it did.

use std::sync::Arc;

use secrecy::SecretString;
use troupe_core::account::{
    Account, AccountRecord, AccountState, AccountView, Credential, Grant, Scheme, SecretName,
    Secrets, Token, TokenRow, TokenSeed,
};
use troupe_core::gate::Slots;
use troupe_core::{Machine, Now};

use super::super::now_ms;

/// Which secrets a stored account has, without opening them.
pub(super) fn shape(record: &AccountRecord) -> Secrets {
    let has = |there: bool| there.then(SecretString::default);
    Secrets {
        api_key: has(!record.sealed.is_empty()),
        web_cookie: has(record.secrets.contains_key(&SecretName::WebCookie)),
        client_secret: has(record.secrets.contains_key(&SecretName::ClientSecret)),
        reach: Arc::default(),
    }
}

/// The view that its actor would publish first. The token's own secret is not in it.
pub(super) fn view(
    record: &AccountRecord,
    secrets: Secrets,
    row: Option<&TokenRow>,
    state: Option<AccountState>,
) -> AccountView {
    view_with(record, secrets, seed(record, row), state)
}

pub(super) fn view_with(
    record: &AccountRecord,
    secrets: Secrets,
    tokens: TokenSeed,
    state: Option<AccountState>,
) -> AccountView {
    let now = Now {
        unix_ms: now_ms(),
        mono_ms: 0,
    };
    let slots = Slots::new(record.concurrent);
    Account::new(record.clone(), secrets, tokens, state, slots, now).view()
}

/// What is known of its tokens without opening them.
pub(super) fn seed(record: &AccountRecord, row: Option<&TokenRow>) -> TokenSeed {
    let Some(row) = row else {
        let by_login = record
            .oauth
            .as_ref()
            .is_some_and(|oauth| oauth.grant == Grant::RefreshToken);
        return TokenSeed {
            needs_login: by_login.then(|| "nobody has logged in yet".to_owned()),
            ..TokenSeed::default()
        };
    };
    TokenSeed {
        token: (row.expires_ms > 0).then(|| Token {
            generation: row.generation,
            obtained_ms: row.obtained_ms,
            expires_ms: row.expires_ms,
            credential: Arc::new(Credential {
                scheme: Scheme::Bearer,
                secret: SecretString::default(),
            }),
        }),
        unconcluded: row.intent.as_ref().map(|intent| intent.last),
        needs_login: row.needs_login.clone(),
    }
}
