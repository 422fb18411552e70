//! Leases that the gate could not give, and the renewals that some of them wait for.

use super::super::health::{Health, Unavailable};
use super::super::message::{AccountEffect, AccountReply, LeaseAccount};
use super::super::record::Auth;
use super::super::stats::RenewalEntry;
use super::super::token::{Renewal, Renewed, TokenPhase, Tokens};
use super::super::view::{AccountView, Fit};
use super::{Account, Lane, Running};
use crate::event::EventKind;
use crate::machine::{Machine, Ticket, Turn};

impl Account {
    pub(super) fn generation(&self) -> u64 {
        self.tokens.as_ref().map_or(0, Tokens::generation)
    }

    /// Of the credential of a lane; see [`LaneView::generation`](super::super::LaneView::generation).
    pub(super) fn generation_of(&self, lane: &Lane) -> u64 {
        match lane.auth {
            Auth::Oauth => self.generation(),
            Auth::ApiKey | Auth::Web => lane.generation,
        }
    }

    pub(super) fn lease(&mut self, ticket: Ticket, lease: LeaseAccount, turn: &mut Turn<Self>) {
        let view = self.view();
        match view.fit(&lease.want(self.now.unix_ms)) {
            Ok(fit) if fit.stale => {
                self.leasing.push((ticket, lease));
                self.renew(turn);
                if self.running.is_none() {
                    self.answer_leases(turn);
                }
            }
            Ok(fit) => turn.reply(ticket, self.grant(&view, fit)),
            Err(why) => turn.reply(ticket, AccountReply::Refused(why)),
        }
    }

    /// A slot, and the place of the trial if it is one and nobody else tries.
    fn grant(&self, view: &AccountView, fit: Fit) -> AccountReply {
        let lane = view.lane(fit.auth).filter(|_| fit.trial);
        let trial = lane.and_then(|lane| lane.trial.try_take());
        match self.slots.try_take() {
            Some(slot) => AccountReply::Leased {
                auth: fit.auth,
                slot,
                trial,
            },
            None => AccountReply::Refused(Unavailable::Full),
        }
    }

    pub(super) fn renew_asked(
        &mut self,
        ticket: Ticket,
        generation: u64,
        dead: bool,
        turn: &mut Turn<Self>,
    ) {
        let needs_login = self.lanes.iter().any(|lane| {
            lane.auth == Auth::Oauth && matches!(lane.state.health, Health::NeedsLogin { .. })
        });
        if self.tokens.is_none() {
            return turn.reply(ticket, AccountReply::Refused(Unavailable::Unsupported));
        }
        if self.generation() > generation {
            return turn.reply(ticket, AccountReply::Renewed);
        }
        if needs_login {
            // A renewed token was refused already: another one would be, too.
            return turn.reply(ticket, AccountReply::Refused(Unavailable::NeedsLogin));
        }
        self.renewing.push((ticket, generation));
        if dead
            && self.generation() == generation
            && let Some(tokens) = &mut self.tokens
        {
            tokens.refused();
            turn.publish();
        }
        self.renew(turn);
        if self.running.is_none() {
            self.answer_renewals(turn);
        }
    }

    pub(super) fn renew(&mut self, turn: &mut Turn<Self>) {
        if self.running.is_some() {
            return;
        }
        let (view, client_secret) = (self.view(), self.secrets.client_secret.clone());
        let Some(tokens) = &mut self.tokens else {
            return;
        };
        let before = tokens.phase().clone();
        if let Some(order) = tokens.begin(self.now.unix_ms) {
            self.running = Some(Running {
                order,
                stale: false,
            });
            turn.effect(AccountEffect::Renew {
                view: view.into(),
                client_secret,
                order,
            });
        }
        if *tokens.phase() != before {
            turn.publish();
        }
        self.follow_phase(turn);
    }

    /// A token whose time has come is renewed, unless the account is switched off or waits for a login.
    pub(super) fn renew_if_due(&mut self, turn: &mut Turn<Self>) {
        if self
            .renewal_due_ms()
            .is_some_and(|at| at <= self.now.unix_ms)
        {
            self.renew(turn);
        }
    }

    pub(super) fn renewal_due_ms(&self) -> Option<u64> {
        let lane = self.lanes.iter().find(|lane| lane.auth == Auth::Oauth)?;
        let is_due =
            self.record.enabled && self.running.is_none() && lane.state.health == Health::Active;
        self.tokens
            .as_ref()
            .filter(|_| is_due)?
            .due_ms(self.now.unix_ms)
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
            // Told by the keeper, with the new row.
            "renewed" => None,
            "adopted" => Some(EventKind::TokenAdopted {
                id: self.record.id,
                generation,
            }),
            _ => Some(EventKind::TokenRenewalFailed {
                id: self.record.id,
                outcome: word.to_owned(),
                reason: why.cloned().unwrap_or_default(),
            }),
        };
        let running = self.running.take();
        let stands = running.is_some_and(|running| running.order == order && !running.stale);
        if let Some(tokens) = self.tokens.as_mut().filter(|_| stands) {
            tokens.concluded(self.now.unix_ms, order, outcome);
        }
        self.save(change, turn);
        self.follow_phase(turn);
        self.probe_again(turn);
        // Another node's token may have ended as well.
        let adopted_stale = self.tokens.as_ref().is_some_and(|tokens| {
            *tokens.phase() == TokenPhase::Idle && tokens.is_stale(self.now.unix_ms)
        });
        if stands && !adopted_stale {
            self.answer_renewals(turn);
            self.answer_leases(turn);
        } else {
            self.wait_again(turn);
        }
    }

    /// Other tokens came while a renewal of the old ones was waited for: whom they serve goes on, the others wait for
    /// a renewal of their own.
    pub(super) fn wait_again(&mut self, turn: &mut Turn<Self>) {
        for (ticket, generation) in std::mem::take(&mut self.renewing) {
            self.renew_asked(ticket, generation, false, turn);
        }
        for (ticket, lease) in std::mem::take(&mut self.leasing) {
            self.lease(ticket, lease, turn);
        }
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
        self.degrade(Auth::Oauth, Health::NeedsLogin { since_ms, reason }, turn);
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

    /// Why there is no newer token.
    fn no_renewal(&self) -> Unavailable {
        let Some(tokens) = &self.tokens else {
            return Unavailable::Unsupported;
        };
        match tokens.phase() {
            TokenPhase::Postponed { until_ms } => Unavailable::Renewing {
                until_ms: *until_ms,
            },
            TokenPhase::Unknown => Unavailable::Renewing {
                until_ms: tokens.stale_ms(),
            },
            TokenPhase::NeedsLogin { .. } => Unavailable::NeedsLogin,
            TokenPhase::Idle | TokenPhase::Renewing => Unavailable::Renewing {
                until_ms: self.now.unix_ms,
            },
        }
    }

    /// Those who waited get what there is now. One whose token is still stale is refused, not kept for the next try.
    fn answer_leases(&mut self, turn: &mut Turn<Self>) {
        if self.leasing.is_empty() {
            return;
        }
        let view = self.view();
        for (ticket, lease) in std::mem::take(&mut self.leasing) {
            match view.fit(&lease.want(self.now.unix_ms)) {
                Ok(fit) if fit.stale => {
                    turn.reply(ticket, AccountReply::Refused(self.no_renewal()));
                }
                Ok(fit) => turn.reply(ticket, self.grant(&view, fit)),
                Err(why) => turn.reply(ticket, AccountReply::Refused(why)),
            }
        }
    }
}
