//! The last requests, or those that ended since.

use serde::{Deserialize, Serialize};
use troupe_core::KeyId;
use troupe_core::log::{LogFilter, LogPosition, LogQuery, StatusFilter};

use super::super::{ErrorCode, OpError, Operation, Operations};
use super::RequestInfo;

/// Requests that one page has at most.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 20;

/// The last requests that match, in the order in which they ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TailRequests {
    /// Of the key of this name, revoked ones of it included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Served by the account of this name, or tried on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    /// Probes and pages too, which no key asked for and which went well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// At most 1 000; 20 when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `position` of a page: those that ended since, the first ones first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<LogPosition>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestPage {
    pub requests: Vec<RequestInfo>,
    /// Where to read on.
    pub position: LogPosition,
    /// Not all of the log was looked at: there may be older ones, or, of those since, more.
    pub cut: bool,
    /// Rows that this version cannot read.
    #[serde(default)]
    pub unreadable: u64,
}

impl Operation for TailRequests {
    type Outcome = RequestPage;
    const NAME: &'static str = "request.tail";
    const READS: bool = true;

    async fn run(self, ops: &Operations) -> Result<RequestPage, OpError> {
        let keys = match &self.key {
            Some(name) => ops.keys_named(name).await?,
            None => Vec::new(),
        };
        ops.write_rows().await;
        let query = LogQuery {
            filter: LogFilter {
                keys,
                account: self.account.map(Into::into),
                status: self.status,
                api_only: !self.all,
                ..LogFilter::default()
            },
            limit: self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX),
            after: self.after,
        };
        let page = ops.stores.log.tail(query).await?;
        Ok(RequestPage {
            requests: ops.told(page.rows).await?,
            position: page.position,
            cut: page.cut,
            unreadable: page.unreadable,
        })
    }
}

impl Operations {
    /// Every key that has this name or had it when it was revoked.
    pub(super) async fn keys_named(&self, name: &str) -> Result<Vec<KeyId>, OpError> {
        let stored = self.stores.keys.list().await?;
        let stored = stored.iter().filter(|key| key.name == name);
        let mut ids: Vec<_> = stored.map(|key| key.id).collect();
        ids.extend(self.declared.load().key(name).map(|key| key.id));
        if ids.is_empty() {
            let message = format!("there is no key {name}; see `troupe key list --revoked`");
            return Err(OpError::new(ErrorCode::NotFound, message));
        }
        Ok(ids)
    }
}
