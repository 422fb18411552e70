//! Requests of the model, and those that wait.

use super::*;

impl World {
    pub fn take(&mut self, model: usize, uses: Uses) {
        self.alive(OF_KEY);
        let (demand, model) = (demand(uses), MODELS[model]);
        let seat = self.seat();
        self.ids += 1;
        let (id, unix_ms) = (self.ids, self.now.unix_ms);
        let mut holds = Vec::new();
        for (scope, actor) in self.actors.iter().enumerate() {
            let gate = &actor.shared.gate;
            let taken = Hold::take(gate, &demand, model, unix_ms, false);
            if matches!(taken, Err(Blocked::Cold)) {
                assert!(!actor.is_ready());
            } else {
                let view = gate.view();
                let (parts, fits) = self.ledger.plan(gate, &view, &demand, model, unix_ms);
                let may = actor.waiting.is_empty() || view.limits.is_empty();
                assert_eq!(taken.is_ok(), fits && may, "{taken:?}");
                if taken.is_ok() {
                    self.ledger.open.insert((id, scope), parts);
                }
            }
            match taken {
                Ok(hold) => holds.push((scope, hold)),
                Err(_) => break,
            }
        }
        if holds.len() < 3 {
            for (scope, hold) in holds {
                self.ledger.undo((id, scope));
                hold.give_back();
            }
        } else {
            self.requests.push(Request {
                id,
                holds,
                is_offered: false,
                seat: Some(seat),
            });
        }
        self.deliver();
    }

    pub fn ask(
        &mut self,
        scope: usize,
        model: usize,
        uses: Uses,
        (key, class): (u8, u8),
        wait_ms: u64,
    ) {
        self.alive(scope);
        self.ids += 1;
        let (ticket, now_ms) = (self.ids, self.now.mono_ms);
        let waiting = Waiting {
            demand: demand(uses),
            model: MODELS[model],
            key,
            class,
            since_ms: now_ms,
            deadline_ms: now_ms + wait_ms,
            seat: Some((scope == OF_KEY).then(|| self.seat())),
        };
        let wanted = Wanted {
            demand: waiting.demand,
            model: waiting.model.into(),
            key: KeyId(Uuid::from_u128(key.into())),
            priority: [Priority::High, Priority::Normal, Priority::Low][usize::from(class)],
            deadline_ms: waiting.deadline_ms,
        };
        self.actors[scope].waiting.insert(ticket, waiting);
        let ask = QuotaAsk::Reserve(Box::new(wanted));
        self.step(scope, Input::Ask(Ticket(ticket), ask));
        self.deliver();
    }

    fn waiter(&self, nth: usize) -> Option<(usize, u64)> {
        let all = self.actors.iter().enumerate();
        let tickets = all.flat_map(|(scope, actor)| actor.waiting.keys().map(move |t| (scope, *t)));
        let tickets: Vec<_> = tickets.collect();
        (!tickets.is_empty()).then(|| tickets[nth % tickets.len()])
    }

    pub fn hang_up(&mut self, nth: usize) {
        if let Some((scope, ticket)) = self.waiter(nth) {
            self.actors[scope].waiting.get_mut(&ticket).unwrap().seat = None;
        }
    }

    pub fn leave(&mut self, nth: usize) {
        if let Some((scope, ticket)) = self.waiter(nth) {
            self.actors[scope].waiting.remove(&ticket);
            self.step(scope, Input::Left(Ticket(ticket)));
            self.deliver();
        }
    }

    fn request(&mut self, nth: usize) -> Option<Request> {
        let count = self.requests.len();
        (count > 0).then(|| self.requests.swap_remove(nth % count))
    }

    pub fn checkpoint(&mut self, nth: usize, facts: Uses, ahead: u64) {
        let Some(mut request) = self.request(nth) else {
            return;
        };
        request.is_offered = false;
        let facts = amounts(facts);
        let ahead = Amounts {
            output_tokens: facts.output_tokens + ahead,
            ..facts
        };
        let unix_ms = self.now.unix_ms;
        for (scope, hold) in &mut request.holds {
            let view = self.actors[*scope].shared.gate.view();
            let of = (request.id, *scope);
            let over = self.ledger.checkpoint(of, &view, &facts, &ahead, unix_ms);
            let told = hold.checkpoint(&facts, &ahead, unix_ms);
            assert_eq!(told.is_err(), over, "{told:?}");
        }
        self.requests.push(request);
    }

    pub fn settle(&mut self, nth: usize, facts: Uses) {
        let Some(request) = self.request(nth) else {
            return;
        };
        let facts = amounts(facts);
        let unix_ms = self.now.unix_ms;
        for (scope, hold) in request.holds {
            let view = self.actors[scope].shared.gate.view();
            let of = (request.id, scope);
            self.ledger.checkpoint(of, &view, &facts, &facts, unix_ms);
            self.ledger.end(of);
            hold.settle(&facts, unix_ms);
        }
        if let Some(seat) = request.seat {
            let used = KeyTotals {
                requests: 1,
                ..KeyTotals::default()
            };
            self.settled += 1;
            let settled = vec![Settlement {
                hold: Some(seat),
                used,
            }];
            self.step(OF_KEY, Input::Tell(QuotaTell::Settle(settled)));
        }
        self.deliver();
    }

    pub fn give_back(&mut self, nth: usize) {
        if let Some(request) = self.request(nth) {
            for (scope, hold) in request.holds {
                self.ledger.undo((request.id, scope));
                hold.give_back();
            }
            self.deliver();
        }
    }

    pub fn drop_one(&mut self, nth: usize) {
        if let Some(request) = self.request(nth) {
            for (scope, hold) in request.holds {
                match request.is_offered {
                    true => self.ledger.undo((request.id, scope)),
                    false => self.ledger.end((request.id, scope)),
                }
                drop(hold);
            }
            drop(request.seat);
            self.deliver();
        }
    }
}
