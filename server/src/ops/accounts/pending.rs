//! Logins under way, between the page that is opened and the code that comes back.
//!
//! Invariant: at most [`MAX_PENDING`], each for ten minutes; their secrets are sealed under the master key while they
//! wait; a login is taken out before its code is exchanged, so that a code is never exchanged twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use troupe_storage::crypt::Vault;
use troupe_upstream::token::{Login, Pasted};
use zeroize::Zeroizing;

use super::super::{ErrorCode, OpError};

const MAX_PENDING: usize = 64;
const LIVES: Duration = Duration::from_secs(600);

/// The logins of one process.
#[derive(Debug, Default)]
pub struct Logins(Mutex<HashMap<String, Pending>>);

/// One login.
pub(super) struct Pending {
    /// The account's name: it may be declared anew meanwhile, its tokens follow the name.
    pub account: String,
    pub redirect_uri: String,
    /// The verifier and the state, sealed for the login's id.
    sealed: Vec<u8>,
    began: Instant,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Remembers `login` and gives the id by which it is completed.
    pub(super) fn begin(
        &self,
        vault: &Vault,
        login: &Login,
        account: String,
        redirect_uri: String,
    ) -> Result<String, OpError> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let (verifier, state) = (login.verifier(), login.state());
        let secrets = Zeroizing::new(format!(
            "{} {}",
            verifier.expose_secret(),
            state.expose_secret()
        ));
        let pending = Pending {
            account,
            redirect_uri,
            sealed: vault.seal(id.as_bytes(), secrets.as_bytes())?,
            began: Instant::now(),
        };
        let mut logins = self.living();
        if logins.len() >= MAX_PENDING {
            let message =
                format!("{MAX_PENDING} logins are under way; finish one, or wait ten minutes");
            return Err(OpError::new(ErrorCode::Conflict, message));
        }
        logins.insert(id.clone(), pending);
        Ok(id)
    }

    /// Takes the login out if `pasted` is of it; one that is of another leaves it where it is.
    pub(super) fn take(
        &self,
        vault: &Vault,
        id: &str,
        pasted: &Pasted,
    ) -> Result<(Pending, Login), OpError> {
        let mut logins = self.living();
        let pending = logins.get(id).ok_or_else(|| {
            let message =
                "there is no such login, or it is over; start again with `troupe account login`";
            OpError::new(ErrorCode::NotFound, message)
        })?;
        let login = pending.open(vault, id)?;
        if let Some(state) = &pasted.state
            && !login.has_state(state.expose_secret())
        {
            let message = "the code belongs to another login; paste the one of this login";
            return Err(OpError::invalid(message));
        }
        logins
            .remove(id)
            .map(|pending| (pending, login))
            .ok_or_else(|| OpError::new(ErrorCode::Internal, "the login is gone"))
    }

    fn living(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, pending| pending.began.elapsed() < LIVES);
        logins
    }
}

impl Pending {
    fn open(&self, vault: &Vault, id: &str) -> Result<Login, OpError> {
        let opened = vault.open(id.as_bytes(), &self.sealed)?;
        let text = std::str::from_utf8(&opened).unwrap_or_default();
        let (verifier, state) = text.split_once(' ').unwrap_or_default();
        let secret = |text: &str| SecretString::from(text);
        Ok(Login::resume(secret(verifier), secret(state)))
    }
}

#[cfg(test)]
mod tests {
    use troupe_storage::crypt::MasterKey;
    use troupe_upstream::token::parse_pasted;

    use super::*;

    #[test]
    fn a_login_is_for_its_state_once_and_not_for_ever() {
        let vault = Vault::new(&MasterKey::parse(&"7".repeat(64)).unwrap());
        let logins = Logins::default();
        let login = Login::start(&[7; 64]);
        let begin = || logins.begin(&vault, &login, "main".into(), "https://h/cb".into());
        let id = begin().unwrap();
        let state = login.state().expose_secret();
        let take = |id: &str, text: &str| {
            let pasted = parse_pasted(text).unwrap();
            logins.take(&vault, id, &pasted).map(|(_, login)| login)
        };
        assert!(
            take(&id, "code#other")
                .unwrap_err()
                .message
                .contains("another login")
        );
        assert!(take("nobody", "code").is_err());
        let taken = take(&id, &format!("code#{state}")).unwrap();
        assert_eq!(taken.challenge(), login.challenge());
        assert_eq!(
            take(&id, &format!("code#{state}")).unwrap_err().code,
            ErrorCode::NotFound
        );
        for _ in 0..MAX_PENDING {
            begin().unwrap();
        }
        assert_eq!(begin().unwrap_err().code, ErrorCode::Conflict);
        let shown = format!("{:?}", logins.living().values().next());
        assert!(!shown.contains(state), "{shown}");
        for pending in logins.0.lock().unwrap().values_mut() {
            pending.began = Instant::now().checked_sub(LIVES).unwrap();
        }
        begin().unwrap();
        assert_eq!(logins.living().len(), 1);
    }
}
