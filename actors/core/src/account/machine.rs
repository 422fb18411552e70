//! The account machine: one step per report, ask, or outcome of an effect.
//!
//! Invariant: one probe of a credential and one renewal at a time, whoever asks; a request fault never changes an
//! account; a platform fault never takes one out; a fault of a token that was replaced meanwhile is nobody's; what is
//! learnt is saved, latest state last.

mod faults;
mod leases;
mod probes;
mod saves;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::health::Health;
use super::lane::LaneState;
use super::message::{
    AccountAsk, AccountDone, AccountEffect, AccountReply, AccountTell, LeaseAccount, Secrets,
};
use super::record::{AccountRecord, AccountState, Auth};
use super::stats::AccountStats;
use super::token::{Renewal, TokenSeed, Tokens};
use super::view::{AccountView, Credential, LaneView, Scheme};
use crate::event::EventKind;
use crate::gate::Slots;
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::time::Now;

use probes::Probes;
use saves::Saves;

/// The actor looks at its clock at least so often, whatever the wall clock does meanwhile.
const LOOK_AT_LEAST_MS: u64 = 3_600_000;
/// A wall clock that goes back by more than this was wrong before.
const SET_BACK_MS: u64 = 60_000;

/// One credential and what is known about it.
#[derive(Debug)]
struct Lane {
    auth: Auth,
    /// `None` for tokens: those have a credential when they have a token.
    fixed: Option<Arc<Credential>>,
    /// Which of the account's credentials so far it is, from 1 on.
    generation: u64,
    state: LaneState,
    trial: Arc<Slots>,
}

/// The renewal that is under way.
#[derive(Debug)]
struct Running {
    order: Renewal,
    /// What it renews was replaced or removed meanwhile: its outcome is nobody's.
    stale: bool,
}

/// The account actor's core.
#[derive(Debug)]
pub struct Account {
    record: Arc<AccountRecord>,
    secrets: Secrets,
    slots: Arc<Slots>,
    lanes: Vec<Lane>,
    /// By [`Auth`]; they outlast their lanes, so that the outcome of a probe meets the one that asked for it.
    probes: [Probes; 3],
    /// Credentials so far, tokens apart.
    credentials: u64,
    tokens: Option<Tokens>,
    running: Option<Running>,
    stats: AccountStats,
    saves: Saves,
    /// Requests that wait for a renewal.
    leasing: Vec<(Ticket, LeaseAccount)>,
    renewing: Vec<(Ticket, u64)>,
    now: Now,
}

impl Account {
    /// A machine for `record`, with what was learnt before.
    #[must_use]
    pub fn new(
        record: AccountRecord,
        secrets: Secrets,
        token: TokenSeed,
        state: Option<AccountState>,
        slots: Arc<Slots>,
        now: Now,
    ) -> Self {
        slots.set_limit(record.concurrent);
        let stats = state.as_ref().map(|s| s.stats.clone()).unwrap_or_default();
        let mut known = state.map(AccountState::into_lanes).unwrap_or_default();
        if token.is_grant_alone()
            && let Some(lane) = known.get_mut(&Auth::Oauth)
            && matches!(lane.health, Health::NeedsLogin { .. })
        {
            // The login was made while nothing ran.
            lane.health = Health::Active;
        }
        let mut account = Self {
            tokens: record
                .oauth
                .as_ref()
                .map(|settings| Tokens::new(settings.grant, token, record.id)),
            record: Arc::new(record),
            secrets,
            slots,
            lanes: Vec::new(),
            probes: Default::default(),
            credentials: 0,
            running: None,
            stats,
            saves: Saves::new(now),
            leasing: Vec::new(),
            renewing: Vec::new(),
            now,
        };
        account.build_lanes(known);
        account
    }

    /// The lanes of the credentials that are there, in the order of preference. Gives those that are gone.
    fn build_lanes(&mut self, mut known: BTreeMap<Auth, LaneState>) -> Vec<Lane> {
        let mut old: Vec<Lane> = std::mem::take(&mut self.lanes);
        for auth in self.record.preferred_auth.order() {
            let fixed = match auth {
                Auth::ApiKey => self.secrets.api_key.as_ref().map(|secret| Credential {
                    scheme: Scheme::from(self.record.auth),
                    secret: secret.clone(),
                }),
                Auth::Web if self.record.web.is_some() => {
                    self.secrets.web_cookie.as_ref().map(|secret| Credential {
                        scheme: Scheme::Cookie,
                        secret: secret.clone(),
                    })
                }
                Auth::Oauth | Auth::Web => None,
            };
            if fixed.is_none() && !(auth == Auth::Oauth && self.tokens.is_some()) {
                continue;
            }
            let kept = old
                .iter()
                .position(|lane| lane.auth == auth)
                .map(|at| old.swap_remove(at));
            let lane = kept.unwrap_or_else(|| {
                let state = known.remove(&auth).unwrap_or_default();
                let state = state.restored(self.now.unix_ms);
                self.probes[auth as usize].resume(&state.health, self.now);
                self.credentials += 1;
                Lane {
                    auth,
                    fixed: None,
                    generation: self.credentials,
                    state,
                    trial: Slots::new(Some(1)),
                }
            });
            self.lanes.push(Lane {
                fixed: fixed.map(Arc::new),
                ..lane
            });
        }
        old
    }

    fn lane(&mut self, auth: Auth) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.auth == auth)
    }

    /// A fault takes a credential out. What an operator must look at stays what it is.
    fn degrade(&mut self, auth: Auth, health: Health, turn: &mut Turn<Self>) {
        let held = |lane: &mut Lane| {
            matches!(
                lane.state.health,
                Health::Challenged { .. } | Health::OutOfService { .. }
            )
        };
        if !self.lane(auth).is_some_and(held) {
            self.set_health(auth, health, turn);
        }
    }

    /// Pauses are lengths of time: a clock that was ahead and is set back does not prolong them.
    fn follow_clock(&mut self, now: Now) {
        let passed_ms = now.mono_ms.saturating_sub(self.now.mono_ms);
        let expected_ms = self.now.unix_ms.saturating_add(passed_ms);
        let back_ms = expected_ms.saturating_sub(now.unix_ms);
        if back_ms > SET_BACK_MS {
            self.lanes
                .iter_mut()
                .for_each(|lane| lane.state.set_back(back_ms));
        }
        self.now = now;
    }

    fn set_health(&mut self, auth: Auth, health: Health, turn: &mut Turn<Self>) {
        let id = self.record.id;
        let Some(lane) = self.lane(auth) else {
            return;
        };
        if lane.state.health.as_str() == health.as_str() {
            return;
        }
        let change = EventKind::AccountStateChanged {
            id,
            from: lane.state.health.as_str().to_owned(),
            to: health.as_str().to_owned(),
        };
        lane.state.health = health;
        self.save(Some(change), turn);
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
        self.follow_clock(now);
        match input {
            Input::Ask(ticket, ask) => self.asked(ticket, ask, turn),
            Input::Tell(tell) => self.told(tell, turn),
            Input::Done(AccountDone::Probed { auth, kind, probe }) => {
                self.probed(auth, kind, &probe, turn);
            }
            Input::Done(AccountDone::Renewed { order, outcome }) => {
                self.renewed(order, outcome, turn);
            }
            Input::Done(AccountDone::Saved) => self.saved(turn),
            Input::Left(ticket) => self.left(ticket),
            Input::Wake => self.look(turn),
        }
    }

    fn view(&self) -> AccountView {
        let token = self.tokens.as_ref().and_then(Tokens::credential);
        let lanes = self.lanes.iter().map(|lane| LaneView {
            auth: lane.auth,
            health: lane.state.health.clone(),
            cooldowns: lane.state.cooldowns.as_slice().into(),
            windows: lane.state.windows.as_slice().into(),
            credential: match lane.auth {
                Auth::Oauth => token.cloned(),
                Auth::ApiKey | Auth::Web => lane.fixed.clone(),
            },
            token: (lane.auth == Auth::Oauth)
                .then(|| self.tokens.as_ref().map(Tokens::view))
                .flatten(),
            generation: self.generation_of(lane),
            trial: Arc::clone(&lane.trial),
        });
        AccountView {
            record: Arc::clone(&self.record),
            reach: Arc::clone(&self.secrets.reach),
            lanes: lanes.collect(),
        }
    }

    fn deadline(&self) -> Option<u64> {
        let renewal = self.renewal_due_ms().map(|at| {
            let in_ms = at.saturating_sub(self.now.unix_ms);
            self.now.mono_ms + in_ms.min(LOOK_AT_LEAST_MS)
        });
        let windows = self
            .lanes
            .iter()
            .filter_map(|lane| lane.state.next_reset_ms());
        // Windows of plain limits are reset all the time: once a second is enough for a ranking.
        let windows = windows.min().map(|at| {
            let in_ms = at.saturating_sub(self.now.unix_ms).next_multiple_of(1_000);
            self.now.mono_ms + in_ms.clamp(1_000, LOOK_AT_LEAST_MS)
        });
        let probes = self.lanes.iter();
        let probes = probes.filter_map(|lane| self.probe_due_ms(lane.auth));
        probes
            .chain(renewal)
            .chain(windows)
            .chain(self.saves.due_ms())
            .min()
    }
}

impl Account {
    fn asked(&mut self, ticket: Ticket, ask: AccountAsk, turn: &mut Turn<Self>) {
        match ask {
            AccountAsk::Test { auth, kind } => self.test(ticket, auth, kind, turn),
            AccountAsk::Lease(lease) => self.lease(ticket, lease, turn),
            AccountAsk::Renew { generation, dead } => {
                self.renew_asked(ticket, generation, dead, turn);
            }
            AccountAsk::Heard => turn.reply(ticket, AccountReply::Noted),
            AccountAsk::Stats => {
                turn.reply(ticket, AccountReply::Stats(Box::new(self.stats.clone())));
            }
            AccountAsk::Flush => self.flush(ticket, turn),
        }
    }

    fn told(&mut self, tell: AccountTell, turn: &mut Turn<Self>) {
        match tell {
            AccountTell::Reports(reports) => {
                reports.into_iter().for_each(|r| self.report(r, turn));
            }
            AccountTell::Recovered { auth, model } => {
                self.recovered(auth, model.as_deref(), turn);
            }
            AccountTell::Update(update) => self.update(*update, turn),
            AccountTell::Revive => self.revive(turn),
        }
    }

    fn left(&mut self, ticket: Ticket) {
        self.leasing.retain(|(waiting, _)| *waiting != ticket);
        self.renewing.retain(|(waiting, _)| *waiting != ticket);
        self.saves.left(ticket);
        self.probes.iter_mut().for_each(|p| p.left(ticket));
    }

    /// The time has come for something.
    fn look(&mut self, turn: &mut Turn<Self>) {
        let unix_ms = self.now.unix_ms;
        for lane in &mut self.lanes {
            if lane.state.forget_windows(unix_ms) {
                // Or the ranking would go on as if they were still full.
                turn.publish();
            }
        }
        self.renew_if_due(turn);
        for auth in Auth::ALL {
            if self
                .probe_due_ms(auth)
                .is_some_and(|at| at <= self.now.mono_ms)
            {
                self.look_at(auth, turn);
            }
        }
        self.save_stats_if_due(turn);
    }
}

#[cfg(test)]
mod tests;
