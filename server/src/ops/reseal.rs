//! After a change of the master key: everything that the old one sealed is sealed anew, while the gateway runs.
//!
//! ```text
//! look at every box ─▶ seal anew what is old ─▶ look again ─▶ nothing old? ─▶ bind the store to the new key
//!        ▲                (compare and set)          │ something was
//!        └───────────────────────────────────────────┘
//! ```
//! Invariant: a row is only replaced as it was read, so a renewal at the same time wins and its tokens are sealed anew
//! afterwards; the store is bound to the new key only when a look found nothing of an old one. Stopped anywhere, it
//! begins again at the next start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use troupe_core::AccountId;
use troupe_core::account::{AccountRecord, TokenRow};
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::port::{Expect, StoreError, Stores};
use troupe_storage::crypt::{CryptError, KeyHasher, Vault, aad, bound_to, hand_over};

use super::{ErrorCode, OpError, Operations, now_ms};

/// A row that others write meanwhile is tried so often before the next round.
const TRIES: usize = 16;
/// Rounds until something must be wrong: a round is only followed by another when it found something old.
const ROUNDS: usize = 64;
const AGAIN_FIRST: Duration = Duration::from_secs(5);
const AGAIN_MOST: Duration = Duration::from_secs(300);

/// What was sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows of accounts.
    pub accounts: usize,
    /// Rows of tokens.
    pub tokens: usize,
    /// Rows with a box that no key opens. As long as there is one, the store stays bound to the old key.
    pub skipped: usize,
}

/// How fast, and how long a box that was sealed just before the change may be on its way to the store.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// After each row.
    row: Duration,
    settle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            row: Duration::from_millis(5),
            // A renewal ends within a minute.
            settle: Duration::from_secs(60),
        }
    }
}

/// Seals everything under the vault's current key and binds the store to it. Does nothing where nothing is to be done.
///
/// # Errors
/// The store fails. What was done stays; run it again.
pub async fn reseal(ops: &Operations) -> Result<Resealed, OpError> {
    Resealer::new(ops).run(Pace::default()).await
}

/// The same in the background. Holds store and vault, and nothing that has to end before them.
#[derive(Clone)]
pub struct Resealer {
    stores: Stores,
    vault: Arc<Vault>,
    changing: Arc<Mutex<()>>,
}

impl std::fmt::Debug for Resealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resealer({:?})", self.vault)
    }
}

impl Resealer {
    #[must_use]
    pub fn new(ops: &Operations) -> Self {
        Self {
            stores: ops.stores.clone(),
            vault: Arc::clone(&ops.vault),
            changing: Arc::clone(&ops.changing),
        }
    }

    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// [`reseal`] until it is done, to be spawned at the start and after each [`Vault::rotate`]. Ends at once where there
    /// is no previous key; two at once do no harm.
    pub async fn until_done(self) {
        let mut pause = AGAIN_FIRST;
        while self.vault.is_rotating() {
            match self.run(Pace::default()).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(
                    %error,
                    again_in_s = pause.as_secs(),
                    "sealing under the new master key was interrupted"
                ),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_MOST);
        }
    }

    async fn run(&self, pace: Pace) -> Result<Resealed, OpError> {
        let mut all = Resealed::default();
        for _ in 0..ROUNDS {
            let target = self.vault.key_id();
            let mut round = Round::new(self, pace);
            round.pepper().await?;
            round.accounts().await?;
            round.tokens().await?;
            all.accounts += round.done.accounts;
            all.tokens += round.done.tokens;
            if round.found || self.vault.key_id() != target {
                continue;
            }
            if let Some(left) = left_to_settle(&self.vault, pace) {
                tokio::time::sleep(left).await;
                continue;
            }
            all.skipped = round.broken.len();
            self.finish(target, all, &round.broken).await?;
            return Ok(all);
        }
        let message = "secrets are still being sealed under an old master key; is another gateway running on this store?";
        Err(OpError::new(ErrorCode::Conflict, message))
    }

    /// The last look found nothing old.
    async fn finish(
        &self,
        target: String,
        all: Resealed,
        broken: &[String],
    ) -> Result<(), OpError> {
        for row in broken {
            tracing::error!("{row}");
        }
        if !broken.is_empty() {
            tracing::warn!(
                rows = broken.len(),
                "keep the files of secrets.previous_key_files: the rows named before need new secrets, or have to go"
            );
            return Ok(());
        }
        let meta = self.stores.meta.as_ref();
        match bound_to(meta).await? {
            Some(from) if from != target => hand_over(meta, from, target.clone()).await?,
            _ => {}
        }
        if self.vault.is_rotating() {
            tracing::info!(
                master_key = target,
                accounts = all.accounts,
                tokens = all.tokens,
                "every secret is sealed under the current master key; the files of secrets.previous_key_files can be removed"
            );
        }
        Ok(())
    }
}

fn left_to_settle(vault: &Vault, pace: Pace) -> Option<Duration> {
    let left = pace.settle.checked_sub(vault.rotated_since()?)?;
    (!left.is_zero()).then_some(left)
}

/// One look at every box.
struct Round<'a> {
    on: &'a Resealer,
    pace: Pace,
    done: Resealed,
    /// Was there anything old that can be opened?
    found: bool,
    /// Why a row could not be sealed anew, one line for each.
    broken: Vec<String>,
}

/// How a row was met.
enum Met<T> {
    Current,
    Old(T),
    /// With the part that could be sealed anew.
    Broken(Option<T>, String),
}

impl<'a> Round<'a> {
    fn new(on: &'a Resealer, pace: Pace) -> Self {
        Self {
            on,
            pace,
            done: Resealed::default(),
            found: false,
            broken: Vec::new(),
        }
    }

    async fn pepper(&mut self) -> Result<(), OpError> {
        let meta = self.on.stores.meta.as_ref();
        match KeyHasher::reseal_pepper(meta, &self.on.vault).await {
            Ok(resealed) => self.found |= resealed,
            // Another one did it: the next round will see.
            Err(CryptError::Store(StoreError::Conflict(_))) => self.found = true,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn accounts(&mut self) -> Result<(), OpError> {
        for record in self.on.stores.accounts.list().await? {
            self.account(record).await?;
        }
        Ok(())
    }

    async fn account(&mut self, record: AccountRecord) -> Result<(), OpError> {
        let (id, mut row) = (record.id, Some(record));
        for _ in 0..TRIES {
            let Some(record) = row.take() else {
                return Ok(());
            };
            let new = match anew(&self.on.vault, &record) {
                Met::Current => return Ok(()),
                Met::Broken(None, why) => {
                    self.broken.push(why);
                    return Ok(());
                }
                // What is broken is met again by the next round.
                Met::Old(new) | Met::Broken(Some(new), _) => new,
            };
            self.found = true;
            if self.put_account(new).await? {
                self.done.accounts += 1;
                tokio::time::sleep(self.pace.row).await;
                return Ok(());
            }
            let accounts = self.on.stores.accounts.list().await?;
            row = accounts.into_iter().find(|record| record.id == id);
        }
        Ok(())
    }

    /// `false` when it has changed meanwhile.
    async fn put_account(&self, record: AccountRecord) -> Result<bool, OpError> {
        let (id, name, expect) = (
            record.id,
            record.name.clone(),
            Expect::Version(record.version),
        );
        let event = DomainEvent::new(now_ms(), "system", EventKind::AccountUpdated { id, name });
        // Operators' changes are not made to fail.
        let _changing = self.on.changing.lock().await;
        stored(self.on.stores.accounts.put(record, expect, event).await)
    }

    async fn tokens(&mut self) -> Result<(), OpError> {
        for row in self.on.stores.accounts.tokens().await? {
            self.token(row).await?;
        }
        Ok(())
    }

    async fn token(&mut self, row: TokenRow) -> Result<(), OpError> {
        let (id, mut row) = (row.account, Some(row));
        for _ in 0..TRIES {
            let Some(mut token) = row.take() else {
                return Ok(());
            };
            match token_anew(&self.on.vault, &token) {
                Met::Current => return Ok(()),
                Met::Broken(_, why) => {
                    self.broken.push(why);
                    return Ok(());
                }
                Met::Old(sealed) => token.sealed = sealed,
            }
            self.found = true;
            let expect = Expect::Version(token.version);
            let put = self.on.stores.accounts.put_token(token, expect, None);
            if stored(put.await)? {
                self.done.tokens += 1;
                tokio::time::sleep(self.pace.row).await;
                return Ok(());
            }
            row = self.on.stores.accounts.token(id).await?;
        }
        Ok(())
    }
}

/// `false`: the row is not as it was read.
fn stored<T>(put: Result<T, StoreError>) -> Result<bool, OpError> {
    match put {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The account with every old box sealed anew.
fn anew(vault: &Vault, record: &AccountRecord) -> Met<AccountRecord> {
    let mut new = record.clone();
    let (mut changed, mut broken) = (false, None);
    let api_key = std::iter::once(("api_key", aad::api_key(record.id), &mut new.sealed));
    let secrets = new.secrets.iter_mut().map(|(name, sealed)| {
        let aad = aad::secret(record.id, *name);
        (name.as_str(), aad, sealed)
    });
    for (what, aad, sealed) in api_key.chain(secrets) {
        match reseal_box(vault, &aad, sealed) {
            Ok(None) => {}
            Ok(Some(resealed)) => {
                *sealed = resealed;
                changed = true;
            }
            Err(error) => {
                broken = Some(format!("{what} of account {}: {error}", record.name));
            }
        }
    }
    let new = changed.then_some(new);
    match (new, broken) {
        (new, Some(why)) => Met::Broken(new, why),
        (Some(new), None) => Met::Old(new),
        (None, None) => Met::Current,
    }
}

fn token_anew(vault: &Vault, row: &TokenRow) -> Met<Vec<u8>> {
    let aad = aad::token(row.account, row.generation);
    match reseal_box(vault, &aad, &row.sealed) {
        Ok(None) => Met::Current,
        Ok(Some(sealed)) => Met::Old(sealed),
        Err(error) => Met::Broken(None, tokens_of(row.account, &error)),
    }
}

fn tokens_of(id: AccountId, error: &CryptError) -> String {
    format!("tokens of account {id}: {error}")
}

/// An empty box is the absence of a secret.
fn reseal_box(vault: &Vault, aad: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, CryptError> {
    if sealed.is_empty() {
        return Ok(None);
    }
    vault.reseal(aad, sealed)
}

#[cfg(test)]
mod tests;
