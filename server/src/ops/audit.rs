//! How an operation is carried out: refused when it could not be told, told before it is acknowledged.
//!
//! Index. `view`: what a line says of a key or an account. `anchor`: the store's word about the end of the trail.
//!
//! ```text
//! ready? ── no ──▶ refused, nothing changed
//!   │ yes
//!   ▼
//!  run ── failed ──▶ a line says why ──▶ settle ──▶ the operation's own error
//!   │ done
//!   ▼
//! settle: every committed change is a line on the disk ──▶ acknowledged
//! ```
//! Invariant: an operation that changed something is acknowledged when its lines are on the disk, and not before. When
//! they cannot be written the answer says that the change stands.

mod anchor;
mod view;

use serde_json::Value;
use troupe_core::audit::AuditStatus;
use troupe_core::event::DomainEvent;
use troupe_storage::audit::Entry;

pub use self::anchor::{AuditAnchors, KnownAnchor};
pub(super) use self::view::{told_account, told_key};
use super::{ErrorCode, OpError, Operation, Operations, now_ms};
use crate::audit::AuditError;

/// What operations are called in the trail, done or not; what is not here changes nothing that is told.
const ACTIONS: [(&str, &str); 18] = [
    ("key.create", "key.created"),
    ("key.update", "key.updated"),
    ("key.rotate", "key.rotated"),
    ("key.revoke", "key.revoked"),
    ("key.disable", "key.disabled"),
    ("key.enable", "key.enabled"),
    ("account.add", "account.created"),
    ("account.update", "account.updated"),
    ("account.batch", "account.updated"),
    ("account.remove", "account.removed"),
    ("account.disable", "account.disabled"),
    ("account.enable", "account.enabled"),
    ("account.refresh", "account.token_renewal_failed"),
    ("account.exchange", "account.login_failed"),
    ("account.login_start", "account.login_failed"),
    ("account.login_complete", "account.login_failed"),
    ("import.apply", "import.applied"),
    ("store.backup", "store.backed_up"),
];

/// These change nothing, although they need the store.
const UNTOLD: [&str; 1] = ["account.test"];

impl Operations {
    /// Runs an operation, and tells the trail what it did.
    ///
    /// # Errors
    /// The operation's own; `AuditUnavailable` when the trail cannot be written (nothing was changed); `Unknown` when
    /// the change stands and its line does not yet.
    pub async fn carry_out<O: Operation>(&self, operation: O) -> Result<O::Outcome, OpError> {
        let audit = match &self.audit {
            Some(audit) if !O::READS => audit,
            _ => return operation.run(self).await,
        };
        audit.ready()?;
        let resource = resource(O::NAME, &operation);
        let outcome = operation.run(self).await;
        if let Err(error) = &outcome
            && !UNTOLD.contains(&O::NAME)
        {
            let line = Entry {
                status: Some(status(error.code)),
                reason: Some(error.message.clone()),
                ..Entry::new(now_ms(), &self.actor, action(O::NAME), resource)
            };
            if let Err(late) = audit.tell(line).await {
                tracing::error!(error = %late, op = O::NAME, "a failed operation is told later");
            }
        }
        match (outcome, audit.settle().await) {
            (Ok(outcome), Ok(())) => Ok(outcome),
            (Err(error), _) => Err(error),
            (Ok(_), Err(late)) => Err(done_but(&late)),
        }
    }

    /// Tells of something that was done and that no event of the store tells: returns when the line is on the disk.
    ///
    /// # Errors
    /// `Unknown`: it stands, the line is kept and follows.
    pub async fn audit(
        &self,
        action: &str,
        resource: &str,
        status: AuditStatus,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), OpError> {
        let Some(audit) = &self.audit else {
            return Ok(());
        };
        let line = Entry {
            status: Some(status),
            before,
            after,
            ..Entry::new(now_ms(), &self.actor, action, resource)
        };
        audit.tell(line).await.map_err(|late| done_but(&late))
    }
}

fn done_but(late: &AuditError) -> OpError {
    let message = format!("it is done, but not yet in the audit trail, where it follows: {late}");
    OpError::new(ErrorCode::Unknown, message)
}

impl From<AuditError> for OpError {
    fn from(error: AuditError) -> Self {
        Self::new(ErrorCode::AuditUnavailable, error.to_string())
    }
}

/// The event with what changed: of both sides only what differs.
pub(super) fn told_change(
    event: DomainEvent,
    before: Option<Value>,
    after: Option<Value>,
) -> DomainEvent {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => view::difference(before, after),
        sides => sides,
    };
    let text = |value: Option<Value>| value.map(|value| value.to_string());
    event.with(text(before), text(after))
}

fn action(operation: &'static str) -> &'static str {
    let known = ACTIONS.iter().find(|(name, _)| *name == operation);
    known.map_or(operation, |(_, action)| action)
}

/// `key:ci`: the operation's noun, and the name that it was given.
fn resource<O: Operation>(operation: &str, input: &O) -> String {
    let noun = operation.split('.').next().unwrap_or(operation);
    let name = serde_json::to_value(input).ok();
    let name = name.as_ref().and_then(|input| input.get("name")?.as_str());
    name.map_or_else(|| noun.to_owned(), |name| format!("{noun}:{name}"))
}

fn status(code: ErrorCode) -> AuditStatus {
    match code {
        ErrorCode::Forbidden | ErrorCode::Declared | ErrorCode::Terms => AuditStatus::Denied,
        _ => AuditStatus::Failed,
    }
}
