//! Leases that the gate could not give, and the renewals that some of them wait for.

use super::super::health::{Health, Unavailable};
use super::super::message::{AccountEffect, AccountReply, LeaseAccount};
use super::super::record::Auth;
use super::super::stats::RenewalEntry;
use super::super::token::{Renewal, Renewed, TokenPhase, Tokens};
use super::Account;
use crate::event::EventKind;
use crate::machine::{Machine, Ticket, Turn};

impl Account {
    pub(super) fn generation(&self) -> u64 {
        self.tokens.as_ref().map_or(0, Tokens::generation)
    }

    pub(super) fn lease(&mut self, ticket: Ticket, lease: LeaseAccount, turn: &mut Turn<Self>) {
        let view = self.view();
        let fit = match view.fit(&lease.want(self.now.unix_ms)) {
            Ok(fit) => fit,
            Err(why) => return turn.reply(ticket, AccountReply::Refused(why)),
        };
        if fit.stale {
            self.leasing.push((ticket, lease));
            self.renew(false, turn);
            if !self.is_renewing() {
                self.answer_leases(turn);
            }
            return;
        }
        let trial = view
            .lane(fit.auth)
            .filter(|_| fit.trial)
            .and_then(|lane| lane.trial.try_take());
        let reply = match self.slots.try_take() {
            Some(slot) => AccountReply::Leased {
                auth: fit.auth,
                slot,
                trial,
            },
            None => AccountReply::Refused(Unavailable::Full),
        };
        turn.reply(ticket, reply);
    }

    pub(super) fn renew_asked(
        &mut self,
        ticket: Ticket,
        generation: u64,
        dead: bool,
        turn: &mut Turn<Self>,
    ) {
        if self.tokens.is_none() {
            return turn.reply(ticket, AccountReply::Refused(Unavailable::Unsupported));
        }
        self.renewing.push((ticket, generation));
        if self.generation() == generation {
            self.renew(dead, turn);
        }
        if !self.is_renewing() {
            self.answer_renewals(turn);
        }
    }

    fn is_renewing(&self) -> bool {
        let phase = self.tokens.as_ref().map(Tokens::phase);
        phase == Some(&TokenPhase::Renewing)
    }

    fn renew(&mut self, dead: bool, turn: &mut Turn<Self>) {
        let view = self.view();
        let (unix_ms, client_secret) = (self.now.unix_ms, self.secrets.client_secret.clone());
        let Some(tokens) = &mut self.tokens else {
            return;
        };
        let before = tokens.phase().clone();
        if let Some(order) = tokens.begin(unix_ms, dead) {
            turn.effect(AccountEffect::Renew {
                view: view.into(),
                client_secret,
                order,
            });
        }
        if *tokens.phase() != before {
            turn.publish();
            self.follow_phase(turn);
        }
    }

    /// A token whose time has come is renewed, unless the account is switched off or waits for a login.
    pub(super) fn renew_if_due(&mut self, turn: &mut Turn<Self>) {
        if self.renewal_due_ms().is_some_and(|at| at <= self.now.unix_ms) {
            self.renew(false, turn);
        }
    }

    pub(super) fn renewal_due_ms(&self) -> Option<u64> {
        let lane = self.lanes.iter().find(|lane| lane.auth == Auth::Oauth)?;
        let is_due = self.record.enabled && lane.state.health == Health::Active;
        self.tokens.as_ref().filter(|_| is_due)?.due_ms()
    }

    pub(super) fn renewed(&mut self, order: Renewal, outcome: Renewed, turn: &mut Turn<Self>) {
        let (word, why, generation) = match &outcome {
            Renewed::Done { token, adopted } => (
                if *adopted { "adopted" } else { "renewed" },
                None,
                token.generation,
            ),
            Renewed::Refused { reason } => ("refused", Some(reason), order.generation),
            Renewed::Postponed { reason, .. } => ("postponed", Some(reason), order.generation),
            Renewed::Unknown { reason } => ("unknown", Some(reason), order.generation),
        };
        self.stats.renewal(RenewalEntry {
            at_ms: self.now.unix_ms,
            outcome: word.to_owned(),
            generation,
            why: why.cloned(),
        });
        let change = match word {
            "renewed" => EventKind::TokenRenewed {
                id: self.record.id,
                generation,
            },
            "adopted" => EventKind::TokenAdopted {
                id: self.record.id,
                generation,
            },
            _ => EventKind::TokenRenewalFailed {
                id: self.record.id,
                outcome: word.to_owned(),
                reason: why.cloned().unwrap_or_default(),
            },
        };
        if let Some(tokens) = &mut self.tokens {
            tokens.concluded(self.now.unix_ms, order, outcome);
        }
        self.save(Some(change), turn);
        self.follow_phase(turn);
        self.answer_renewals(turn);
        self.answer_leases(turn);
    }

    /// An access token that lives is used to its end; only then does the account need a login.
    pub(super) fn follow_phase(&mut self, turn: &mut Turn<Self>) {
        let since_ms = self.now.unix_ms;
        let reason = match &self.tokens {
            Some(tokens) if tokens.is_stale(since_ms) => match tokens.phase() {
                TokenPhase::NeedsLogin { reason } => reason.clone(),
                _ => return,
            },
            _ => return,
        };
        self.set_health(Auth::Oauth, Health::NeedsLogin { since_ms, reason }, turn);
    }

    fn answer_renewals(&mut self, turn: &mut Turn<Self>) {
        for (ticket, generation) in std::mem::take(&mut self.renewing) {
            let reply = if self.generation() > generation {
                AccountReply::Renewed
            } else {
                AccountReply::Refused(self.no_renewal())
            };
            turn.reply(ticket, reply);
        }
    }

    fn no_renewal(&self) -> Unavailable {
        match self.tokens.as_ref().map(Tokens::phase) {
            Some(TokenPhase::Postponed { until_ms }) => Unavailable::Renewing {
                until_ms: *until_ms,
            },
            _ => Unavailable::NeedsLogin,
        }
    }

    /// Those who waited get what there is now. One whose token is still stale is refused, not kept for the next try.
    fn answer_leases(&mut self, turn: &mut Turn<Self>) {
        for (ticket, lease) in std::mem::take(&mut self.leasing) {
            let fit = self.view().fit(&lease.want(self.now.unix_ms));
            match fit {
                Ok(fit) if fit.stale => {
                    turn.reply(ticket, AccountReply::Refused(self.no_renewal()));
                }
                _ => self.lease(ticket, lease, turn),
            }
        }
    }
}
