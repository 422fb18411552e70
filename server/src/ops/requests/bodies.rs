//! The bodies that were kept of a request, or why there are none.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use troupe_core::RequestId;

use super::super::{ErrorCode, OpError, Operation, Operations};
use crate::bodies::{KeptBody, Policy, Why, unpack};

/// Bodies that were captured a moment ago are written within this.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Shows the bodies of the request of this id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShowBodies {
    pub id: String,
}

/// What was kept, without what is never kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownBodies {
    /// Why they were kept.
    pub kept_for: Option<Why>,
    pub request_headers: Vec<(String, String)>,
    /// `None` where the gateway did not read it.
    pub request: Option<ShownBody>,
    pub response: Option<ShownBody>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_none: Option<String>,
}

/// One body: `text`, or `base64` where it is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    pub content_type: Option<String>,
    /// As it was sent.
    pub length_bytes: u64,
    /// There was more than is kept.
    pub cut: bool,
    /// Places that were replaced.
    pub redacted: u32,
}

impl Operation for ShowBodies {
    type Outcome = ShownBodies;
    const NAME: &'static str = "request.bodies";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<ShownBodies, OpError> {
        let id = RequestId::parse(self.id.trim())
            .ok_or_else(|| OpError::invalid("a request's id is req_ and 26 characters"))?;
        // Its row is there when all that it told is on its way.
        let row = ops.find_row(id).await?;
        if let Some(bodies) = &ops.bodies {
            let _ = tokio::time::timeout(WRITTEN_WITHIN, bodies.flush()).await;
        }
        let Some(stored) = ops.stores.bodies.find(id).await? else {
            return Ok(ShownBodies {
                why_none: Some(ops.why_none(id, row.is_some())),
                ..ShownBodies::default()
            });
        };
        let kept = unpack(&stored.packed).map_err(|error| {
            OpError::new(ErrorCode::Internal, format!("the bodies of {id}: {error}"))
        })?;
        Ok(ShownBodies {
            kept_for: Some(kept.why),
            request_headers: kept.request_headers,
            request: kept.request.map(ShownBody::from),
            response: kept.response.map(ShownBody::from),
            why_none: None,
        })
    }
}

impl From<KeptBody> for ShownBody {
    fn from(kept: KeptBody) -> Self {
        let (text, base64) = match String::from_utf8(kept.bytes) {
            Ok(text) => (Some(text), None),
            Err(other) => (None, Some(STANDARD.encode(other.as_bytes()))),
        };
        Self {
            text,
            base64,
            content_type: kept.content_type,
            length_bytes: kept.length_bytes,
            cut: kept.cut,
            redacted: kept.redacted,
        }
    }
}

impl Operations {
    fn why_none(&self, id: RequestId, has_row: bool) -> String {
        let plan = self.plan();
        let policy = match plan.bodies.policy {
            _ if !plan.log => "request_log.enabled is false",
            Policy::Off => {
                "request_log.bodies is off; `troupe key capture NAME --for 1h` keeps those of one key"
            }
            Policy::Errors => {
                "request_log.bodies is errors, and keeps those of requests that did not go well"
            }
            Policy::Sampled(_) => {
                "request_log.bodies is sampled, and keeps those of request_log.sample of all requests"
            }
            Policy::All => {
                "request_log.bodies is all now; they were dropped after request_log.bodies_retention, there was no room (see troupe_log_bodies_dropped_total), or the policy was another then"
            }
        };
        match has_row {
            true => format!("no bodies of {id} are kept: {policy}"),
            false => format!("the log has no {id}, and no bodies of it: {policy}"),
        }
    }
}
