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
use super::token::{TokenSeed, Tokens};
use super::view::{AccountView, Credential, LaneView, Scheme};
use crate::event::EventKind;
use crate::gate::Slots;
use crate::machine::{Input, Machine, Ticket, Turn};
use crate::time::Now;

use probes::Probes;
use saves::Saves;

/// The actor looks at its clock at least so often, whatever the wall clock does meanwhile.
const LOOK_AT_LEAST_MS: u64 = 3_600_000;

/// One credential and what is known about it.
#[derive(Debug)]
struct Lane {
    auth: Auth,
    /// `None` for tokens: those have a credential when they have a token.
    fixed: Option<Arc<Credential>>,
    state: LaneState,
    trial: Arc<Slots>,
    probes: Probes,
}

/// The account actor's core.
#[derive(Debug)]
pub struct Account {
    record: Arc<AccountRecord>,
    secrets: Secrets,
    slots: Arc<Slots>,
    lanes: Vec<Lane>,
    tokens: Option<Tokens>,
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
        let known = state.map(AccountState::into_lanes).unwrap_or_default();
        let mut account = Self {
            tokens: record
                .oauth
                .as_ref()
                .map(|settings| Tokens::new(settings.grant, token, record.id)),
            record: Arc::new(record),
            secrets,
            slots,
            lanes: Vec::new(),
            stats,
            saves: Saves::new(now),
            leasing: Vec::new(),
            renewing: Vec::new(),
            now,
        };
        account.build_lanes(known);
        account
    }

    /// The lanes of the credentials that are there, in the order of preference.
    fn build_lanes(&mut self, mut known: BTreeMap<Auth, LaneState>) {
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
            let state = known.remove(&auth);
            self.lanes.push(match kept {
                Some(lane) => Lane {
                    fixed: fixed.map(Arc::new),
                    ..lane
                },
                None => Lane {
                    auth,
                    fixed: fixed.map(Arc::new),
                    probes: Probes::after(state.as_ref(), self.now),
                    state: state.unwrap_or_default(),
                    trial: Slots::new(Some(1)),
                },
            });
        }
    }

    fn lane(&mut self, auth: Auth) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.auth == auth)
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
        self.now = now;
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
        let token = self.tokens.as_ref().and_then(Tokens::token);
        let lanes = self.lanes.iter().map(|lane| LaneView {
            auth: lane.auth,
            health: lane.state.health.clone(),
            cooldowns: lane.state.cooldowns.as_slice().into(),
            windows: lane.state.windows.as_slice().into(),
            credential: match lane.auth {
                Auth::Oauth => token.map(|t| Arc::clone(&t.credential)),
                Auth::ApiKey | Auth::Web => lane.fixed.clone(),
            },
            token: (lane.auth == Auth::Oauth)
                .then(|| self.tokens.as_ref().map(Tokens::view))
                .flatten(),
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
        let probes = self.lanes.iter().filter_map(|lane| lane.probes.due_ms());
        probes.chain(renewal).chain(self.saves.due_ms()).min()
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
            AccountAsk::Note(report) => {
                self.report(report, turn);
                turn.reply(ticket, AccountReply::Noted);
            }
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
        for lane in &mut self.lanes {
            lane.probes.left(ticket);
        }
    }

    /// The time has come for something.
    fn look(&mut self, turn: &mut Turn<Self>) {
        self.renew_if_due(turn);
        for at in 0..self.lanes.len() {
            if self.lanes[at].probes.is_due(self.now) {
                self.probe(self.lanes[at].auth, super::ProbeKind::Read, turn);
            }
        }
        self.save_stats_if_due(turn);
    }
}

#[cfg(test)]
mod tests;
