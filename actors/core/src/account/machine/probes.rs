//! Probes of a credential: asked for by an operator, and made by the account itself while one is refused.

use super::super::health::{CoolDown, Health};
use super::super::message::{AccountEffect, AccountReply};
use super::super::record::Auth;
use super::super::token::Tokens;
use super::super::verdict::{Probe, ProbeKind};
use super::Account;
use crate::machine::{Machine, Ticket, Turn};
use crate::time::Now;

/// Pauses between probes of a refused credential.
const PROBE_FIRST_MS: u64 = 60_000;
const PROBE_MOST_MS: u64 = 3_600_000;

/// The probes of one credential.
#[derive(Debug, Default)]
pub(super) struct Probes {
    running: Option<ProbeKind>,
    /// What runs is about a credential that is not ours any more.
    stale: bool,
    asking: Vec<(Ticket, ProbeKind)>,
    tries: u32,
    /// Monotonic ms.
    at_ms: Option<u64>,
}

impl Probes {
    /// A credential that was found refused before the start is looked at again at once.
    pub(super) fn resume(&mut self, health: &Health, now: Now) {
        self.at_ms = is_probed(health).then_some(now.mono_ms);
    }

    /// The credential is gone: gives those who asked about it.
    pub(super) fn abandon(&mut self) -> Vec<Ticket> {
        self.restart();
        let asking = std::mem::take(&mut self.asking);
        asking.into_iter().map(|(ticket, _)| ticket).collect()
    }

    pub(super) fn left(&mut self, ticket: Ticket) {
        self.asking.retain(|(waiting, _)| *waiting != ticket);
    }

    pub(super) fn forget_tries(&mut self) {
        self.tries = 0;
    }

    /// The credential is a new one, or the operator says that it is well.
    pub(super) fn restart(&mut self) {
        self.stale |= self.running.is_some();
        self.tries = 0;
        self.at_ms = None;
    }

    /// The next one, later than the last.
    fn again(&mut self, now: Now) {
        self.at_ms = Some(now.mono_ms.saturating_add(self.pause_ms()));
        self.tries += 1;
    }

    fn pause_ms(&self) -> u64 {
        (PROBE_FIRST_MS << self.tries.min(6)).min(PROBE_MOST_MS)
    }
}

/// Does the account look after such a credential by itself?
fn is_probed(health: &Health) -> bool {
    matches!(health, Health::Rejected { .. } | Health::NeedsLogin { .. })
}

impl Account {
    pub(super) fn test(
        &mut self,
        ticket: Ticket,
        auth: Auth,
        kind: ProbeKind,
        turn: &mut Turn<Self>,
    ) {
        if self.lane(auth).is_none() {
            return turn.reply(ticket, no_credential());
        }
        self.probes[auth as usize].asking.push((ticket, kind));
        self.probe(auth, kind, turn);
    }

    /// When the account looks at a refused credential by itself (monotonic ms). A token that has ended and that only a
    /// login replaces tells nothing.
    pub(super) fn probe_due_ms(&self, auth: Auth) -> Option<u64> {
        let tells = match &self.tokens {
            Some(tokens) if auth == Auth::Oauth => {
                tokens.is_reusable() || !tokens.is_stale(self.now.unix_ms)
            }
            _ => true,
        };
        self.probes[auth as usize]
            .at_ms
            .filter(|_| self.record.enabled && tells)
    }

    /// The time has come to look at a refused credential: at a token that stands, else after getting one.
    pub(super) fn look_at(&mut self, auth: Auth, turn: &mut Turn<Self>) {
        let ended = |tokens: &Tokens| tokens.is_stale(self.now.unix_ms);
        if auth == Auth::Oauth && self.tokens.as_ref().is_some_and(ended) {
            self.probes[auth as usize].again(self.now);
            self.renew(turn);
        } else {
            self.probe(auth, ProbeKind::Read, turn);
        }
    }

    /// A token that was got for [`Self::look_at`] is looked at.
    pub(super) fn probe_again(&mut self, turn: &mut Turn<Self>) {
        let ended = |tokens: &Tokens| tokens.is_stale(self.now.unix_ms);
        if self.probe_due_ms(Auth::Oauth).is_some() && !self.tokens.as_ref().is_some_and(ended) {
            self.probe(Auth::Oauth, ProbeKind::Read, turn);
        }
    }

    pub(super) fn probe(&mut self, auth: Auth, kind: ProbeKind, turn: &mut Turn<Self>) {
        let probes = &mut self.probes[auth as usize];
        probes.at_ms = None;
        if probes.running.is_none() && self.lanes.iter().any(|lane| lane.auth == auth) {
            probes.running = Some(kind);
            turn.effect(AccountEffect::Probe {
                view: self.view().into(),
                auth,
                kind,
            });
        }
    }

    pub(super) fn probed(
        &mut self,
        auth: Auth,
        kind: ProbeKind,
        probe: &Probe,
        turn: &mut Turn<Self>,
    ) {
        let probes = &mut self.probes[auth as usize];
        probes.running = None;
        if !std::mem::take(&mut probes.stale) {
            let asking = std::mem::take(&mut probes.asking);
            let (answered, waiting): (Vec<_>, Vec<_>) =
                asking.into_iter().partition(|(_, wanted)| *wanted == kind);
            probes.asking = waiting;
            self.learnt(auth, probe, turn);
            for (ticket, _) in answered {
                turn.reply(ticket, AccountReply::Tested(probe.clone()));
            }
        }
        let next = self.probes[auth as usize].asking.first();
        if let Some(&(_, kind)) = next {
            self.probe(auth, kind, turn);
        }
    }

    fn learnt(&mut self, auth: Auth, probe: &Probe, turn: &mut Turn<Self>) {
        let now = self.now;
        let probes = &mut self.probes[auth as usize];
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.auth == auth) else {
            return;
        };
        let (was_active, was_refused) = (
            lane.state.health == Health::Active,
            is_probed(&lane.state.health),
        );
        match probe {
            Probe::Ok { .. } if was_refused => {
                // A credential that probes well but was refused in use comes back ever more slowly.
                if probes.tries > 0 {
                    let pause = CoolDown {
                        model: None,
                        betas: None,
                        until_ms: now.unix_ms.saturating_add(probes.pause_ms()),
                        throttled: true,
                    };
                    lane.state.cool(now.unix_ms, pause);
                }
                probes.again(now);
                probes.at_ms = None;
                self.set_health(auth, Health::Active, turn);
            }
            Probe::Ok { .. } => {}
            Probe::Challenged => {
                let since_ms = now.unix_ms;
                self.degrade(auth, Health::Challenged { since_ms }, turn);
            }
            // The next request with this token renews it.
            Probe::Rejected { .. } if was_active && auth == Auth::Oauth => {}
            Probe::Rejected { .. } if was_active => {
                probes.again(now);
                let since_ms = now.unix_ms;
                self.set_health(auth, Health::Rejected { since_ms }, turn);
            }
            Probe::Rejected { .. } | Probe::Inconclusive { .. } if was_refused => probes.again(now),
            Probe::Rejected { .. } | Probe::Inconclusive { .. } => {}
        }
    }
}

pub(super) fn no_credential() -> AccountReply {
    let message = "the account has no such credential".into();
    AccountReply::Tested(Probe::Inconclusive { message })
}
