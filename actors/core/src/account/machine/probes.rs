//! Probes of a credential: asked for by an operator, and made by the account itself while one is refused.

use super::super::health::{CoolDown, Health};
use super::super::lane::LaneState;
use super::super::message::{AccountEffect, AccountReply};
use super::super::record::Auth;
use super::super::verdict::{Probe, ProbeKind};
use super::Account;
use crate::machine::{Machine, Ticket, Turn};
use crate::time::Now;

/// Pauses between probes of a refused credential.
const PROBE_FIRST_MS: u64 = 60_000;
const PROBE_MOST_MS: u64 = 3_600_000;

/// The probes of one lane.
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
    /// A credential that was found refused is looked at again at once.
    pub(super) fn after(state: Option<&LaneState>, now: Now) -> Self {
        let refused = state.is_some_and(|s| is_probed(&s.health));
        Self {
            at_ms: refused.then_some(now.mono_ms),
            ..Self::default()
        }
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.at_ms
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        self.at_ms.is_some_and(|at| at <= now.mono_ms)
    }

    pub(super) fn left(&mut self, ticket: Ticket) {
        self.asking.retain(|(waiting, _)| *waiting != ticket);
    }

    pub(super) fn forget_tries(&mut self) {
        self.tries = 0;
    }

    /// The credential is a new one, or the operator says that it is well.
    pub(super) fn restart(&mut self) {
        self.stale = self.running.is_some();
        self.tries = 0;
        self.at_ms = None;
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
        match self.lane(auth) {
            Some(lane) => {
                lane.probes.asking.push((ticket, kind));
                self.probe(auth, kind, turn);
            }
            None => {
                let message = "the account has no such credential".into();
                turn.reply(
                    ticket,
                    AccountReply::Tested(Probe::Inconclusive { message }),
                );
            }
        }
    }

    pub(super) fn probe(&mut self, auth: Auth, kind: ProbeKind, turn: &mut Turn<Self>) {
        let view = self.view();
        let Some(lane) = self.lane(auth) else {
            return;
        };
        lane.probes.at_ms = None;
        if lane.probes.running.is_none() {
            lane.probes.running = Some(kind);
            turn.effect(AccountEffect::Probe {
                view: view.into(),
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
        let Some(lane) = self.lane(auth) else {
            return;
        };
        lane.probes.running = None;
        let stale = std::mem::take(&mut lane.probes.stale);
        if !stale {
            let (answered, waiting) = std::mem::take(&mut lane.probes.asking)
                .into_iter()
                .partition(|(_, wanted)| *wanted == kind);
            lane.probes.asking = waiting;
            self.learnt(auth, probe, turn);
            let answered: Vec<(Ticket, ProbeKind)> = answered;
            for (ticket, _) in answered {
                turn.reply(ticket, AccountReply::Tested(probe.clone()));
            }
        }
        let next = self
            .lane(auth)
            .and_then(|lane| lane.probes.asking.first().map(|(_, kind)| *kind));
        if let Some(kind) = next {
            self.probe(auth, kind, turn);
        }
    }

    fn learnt(&mut self, auth: Auth, probe: &Probe, turn: &mut Turn<Self>) {
        let now = self.now;
        let enabled = self.record.enabled;
        let Some(lane) = self.lane(auth) else {
            return;
        };
        let health = &lane.state.health;
        match probe {
            Probe::Ok { .. } if is_probed(health) => {
                // A credential that probes well but was refused in use comes back ever more slowly.
                if lane.probes.tries > 0 {
                    let pause = CoolDown {
                        model: None,
                        betas: None,
                        until_ms: now.unix_ms + lane.probes.pause_ms(),
                        throttled: true,
                    };
                    lane.state.cool(now.unix_ms, pause);
                }
                lane.probes.tries += 1;
                self.set_health(auth, Health::Active, turn);
            }
            Probe::Ok { .. } => {}
            Probe::Rejected { .. } if *health == Health::Active && auth == Auth::Oauth => {
                // Its next request renews it.
            }
            Probe::Rejected { .. } if *health == Health::Active => {
                let since_ms = now.unix_ms;
                lane.probes.at_ms = Some(now.mono_ms + lane.probes.pause_ms()).filter(|_| enabled);
                lane.probes.tries += 1;
                self.set_health(auth, Health::Rejected { since_ms }, turn);
            }
            Probe::Rejected { .. } | Probe::Inconclusive { .. } if is_probed(health) => {
                lane.probes.at_ms = Some(now.mono_ms + lane.probes.pause_ms()).filter(|_| enabled);
                lane.probes.tries += 1;
            }
            Probe::Rejected { .. } | Probe::Inconclusive { .. } => {}
        }
    }
}
