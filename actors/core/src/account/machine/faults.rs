//! What a report changes.

use super::super::health::{CoolDown, Health};
use super::super::message::Report;
use super::super::record::Auth;
use super::super::token::Tokens;
use super::super::verdict::{ProbeKind, Scope, Verdict};
use super::Account;
use crate::machine::Turn;

/// Pause after a 429 that does not say how long.
const DEFAULT_COOL_DOWN_MS: u64 = 30_000;
/// How long a 403 for a model makes an account the second choice; with betas, where the betas may be the reason.
const AVOID_MODEL_MS: u64 = 300_000;
const AVOID_BETAS_MS: u64 = 60_000;
/// And a platform fault.
const AVOID_ACCOUNT_MS: u64 = 5_000;

impl Account {
    pub(super) fn report(&mut self, mut report: Report, turn: &mut Turn<Self>) {
        let unix_ms = self.now.unix_ms;
        let facts = std::mem::take(&mut report.facts);
        self.stats
            .add(unix_ms, report.model.as_ref(), &report.verdict, facts);
        self.saves.stats_changed();
        let windows = std::mem::take(&mut report.windows);
        if !self.is_current(&report) {
            return;
        }
        if let Some(lane) = self.lane(report.auth)
            && lane.state.observe(unix_ms, windows)
        {
            turn.publish();
        }
        match report.verdict {
            Verdict::Success => self.recovered(report.auth, report.model.as_deref(), turn),
            Verdict::RequestFault | Verdict::Unknown => {}
            Verdict::Unauthorized => self.unauthorized(report.auth, turn),
            Verdict::Challenged => {
                let health = Health::Challenged { since_ms: unix_ms };
                self.degrade(report.auth, health, turn);
            }
            Verdict::OutOfService { reason } => {
                let health = Health::OutOfService {
                    since_ms: unix_ms,
                    reason,
                };
                self.degrade(report.auth, health, turn);
            }
            // Without a model the fault is the path's (a file that is not there), not the account's.
            Verdict::Forbidden | Verdict::NoModel if report.model.is_none() => {}
            Verdict::Forbidden | Verdict::NoModel => {
                let betas = Some(report.betas).filter(|&betas| betas != 0);
                let for_ms = match betas {
                    Some(_) => AVOID_BETAS_MS,
                    None => AVOID_MODEL_MS,
                };
                let pause = CoolDown {
                    model: report.model,
                    betas,
                    until_ms: unix_ms + for_ms,
                    throttled: false,
                };
                self.cool(report.auth, pause, turn);
            }
            Verdict::Platform | Verdict::Overloaded => {
                let pause = CoolDown {
                    model: None,
                    betas: None,
                    until_ms: unix_ms + AVOID_ACCOUNT_MS,
                    throttled: false,
                };
                self.cool(report.auth, pause, turn);
            }
            Verdict::Throttled { for_ms, scope } => {
                let for_ms = for_ms.unwrap_or(DEFAULT_COOL_DOWN_MS);
                let pause = CoolDown {
                    model: report.model.filter(|_| scope == Scope::Model),
                    betas: None,
                    until_ms: unix_ms.saturating_add(for_ms),
                    throttled: true,
                };
                self.cool(report.auth, pause, turn);
                self.save(None, turn);
            }
        }
    }

    /// Is it about the credential that stands? After a login or with a new key the old one's faults are nobody's.
    fn is_current(&self, report: &Report) -> bool {
        if report.auth == Auth::Oauth {
            return report.generation == self.generation();
        }
        let lane = self.lanes.iter().find(|lane| lane.auth == report.auth);
        report.generation == 0 || lane.is_none_or(|lane| report.generation >= lane.generation)
    }

    fn cool(&mut self, auth: Auth, pause: CoolDown, turn: &mut Turn<Self>) {
        let unix_ms = self.now.unix_ms;
        if let Some(lane) = self.lane(auth) {
            lane.state.cool(unix_ms, pause);
            turn.publish();
        }
    }

    pub(super) fn recovered(&mut self, auth: Auth, model: Option<&str>, turn: &mut Turn<Self>) {
        let unix_ms = self.now.unix_ms;
        self.probes[auth as usize].forget_tries();
        if let Some(lane) = self.lane(auth)
            && lane.state.recovered(unix_ms, model)
        {
            self.save(None, turn);
        }
    }

    /// A 401. A token was renewed once before this is reported; what is refused then needs a login.
    fn unauthorized(&mut self, auth: Auth, turn: &mut Turn<Self>) {
        if auth == Auth::Oauth && self.tokens.as_ref().is_some_and(Tokens::is_dead) {
            // That is known, and the renewal still to come.
            return;
        }
        let was_active = self
            .lane(auth)
            .is_some_and(|lane| lane.state.health == Health::Active);
        let since_ms = self.now.unix_ms;
        let health = match auth {
            Auth::Oauth => Health::NeedsLogin {
                since_ms,
                reason: "the upstream refuses the renewed token".into(),
            },
            Auth::ApiKey | Auth::Web => Health::Rejected { since_ms },
        };
        self.degrade(auth, health, turn);
        if was_active {
            self.probe(auth, ProbeKind::Read, turn);
        }
    }
}
