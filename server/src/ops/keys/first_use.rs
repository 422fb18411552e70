//! The first use of a key whose end counts from it.

use troupe_core::KeyId;
use troupe_core::key::KeyRecord;

use super::super::{OpError, Operations};

/// Stores when the key was used first; `false` when that is known already, or means nothing for it. Of two uses at once
/// one is stored.
///
/// # Errors
/// The store did not take it; the key's next use tries again.
pub async fn first_use(ops: &Operations, id: KeyId, at_ms: u64) -> Result<bool, OpError> {
    // Uses come faster than they are written: most find it done without a look into the store.
    let published = ops.directory.as_ref().and_then(|all| all.key_by_id(id));
    if published.is_some_and(|entry| !entry.record().awaits_first_use()) {
        return Ok(false);
    }
    let begin = |key: &mut KeyRecord| {
        let begins = key.awaits_first_use();
        if begins {
            key.first_used_ms = Some(at_ms);
        }
        Ok(begins)
    };
    ops.change_used_key(id, begin).await
}
