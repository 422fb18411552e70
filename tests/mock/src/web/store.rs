//! Conversations, files and the fate of each stream.
//!
//! Invariant: bounded, the oldest go first, deleted conversations before living ones; a tool call
//! is answered at most once; a stream's fate is written once, by whoever holds its [`Live`].
//!
//! [`Live`]: super::Live

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::Refusal;
use super::view::{ConversationView, FileView, StreamState, ToolResultView, WebSnapshot};
use crate::journal::{PATIENCE, WaitTimeout};

const CONVERSATIONS: usize = 4_096;
const FILES: usize = 4_096;
const KEPT_PER_CONVERSATION: usize = 100;

/// A tool that the completion called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
}

struct Conversation {
    view: ConversationView,
    pending: Vec<Call>,
    /// Results of the calls of the present round.
    answered: Vec<ToolResultView>,
    /// Tells the stream that something happened; one per conversation.
    news: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    conversations: VecDeque<Conversation>,
    files: VecDeque<FileView>,
}

pub(crate) struct WebStore {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

impl Default for WebStore {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changes: watch::channel(0).0,
        }
    }
}

impl fmt::Debug for WebStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebStore").finish_non_exhaustive()
    }
}

/// What a paused stream finds.
pub(super) enum Round {
    Waiting,
    Answered(Vec<ToolResultView>),
    /// The conversation is gone.
    Gone,
}

impl WebStore {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changes.send_modify(|version| *version += 1);
        changed
    }

    /// Changes the living conversation of that id.
    fn with<T>(
        &self,
        organization: &str,
        id: &str,
        change: impl FnOnce(&mut Conversation) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.change(|inner| {
            let found = inner
                .find(id)
                .filter(|found| !found.view.deleted && found.view.organization == organization);
            change(found.ok_or_else(|| Refusal::missing("conversation"))?)
        })
    }

    pub(super) fn create(
        &self,
        organization: &str,
        id: &str,
        extended: bool,
    ) -> Result<(), Refusal> {
        self.change(|inner| {
            if inner.find(id).is_some() {
                return Err(Refusal::with(409, "uuid: a conversation has it already"));
            }
            inner.conversations.push_back(Conversation {
                view: ConversationView {
                    id: id.to_owned(),
                    organization: organization.to_owned(),
                    deleted: false,
                    extended,
                    completions: 0,
                    files: Vec::new(),
                    tool_results: Vec::new(),
                    pending_tools: Vec::new(),
                    stream: StreamState::None,
                },
                pending: Vec::new(),
                answered: Vec::new(),
                news: Arc::default(),
            });
            inner.evict();
            Ok(())
        })
    }

    pub(super) fn set_extended(
        &self,
        organization: &str,
        id: &str,
        extended: bool,
    ) -> Result<(), Refusal> {
        self.with(organization, id, |found| {
            found.view.extended = extended;
            Ok(())
        })
    }

    /// A paused stream of it ends without more.
    pub(super) fn delete(&self, organization: &str, id: &str) -> Result<(), Refusal> {
        self.with(organization, id, |found| {
            found.view.deleted = true;
            found.news.notify_one();
            Ok(())
        })
    }

    pub(super) fn add_file(&self, file: FileView) {
        self.change(|inner| {
            inner.files.push_back(file);
            if inner.files.len() > FILES {
                inner.files.pop_front();
            }
        });
    }

    /// Begins a completion: its stream is open. Returns whether thinking is switched on, and what
    /// tells of news.
    pub(super) fn begin(
        &self,
        organization: &str,
        id: &str,
        files: &[String],
    ) -> Result<(bool, Arc<Notify>), Refusal> {
        let unknown = {
            let inner = self.lock();
            let is_known = |file: &String| {
                let mut known = inner.files.iter();
                known.any(|found| found.id == *file && found.organization == organization)
            };
            files.iter().find(|file| !is_known(file)).cloned()
        };
        if let Some(file) = unknown {
            return Err(Refusal::invalid(format!("files: {file} was not uploaded")));
        }
        self.with(organization, id, |found| {
            if found.view.stream.is_running() {
                let message = "a completion of this conversation is still under way";
                return Err(Refusal::with(409, message));
            }
            found.view.stream = StreamState::Open;
            found.view.completions += 1;
            found.view.files.extend_from_slice(files);
            keep_last(&mut found.view.files);
            found.news = Arc::default();
            Ok((found.view.extended, Arc::clone(&found.news)))
        })
    }

    /// Lets results of these calls in; before the first byte of them is on the wire.
    pub(super) fn expect(&self, id: &str, calls: &[Call]) {
        self.change(|inner| {
            if let Some(found) = inner.find(id) {
                found.pending = calls.to_vec();
                found.answered.clear();
                found.show_pending();
            }
        });
    }

    pub(super) fn answer(
        &self,
        organization: &str,
        id: &str,
        mut result: ToolResultView,
    ) -> Result<(), Refusal> {
        self.with(organization, id, |found| {
            let calls = &mut found.pending;
            let at = calls.iter().position(|call| call.id == result.tool_use_id);
            let Some(at) = at else {
                return Err(Refusal::invalid("tool_use_id: no such call waits"));
            };
            result.tool_name = calls.remove(at).name;
            found.answered.push(result.clone());
            found.view.tool_results.push(result);
            keep_last(&mut found.view.tool_results);
            found.show_pending();
            found.news.notify_one();
            Ok(())
        })
    }

    /// What the stream of that conversation may do, after all of its present round was sent.
    pub(super) fn round(&self, id: &str) -> Round {
        self.change(|inner| {
            let Some(found) = inner.find(id).filter(|found| !found.view.deleted) else {
                return Round::Gone;
            };
            if found.pending.is_empty() {
                found.view.stream = StreamState::Open;
                return Round::Answered(std::mem::take(&mut found.answered));
            }
            found.view.stream = StreamState::Paused;
            Round::Waiting
        })
    }

    /// Writes down how the stream ended; calls that still wait are forgotten.
    pub(super) fn end(&self, id: &str, fate: StreamState) {
        self.change(|inner| {
            if let Some(found) = inner.find(id) {
                found.view.stream = fate;
                found.pending.clear();
                found.show_pending();
            }
        });
    }

    pub(crate) fn snapshot(&self) -> WebSnapshot {
        let inner = self.lock();
        let conversations = inner.conversations.iter().map(|found| found.view.clone());
        WebSnapshot::of(
            conversations.collect(),
            inner.files.iter().cloned().collect(),
        )
    }

    pub(super) async fn wait_for(
        &self,
        predicate: impl Fn(&WebSnapshot) -> bool,
    ) -> Result<WebSnapshot, WaitTimeout> {
        let mut changes = self.changes.subscribe();
        let satisfied = async {
            loop {
                changes.borrow_and_update();
                let snapshot = self.snapshot();
                if predicate(&snapshot) {
                    return Some(snapshot);
                }
                changes.changed().await.ok()?;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, satisfied).await;
        waited.ok().flatten().ok_or(WaitTimeout)
    }
}

impl Inner {
    fn find(&mut self, id: &str) -> Option<&mut Conversation> {
        let mut newest_first = self.conversations.iter_mut().rev();
        newest_first.find(|found| found.view.id == id)
    }

    fn evict(&mut self) {
        if self.conversations.len() > CONVERSATIONS {
            let deleted = self
                .conversations
                .iter()
                .position(|found| found.view.deleted);
            if let Some(evicted) = self.conversations.remove(deleted.unwrap_or(0)) {
                evicted.news.notify_one();
            }
        }
    }
}

impl Conversation {
    fn show_pending(&mut self) {
        self.view.pending_tools = self.pending.iter().map(|call| call.id.clone()).collect();
    }
}

fn keep_last<T>(list: &mut Vec<T>) {
    list.drain(..list.len().saturating_sub(KEPT_PER_CONVERSATION));
}
