//! Taking over a new configuration while running: every section prepares, then every one commits.
//!
//! Invariant: all sections or none. A commit cannot fail: whatever can is done while preparing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::Config;
use super::diff::diff_needs_restart;
use super::error::{ConfigError, ConfigErrors, Origin};

/// A part of the program that follows the configuration.
pub trait Section: Send + Sync {
    /// What the new configuration becomes: built, not yet visible.
    type Prepared;

    /// Named in errors.
    fn name(&self) -> &'static str;

    /// Builds; changes nothing.
    ///
    /// # Errors
    /// Why this section cannot follow; it holds no secret.
    fn prepare(&self, new: &Config) -> Result<Self::Prepared, String>;

    /// Swaps it in.
    fn commit(&self, prepared: Self::Prepared);
}

/// A [`Section`] whose type is forgotten.
pub trait Reloadable: Send + Sync {
    fn name(&self) -> &'static str;

    /// # Errors
    /// As [`Section::prepare`].
    fn prepare<'a>(&'a self, new: &Config) -> Result<Commit<'a>, String>;
}

/// Run once to swap the prepared part in; dropped to leave things as they are.
pub type Commit<'a> = Box<dyn FnOnce() + 'a>;

impl<S: Section> Reloadable for S {
    fn name(&self) -> &'static str {
        Section::name(self)
    }

    fn prepare<'a>(&'a self, new: &Config) -> Result<Commit<'a>, String> {
        let prepared = Section::prepare(self, new)?;
        Ok(Box::new(move || self.commit(prepared)))
    }
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// False: the new configuration is the running one, nothing was done.
    pub changed: bool,
    /// Keys that differ from those the process started with, and hold only after a restart.
    pub needs_restart: Vec<&'static str>,
}

/// The list of sections and the configuration in force.
pub struct Reloader {
    sections: Vec<Arc<dyn Reloadable>>,
    started: Arc<Config>,
    current: ArcSwap<Config>,
    turn: Mutex<()>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.sections.iter().map(|s| s.name());
        f.debug_list().entries(names).finish()
    }
}

impl Reloader {
    pub fn new(started: Config) -> Self {
        let started = Arc::new(started);
        Self {
            sections: Vec::new(),
            current: ArcSwap::new(Arc::clone(&started)),
            started,
            turn: Mutex::new(()),
        }
    }

    /// Adds a section; they commit in the order of adding.
    #[must_use]
    pub fn with(mut self, section: Arc<dyn Reloadable>) -> Self {
        self.sections.push(section);
        self
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Takes `new` over, one caller at a time.
    ///
    /// # Errors
    /// Every section that cannot follow; then nothing has changed.
    pub fn apply(&self, new: Config) -> Result<Report, ConfigErrors> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let needs_restart = diff_needs_restart(&self.started, &new);
        if *self.current.load_full() == new {
            return Ok(Report {
                changed: false,
                needs_restart,
            });
        }
        let (mut commits, mut errors) = (Vec::new(), Vec::new());
        for section in &self.sections {
            match section.prepare(&new) {
                Ok(commit) => commits.push(commit),
                Err(message) => {
                    let error = ConfigError::new(Origin::Nowhere, section.name(), message);
                    errors.push(error);
                }
            }
        }
        ConfigErrors::check(errors)?;
        for commit in commits {
            commit();
        }
        self.current.store(Arc::new(new));
        Ok(Report {
            changed: true,
            needs_restart,
        })
    }
}
