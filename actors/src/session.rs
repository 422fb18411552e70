//! Session actors: activated on first use, passivated when idle, bounded in number.

use std::sync::Arc;

use arc_swap::ArcSwap;
use troupe_core::gate::Entry;
use troupe_core::session::{Never, Session, SessionView};

use crate::shell::{Effects, Handle, Job};

/// A session whose actor runs.
#[derive(Debug)]
pub struct ActiveSession {
    pub entry: Arc<Entry>,
    pub view: Arc<ArcSwap<SessionView>>,
    pub handle: Handle<Session>,
}

/// Sessions ask nothing of the world yet.
pub(crate) struct NoEffects;

impl Effects<Session> for NoEffects {
    fn job(&self, effect: Never) -> Job<Never> {
        match effect {}
    }
}
