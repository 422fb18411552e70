//! Outcomes on their way to the store.
//!
//! Invariant: a new generation is never forgotten while the process lives; what was re-sealed meanwhile under another
//! master key is no conflict.

use std::time::Duration;

use troupe_core::AccountId;
use troupe_core::account::{Renewed, TokenRow};
use troupe_core::event::{DomainEvent, EventKind};
use troupe_core::port::{Expect, StoreError};

use super::{Keeper, away};

/// A new generation must reach the store: the old grant is spent. Pauses between tries.
const SAVE_PAUSES_MS: [u64; 8] = [20, 100, 500, 1_000, 2_000, 4_000, 8_000, 8_000];
/// How often a conclusion is tried on a row that another writer changes meanwhile.
const TRIES: usize = 3;

impl Keeper {
    /// A generation that an earlier renewal made and the store did not take then.
    ///
    /// # Errors
    /// The store does not take it now either: nothing may be presented before.
    pub(super) async fn save_late(&self, id: AccountId) -> Result<(), Renewed> {
        let Some(row) = self.unsaved.get(&id).map(|row| row.value().clone()) else {
            return Ok(());
        };
        let stands = self.store.token(id).await;
        let saved = match stands {
            Ok(stands) => {
                let version = stands.map_or(0, |row| row.version);
                let late = TokenRow { version, ..row };
                self.save(late).await.map(drop)
            }
            Err(error) => Err(error),
        };
        saved.map_err(away)?;
        self.unsaved.remove(&id);
        Ok(())
    }

    /// Ends an intent. A renewal is alone with its row, but for one that seals it anew.
    pub(super) async fn conclude(&self, mut row: TokenRow) -> Result<(), StoreError> {
        let mut last = None;
        for _ in 0..TRIES {
            let expect = Expect::Version(row.version);
            match self.store.put_token(row.clone(), expect, None).await {
                Ok(_) => return Ok(()),
                Err(error @ StoreError::Conflict(_)) => last = Some(error),
                Err(error) => return Err(error),
            }
            match self.store.token(row.account).await? {
                Some(stands) if stands.generation == row.generation => {
                    row.sealed = stands.sealed;
                    row.version = stands.version;
                }
                // A login came meanwhile: there is nothing to end.
                _ => return Ok(()),
            }
        }
        Err(last.unwrap_or(StoreError::Unavailable("not tried".into())))
    }

    /// Writes a new generation, as often as it takes; `Some` is the row that stands instead, of a login meanwhile.
    pub(super) async fn save(&self, row: TokenRow) -> Result<Option<TokenRow>, StoreError> {
        let (id, generation) = (row.account, row.generation);
        let mut expect = Expect::Version(row.version);
        let mut last = None;
        for pause_ms in SAVE_PAUSES_MS {
            let event = DomainEvent::new(
                row.obtained_ms,
                "system",
                EventKind::TokenRenewed { id, generation },
            );
            let error = match self.store.put_token(row.clone(), expect, Some(event)).await {
                Ok(_) => return Ok(None),
                Err(error) => error,
            };
            if let Ok(Some(stands)) = self.store.token(id).await {
                if stands.sealed == row.sealed {
                    return Ok(None);
                }
                if stands.generation >= generation {
                    return Ok(Some(stands));
                }
                // Re-sealed under another master key meanwhile.
                expect = Expect::Version(stands.version);
            }
            last = Some(error);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        Err(last.unwrap_or(StoreError::Unavailable("not tried".into())))
    }
}

#[cfg(test)]
mod tests;
