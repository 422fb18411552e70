//! One request: its attempts, why its account, why not the others, what it used.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troupe_core::RequestId;
use troupe_core::record::RequestRecord;

use super::super::{ErrorCode, OpError, Operation, Operations, now_ms};
use super::RequestInfo;

/// A request that has just ended is told to the recorder within this.
const TOLD_WITHIN_TRIES: usize = 10;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Older ones are not looked for again.
const JUST_ENDED_MS: u64 = 3_600_000;

/// Shows the request of this id, as the header `request-id` of its answer has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShowRequest {
    pub id: String,
}

impl Operation for ShowRequest {
    type Outcome = RequestInfo;
    const NAME: &'static str = "request.show";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<RequestInfo, OpError> {
        let id = RequestId::parse(self.id.trim()).ok_or_else(|| {
            OpError::invalid(
                "a request's id is in the header request-id of its answer: req_ and 26 characters",
            )
        })?;
        let row = ops.find_row(id).await?.ok_or_else(|| {
            OpError::new(
                ErrorCode::NotFound,
                format!("the log has no {id}: it is still running, was dropped after request_log.retention, or was never here; see `troupe request tail`"),
            )
        })?;
        let told = ops.told(vec![row]).await?;
        let gone = || OpError::new(ErrorCode::Internal, "the row is gone; ask again");
        told.into_iter().next().ok_or_else(gone)
    }
}

impl Operations {
    pub(super) async fn find_row(&self, id: RequestId) -> Result<Option<RequestRecord>, OpError> {
        let is_recent = now_ms().saturating_sub(id.time_ms()) < JUST_ENDED_MS;
        let tries = match &self.directory {
            Some(_) if is_recent => TOLD_WITHIN_TRIES,
            _ => 1,
        };
        for attempt in 1..=tries {
            self.write_rows().await;
            let found = self.stores.log.find(id).await?;
            if found.is_some() || attempt == tries {
                return Ok(found);
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        Ok(None)
    }
}
