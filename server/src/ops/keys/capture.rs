//! Capturing a key: for a while the log keeps the bodies of all of its requests, whatever the policy.
//!
//! Invariant: it ends by itself, after a day at the latest; a declared key is the file's, and is not captured.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troupe_core::event::EventKind;

use super::super::{OpError, Operation, Operations, now_ms};
use super::KeyInfo;
use crate::config::HumanDuration;

const MOST: Duration = Duration::from_secs(86_400);

/// Keeps bodies for so long from now, such as `1h`; no longer at all, where no time is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaptureKey {
    pub name: String,
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_time: Option<String>,
}

impl Operation for CaptureKey {
    type Outcome = KeyInfo;
    const NAME: &'static str = "key.capture";

    async fn run(self, ops: &Operations) -> Result<KeyInfo, OpError> {
        let for_ms = self.for_time.as_deref().map(duration_ms).transpose()?;
        if for_ms.is_some() && !ops.plan().log {
            let message =
                "the log keeps nothing while request_log.enabled is false; switch it on first";
            return Err(OpError::invalid(message));
        }
        let told_as = |id, name| EventKind::KeyUpdated { id, name };
        let stored = ops
            .change_key(&self.name, told_as, |key| {
                key.capture_until_ms = for_ms.map(|for_ms| now_ms().saturating_add(for_ms));
                Ok(())
            })
            .await?;
        Ok(KeyInfo::new(&stored, false, now_ms()))
    }
}

fn duration_ms(text: &str) -> Result<u64, OpError> {
    let time: HumanDuration = text.parse().map_err(OpError::invalid)?;
    if time.get().is_zero() || time.get() > MOST {
        return Err(OpError::invalid(
            "a key is captured for at least 1ms and at most 24h; ask again when that is over",
        ));
    }
    Ok(u64::try_from(time.get().as_millis()).unwrap_or(u64::MAX))
}
