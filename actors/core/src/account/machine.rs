//! The account machine: one step per report, ask or probe result.
//!
//! Invariant: one probe at a time, whoever asks; a request fault never changes an account; a platform fault never
//! takes one out; no cool-down is longer than [`MAX_COOL_DOWN_MS`]; what is learnt is saved, latest state last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use secrecy::SecretString;

use super::health::{CoolDown, Health, Unavailable};
use super::record::{AccountKind, AccountRecord, AccountState, AuthScheme};
use super::verdict::{Probe, Scope, Verdict};
use crate::event::EventKind;
use crate::gate::{SlotGuard, Slots};
use crate::id::AccountId;
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::time::Now;

/// Longest pause that an upstream can cause: a spend limit that is lifted with the next month.
pub const MAX_COOL_DOWN_MS: u64 = 32 * 24 * 3_600_000;
/// Pause after a 429 that does not say how long.
const DEFAULT_COOL_DOWN_MS: u64 = 30_000;
/// How long a 403 or 404 for a model, or a platform fault, makes an account the second choice.
const AVOID_MODEL_MS: u64 = 300_000;
const AVOID_ACCOUNT_MS: u64 = 5_000;
/// Pauses between probes of a rejected credential.
const PROBE_FIRST_MS: u64 = 60_000;
const PROBE_MOST_MS: u64 = 3_600_000;
/// Changes that may wait for a slow store; the oldest go first.
const MAX_UNSAVED: usize = 64;
/// Bound on remembered cool-downs; the soonest to end goes first.
const MAX_COOL_DOWNS: usize = 64;

/// The credential as it is presented upstream.
#[derive(Clone, Debug)]
pub struct Credential {
    pub scheme: AuthScheme,
    pub secret: SecretString,
}

/// What requests see of an account.
#[derive(Clone, Debug)]
pub struct AccountView {
    pub id: AccountId,
    pub name: Arc<str>,
    pub kind: AccountKind,
    pub base_url: Arc<str>,
    pub credential: Arc<Credential>,
    pub headers: Arc<BTreeMap<String, String>>,
    pub models: Arc<BTreeMap<String, String>>,
    pub enabled: bool,
    pub health: Health,
    pub cooldowns: Arc<[CoolDown]>,
}

impl AccountView {
    /// May this account be tried for `model` now? Slots are a matter of the gate, not of the view.
    ///
    /// # Errors
    /// Why not.
    pub fn available(&self, model: Option<&str>, unix_ms: u64) -> Result<(), Unavailable> {
        if !self.enabled {
            return Err(Unavailable::Disabled);
        }
        match self.health {
            Health::Active => {}
            Health::Rejected { .. } => return Err(Unavailable::Rejected),
            Health::OutOfService { .. } => return Err(Unavailable::OutOfService),
        }
        match self.longest(model, unix_ms, true) {
            Some(until_ms) => Err(Unavailable::Throttled { until_ms }),
            None => Ok(()),
        }
    }

    /// Should others be preferred for `model` now?
    #[must_use]
    pub fn avoided(&self, model: Option<&str>, unix_ms: u64) -> bool {
        !self.cooldowns.is_empty() && self.longest(model, unix_ms, false).is_some()
    }

    fn longest(&self, model: Option<&str>, unix_ms: u64, throttled: bool) -> Option<u64> {
        self.cooldowns
            .iter()
            .filter(|c| c.throttled == throttled && c.until_ms > unix_ms)
            .filter(|c| c.model.is_none() || c.model.as_deref() == model)
            .map(|c| c.until_ms)
            .max()
    }
}

/// What one attempt told about the account.
#[derive(Clone, Debug)]
pub struct Report {
    pub model: Option<Arc<str>>,
    pub verdict: Verdict,
}

/// Questions to an account.
#[derive(Clone, Debug)]
pub enum AccountAsk {
    /// Probe the credential. Callers that come while one runs share its answer.
    Test,
    /// The gate's debit failed: a slot, or why not.
    Lease { model: Option<Arc<str>> },
    /// A fault that must be known before its request goes on; answered when it is taken in.
    Note(Report),
}

/// Why a lease is refused.
pub type Refused = Unavailable;

#[derive(Debug)]
pub enum AccountReply {
    Tested(Probe),
    Leased(SlotGuard),
    Refused(Refused),
    Noted,
}

/// Facts told to an account.
#[derive(Debug)]
pub enum AccountTell {
    Reports(Vec<Report>),
    /// A new record (and the opened credential).
    Update(Box<(AccountRecord, Arc<Credential>)>),
    /// The operator says it is well again.
    Revive,
}

#[derive(Debug)]
pub enum AccountEffect {
    Probe(Arc<AccountView>),
    Save {
        state: AccountState,
        change: Option<EventKind>,
    },
}

#[derive(Debug)]
pub enum AccountDone {
    Probed(Probe),
    Saved,
}

/// The account actor's core.
#[derive(Debug)]
pub struct Account {
    record: AccountRecord,
    credential: Arc<Credential>,
    slots: Arc<Slots>,
    health: Health,
    cooldowns: Vec<CoolDown>,
    asking: Vec<Ticket>,
    probing: bool,
    probe_is_stale: bool,
    saving: bool,
    /// Changes to be told with the next saves.
    unsaved: VecDeque<Option<EventKind>>,
    probe_tries: u32,
    probe_at_ms: Option<u64>,
}

impl Account {
    /// A machine for `record`, with what was learnt before. `now` schedules the probe of a credential found rejected.
    #[must_use]
    pub fn new(
        record: AccountRecord,
        credential: Arc<Credential>,
        state: Option<AccountState>,
        slots: Arc<Slots>,
        now: Now,
    ) -> Self {
        slots.set_limit(record.concurrent);
        let (health, cooldowns) = state.map(|s| (s.health, s.cooldowns)).unwrap_or_default();
        let probe_at_ms = matches!(health, Health::Rejected { .. }).then_some(now.mono_ms);
        Self {
            record,
            credential,
            slots,
            health,
            cooldowns,
            asking: Vec::new(),
            probing: false,
            probe_is_stale: false,
            saving: false,
            unsaved: VecDeque::new(),
            probe_tries: 0,
            probe_at_ms,
        }
    }

    fn probe(&mut self, turn: &mut Turn<Self>) {
        if !self.probing {
            self.probing = true;
            self.probe_at_ms = None;
            turn.effect(AccountEffect::Probe(Arc::new(self.view())));
        }
    }

    fn set_health(&mut self, now: Now, health: Health, turn: &mut Turn<Self>) {
        if self.health.as_str() == health.as_str() {
            return;
        }
        let change = EventKind::AccountStateChanged {
            id: self.record.id,
            from: self.health.as_str().to_owned(),
            to: health.as_str().to_owned(),
        };
        self.health = health;
        self.save(now, Some(change), turn);
    }

    /// Publishes, and saves after what is being saved: the latest state is written last.
    fn save(&mut self, now: Now, change: Option<EventKind>, turn: &mut Turn<Self>) {
        turn.publish();
        if change.is_some() || !matches!(self.unsaved.back(), Some(None)) {
            self.unsaved.push_back(change);
        }
        if self.unsaved.len() > MAX_UNSAVED {
            self.unsaved.pop_front();
        }
        self.save_next(now, turn);
    }

    fn save_next(&mut self, now: Now, turn: &mut Turn<Self>) {
        if self.saving {
            return;
        }
        let Some(change) = self.unsaved.pop_front() else {
            return;
        };
        self.saving = true;
        let state = AccountState {
            id: self.record.id,
            health: self.health.clone(),
            cooldowns: self
                .cooldowns
                .iter()
                .filter(|c| c.throttled)
                .cloned()
                .collect(),
            updated_ms: now.unix_ms,
        };
        turn.effect(AccountEffect::Save { state, change });
    }

    fn cool(&mut self, now: Now, model: Option<Arc<str>>, for_ms: u64, throttled: bool) {
        let until_ms = now.unix_ms.saturating_add(for_ms.min(MAX_COOL_DOWN_MS));
        self.cooldowns.retain(|c| c.until_ms > now.unix_ms);
        match self
            .cooldowns
            .iter_mut()
            .find(|c| c.model == model && c.throttled == throttled)
        {
            Some(known) => known.until_ms = known.until_ms.max(until_ms),
            None => self.cooldowns.push(CoolDown {
                model,
                until_ms,
                throttled,
            }),
        }
        if self.cooldowns.len() > MAX_COOL_DOWNS
            && let Some(soonest) = (0..self.cooldowns.len())
                .min_by_key(|&i| (self.cooldowns[i].throttled, self.cooldowns[i].until_ms))
        {
            self.cooldowns.swap_remove(soonest);
        }
    }

    fn report(&mut self, now: Now, report: Report, turn: &mut Turn<Self>) {
        match report.verdict {
            Verdict::Success => self.probe_tries = 0,
            Verdict::RequestFault | Verdict::Unknown => {}
            Verdict::Unauthorized => {
                self.set_health(
                    now,
                    Health::Rejected {
                        since_ms: now.unix_ms,
                    },
                    turn,
                );
                self.probe(turn);
            }
            Verdict::OutOfService { reason } => self.set_health(
                now,
                Health::OutOfService {
                    since_ms: now.unix_ms,
                    reason,
                },
                turn,
            ),
            // Without a model the fault is the path's (a file that is not there), not the account's.
            Verdict::Forbidden | Verdict::NoModel if report.model.is_none() => {}
            Verdict::Forbidden | Verdict::NoModel => {
                self.cool(now, report.model, AVOID_MODEL_MS, false);
                turn.publish();
            }
            Verdict::Platform | Verdict::Overloaded => {
                self.cool(now, None, AVOID_ACCOUNT_MS, false);
                turn.publish();
            }
            Verdict::Throttled { for_ms, scope } => {
                let model = report.model.filter(|_| scope == Scope::Model);
                self.cool(now, model, for_ms.unwrap_or(DEFAULT_COOL_DOWN_MS), true);
                self.save(now, None, turn);
            }
        }
    }

    fn probed(&mut self, now: Now, probe: &Probe, turn: &mut Turn<Self>) {
        self.probing = false;
        if std::mem::take(&mut self.probe_is_stale) {
            // It was about a credential that is not ours any more.
            if !self.asking.is_empty() {
                self.probe(turn);
            }
            return;
        }
        match probe {
            Probe::Ok { .. } if matches!(self.health, Health::Rejected { .. }) => {
                // A credential that probes well but was refused in use comes back ever more slowly.
                if self.probe_tries > 0 {
                    self.cool(
                        now,
                        None,
                        (PROBE_FIRST_MS << self.probe_tries.min(6)).min(PROBE_MOST_MS),
                        true,
                    );
                }
                self.probe_tries += 1;
                self.set_health(now, Health::Active, turn);
            }
            Probe::Ok { .. } => {}
            Probe::Rejected { .. } => {
                if !matches!(self.health, Health::OutOfService { .. }) {
                    self.set_health(
                        now,
                        Health::Rejected {
                            since_ms: now.unix_ms,
                        },
                        turn,
                    );
                }
                self.schedule_probe(now);
            }
            Probe::Inconclusive { .. } => self.schedule_probe(now),
        }
        for ticket in std::mem::take(&mut self.asking) {
            turn.reply(ticket, AccountReply::Tested(probe.clone()));
        }
    }

    fn schedule_probe(&mut self, now: Now) {
        if matches!(self.health, Health::Rejected { .. }) && self.record.enabled {
            let pause = (PROBE_FIRST_MS << self.probe_tries.min(6)).min(PROBE_MOST_MS);
            self.probe_tries += 1;
            self.probe_at_ms = Some(now.mono_ms + pause);
        }
    }

    fn lease(&self, now: Now, model: Option<&str>) -> AccountReply {
        match self.view().available(model, now.unix_ms) {
            Err(why) => AccountReply::Refused(why),
            Ok(()) => self.slots.try_take().map_or(
                AccountReply::Refused(Unavailable::Full),
                AccountReply::Leased,
            ),
        }
    }
}

impl Machine for Account {
    type Ask = AccountAsk;
    type Reply = AccountReply;
    type Tell = AccountTell;
    type Effect = AccountEffect;
    type Done = AccountDone;
    type View = AccountView;

    fn handle(&mut self, now: Now, input: Input<Self>, turn: &mut Turn<Self>) {
        match input {
            Input::Ask(ticket, AccountAsk::Test) => {
                self.asking.push(ticket);
                self.probe(turn);
            }
            Input::Ask(ticket, AccountAsk::Lease { model }) => {
                turn.reply(ticket, self.lease(now, model.as_deref()))
            }
            Input::Ask(ticket, AccountAsk::Note(report)) => {
                self.report(now, report, turn);
                turn.reply(ticket, AccountReply::Noted);
            }
            Input::Tell(AccountTell::Reports(reports)) => {
                reports.into_iter().for_each(|r| self.report(now, r, turn))
            }
            Input::Tell(AccountTell::Update(update)) => self.update(now, *update, turn),
            Input::Tell(AccountTell::Revive) => self.revive(now, turn),
            Input::Done(AccountDone::Probed(probe)) => self.probed(now, &probe, turn),
            Input::Done(AccountDone::Saved) => {
                self.saving = false;
                self.save_next(now, turn);
            }
            Input::Left(ticket) => self.asking.retain(|&waiting| waiting != ticket),
            Input::Wake => {
                if self.probe_at_ms.is_some_and(|at| at <= now.mono_ms) {
                    self.probe(turn);
                }
            }
        }
    }

    fn view(&self) -> AccountView {
        AccountView {
            id: self.record.id,
            name: self.record.name.as_str().into(),
            kind: self.record.kind,
            base_url: self.record.base_url.as_str().into(),
            credential: Arc::clone(&self.credential),
            headers: Arc::new(self.record.headers.clone()),
            models: Arc::new(self.record.models.clone()),
            enabled: self.record.enabled,
            health: self.health.clone(),
            cooldowns: self.cooldowns.as_slice().into(),
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.probe_at_ms
    }
}

impl Account {
    fn update(
        &mut self,
        now: Now,
        (record, credential): (AccountRecord, Arc<Credential>),
        turn: &mut Turn<Self>,
    ) {
        let renewed =
            record.sealed != self.record.sealed || record.base_url != self.record.base_url;
        self.slots.set_limit(record.concurrent);
        self.record = record;
        self.credential = credential;
        turn.publish();
        if renewed {
            self.probe_is_stale = self.probing;
            self.revive(now, turn);
        }
    }

    fn revive(&mut self, now: Now, turn: &mut Turn<Self>) {
        self.probe_tries = 0;
        self.probe_at_ms = None;
        let cooled = !std::mem::take(&mut self.cooldowns).is_empty();
        if cooled && self.health == Health::Active {
            // Or the pause would be back after a restart.
            self.save(now, None, turn);
        }
        self.set_health(now, Health::Active, turn);
        turn.publish();
    }
}

#[cfg(test)]
mod tests;
