//! A conversation on the surface: made under an id of ours, deleted by its guard.
//!
//! Invariant: its id is random, so that no two requests can share one. Whatever ends it, the guard deletes it in a task of
//! its own, bounded in time and tries; a deletion that fails leaves a chat behind, nothing else. It does not where chats are
//! preserved, and not after a challenge or a dead session: then nothing more is asked.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use troupe_core::account::Verdict;
use uuid::Uuid;

use super::{Deletions, WebLimits, fault::WebFault, signal::Call, surface::Surface};

const DELETION_TRIES: u8 = 2;

/// The guard of one conversation.
pub(super) struct Conversation {
    surface: Arc<Surface>,
    /// Below the base URL; names organisation and conversation.
    path: String,
    /// Not to be deleted.
    preserved: bool,
    runtime: Handle,
    wait: Duration,
    deletions: Deletions,
}

/// What a conversation is made as.
pub(super) struct Making<'a> {
    pub organization: &'a str,
    pub id: Uuid,
    pub preserved: bool,
    pub thinking: bool,
    pub deletions: Deletions,
}

/// The modes that a conversation may be in; an open set.
const EXTENDED: &str = "extended";

// === impl Conversation ===

impl Conversation {
    /// Makes a conversation and sets its mode, where that is not as wanted.
    pub(super) async fn create(
        surface: Arc<Surface>,
        making: Making<'_>,
        limits: &WebLimits,
    ) -> Result<Self, WebFault> {
        let Making {
            organization,
            id,
            preserved,
            thinking,
            deletions,
        } = making;
        let all = format!("/api/organizations/{organization}/chat_conversations");
        let request = surface
            .request(Method::POST, &all)
            .json(&json!({"uuid": id, "name": ""}));
        // From here on it may exist, whatever is heard of the call.
        let mut made = Self {
            surface,
            path: format!("{all}/{id}"),
            preserved,
            runtime: Handle::current(),
            wait: limits.call(),
            deletions,
        };
        let told = made
            .surface
            .json(Call::Conversation, request, limits.call())
            .await;
        if let Err(fault) = &told
            && !is_uncertain(&fault.verdict)
        {
            made.preserved = true;
        }
        let told: Value = told?;
        let mode = told
            .pointer("/settings/paprika_mode")
            .and_then(Value::as_str);
        let wanted = thinking.then_some(EXTENDED);
        if mode != wanted {
            let settings = json!({"settings": {"paprika_mode": wanted}});
            let request = made.request(Method::PUT, "").json(&settings);
            made.surface
                .tell(Call::Settings, request, limits.call())
                .await?;
        }
        Ok(made)
    }

    /// A request for a path below the conversation.
    pub(super) fn request(&self, method: Method, below: &str) -> reqwest::RequestBuilder {
        self.surface
            .request(method, &format!("{}{below}", self.path))
    }

    pub(super) fn surface(&self) -> &Surface {
        &self.surface
    }
}

/// May the call have been done all the same?
fn is_uncertain(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Platform | Verdict::Unknown)
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if self.preserved || self.surface.is_closed() {
            return;
        }
        let (surface, path, wait) = (Arc::clone(&self.surface), self.path.clone(), self.wait);
        let deletion = self.deletions.begin();
        self.runtime.spawn(async move {
            let _deletion = deletion;
            for _ in 0..DELETION_TRIES {
                let request = surface.request(Method::DELETE, &path);
                match surface.tell(Call::Deletion, request, wait).await {
                    Err(fault) if matches!(fault.verdict, Verdict::Platform | Verdict::Unknown) => {
                    }
                    _ => break,
                }
            }
        });
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("preserved", &self.preserved)
            .finish_non_exhaustive()
    }
}
