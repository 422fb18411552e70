//! A model of one account's tokens: a machine, the store that its keeper writes, and an endpoint that spends a refresh
//! token once. Whatever comes in whatever order, nothing is spent twice that may still be of use.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Pass(u64),
    Wake,
    Lease,
    Renew {
        dead: bool,
    },
    Leave(usize),
    Done,
    Refused,
    Postponed,
    Unknown,
    Login,
    /// An update that read the store before the last renewal wrote to it.
    OldUpdate,
    Settings,
    Unauthorized,
    Saved,
    /// The process ends at once; the renewal under way may have been made.
    Crash {
        with_state: bool,
    },
    /// The machine is rebuilt from its view; the renewal under way goes on without it, and may reach the store.
    Panic {
        stored: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..40u64 * 60_000).prop_map(Op::Pass),
        2 => (0..10_000u64).prop_map(Op::Pass),
        3 => Just(Op::Wake),
        3 => Just(Op::Lease),
        3 => any::<bool>().prop_map(|dead| Op::Renew { dead }),
        1 => (0..8usize).prop_map(Op::Leave),
        1 => Just(Op::Done),
        1 => Just(Op::Refused),
        2 => Just(Op::Postponed),
        3 => Just(Op::Unknown),
        1 => Just(Op::Login),
        1 => Just(Op::OldUpdate),
        1 => Just(Op::Settings),
        1 => Just(Op::Unauthorized),
        1 => Just(Op::Saved),
        1 => any::<bool>().prop_map(|with_state| Op::Crash { with_state }),
        1 => any::<bool>().prop_map(|stored| Op::Panic { stored }),
    ]
}

/// The row of the store.
struct Row {
    token: Token,
    intent: Option<bool>,
    needs_login: Option<String>,
}

struct Model {
    bench: Bench,
    row: Row,
    state: Option<AccountState>,
    /// The order under way, and whether its grant was presented: what another has renewed is adopted instead.
    running: Option<(Renewal, bool)>,
    /// By generation: how often it was presented with an outcome that nobody knows.
    uncertain: BTreeMap<u64, u32>,
    /// Generations that only a login replaces.
    closed: BTreeSet<u64>,
    /// Generations that the upstream has refused, as far as this incarnation heard.
    dead: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
}

impl Model {
    fn new() -> Self {
        Self {
            bench: Bench::oauth(),
            row: Row {
                token: token(1),
                intent: None,
                needs_login: None,
            },
            state: None,
            running: None,
            uncertain: BTreeMap::new(),
            closed: BTreeSet::new(),
            dead: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    fn apply(&mut self, op: Op) {
        let generation = self.bench.account.generation();
        let turn = match op {
            Op::Pass(ms) => {
                self.bench.pass(ms);
                return;
            }
            Op::Wake => self.bench.wake(),
            Op::Lease => {
                self.waiting.insert(self.bench.tickets + 1);
                self.bench.lease("m")
            }
            Op::Renew { dead } => {
                if dead {
                    self.dead.insert(generation);
                }
                self.waiting.insert(self.bench.tickets + 1);
                self.bench.renew(generation, dead)
            }
            Op::Leave(nth) => {
                let Some(ticket) = self.waiting.iter().nth(nth).copied() else {
                    return;
                };
                self.waiting.remove(&ticket);
                self.bench.step(Input::Left(Ticket(ticket)))
            }
            Op::Done | Op::Refused | Op::Postponed | Op::Unknown => match self.conclude(&op) {
                Some(turn) => turn,
                None => return,
            },
            Op::Login => {
                let generation = self.row.token.generation + 1;
                self.row = Row {
                    token: token_at(generation, self.bench.now.unix_ms, HOUR_MS),
                    intent: None,
                    needs_login: None,
                };
                let login = seed(self.row.token.clone());
                self.bench
                    .update(record(&[Auth::Oauth]), Secrets::default(), Some(login))
            }
            Op::OldUpdate => {
                let old = token_at(generation.max(2) - 1, self.bench.now.unix_ms, DAY_MS);
                self.bench
                    .update(record(&[Auth::Oauth]), Secrets::default(), Some(seed(old)))
            }
            Op::Settings => self
                .bench
                .update(record(&[Auth::Oauth]), Secrets::default(), None),
            Op::Unauthorized => self.bench.report(Auth::Oauth, "m", Verdict::Unauthorized),
            Op::Saved => self.bench.step(Input::Done(AccountDone::Saved)),
            Op::Crash { with_state } => {
                self.lost(false);
                let token = TokenSeed {
                    token: Some(self.row.token.clone()),
                    unconcluded: self.row.intent,
                    needs_login: self.row.needs_login.clone(),
                };
                let state = self.state.clone().filter(|_| with_state);
                self.rebuild(token, state);
                return;
            }
            Op::Panic { stored } => {
                self.lost(stored);
                let view = self.bench.account.view();
                let lane = view.lane(Auth::Oauth).unwrap();
                let token =
                    TokenSeed::of_view(lane.token.as_ref().unwrap(), lane.credential.clone());
                let mut state = AccountState::new(id(), 0);
                let known = LaneState {
                    health: lane.health.clone(),
                    ..LaneState::default()
                };
                state.lanes.insert(Auth::Oauth, known);
                self.rebuild(token, Some(state));
                return;
            }
        };
        self.check(generation, turn);
    }

    /// The outcome of the renewal under way, as the keeper leaves the store and tells the machine.
    fn conclude(&mut self, op: &Op) -> Option<Turn<Account>> {
        let (order, presented) = self.running.take()?;
        let stands = self.row.token.generation == order.generation;
        let outcome = if !presented || !stands {
            Renewed::Done {
                token: self.row.token.clone(),
                adopted: true,
            }
        } else {
            match op {
                Op::Done => {
                    let new = order.generation + 1;
                    self.row.token = token_at(new, self.bench.now.unix_ms, HOUR_MS);
                    self.row.intent = None;
                    done(self.row.token.clone())
                }
                Op::Refused => {
                    self.closed.insert(order.generation);
                    self.row.intent = None;
                    self.row.needs_login = Some("refused".into());
                    refused()
                }
                Op::Postponed => {
                    self.row.intent = order.last.then_some(false);
                    postponed()
                }
                _ => {
                    *self.uncertain.entry(order.generation).or_default() += 1;
                    if order.last {
                        self.closed.insert(order.generation);
                        self.row.intent = None;
                        self.row.needs_login = Some("unknown".into());
                    }
                    unknown()
                }
            }
        };
        Some(self.bench.renewed(order, outcome))
    }

    /// Nobody will tell the machine how the renewal under way ended.
    fn lost(&mut self, stored: bool) {
        if let Some((order, true)) = self.running.take() {
            *self.uncertain.entry(order.generation).or_default() += 1;
            if stored && self.row.token.generation == order.generation {
                let new = order.generation + 1;
                self.row.token = token_at(new, self.bench.now.unix_ms, HOUR_MS);
                self.row.intent = None;
            }
        }
        self.waiting.clear();
        self.dead.clear();
    }

    fn rebuild(&mut self, token: TokenSeed, state: Option<AccountState>) {
        let (now, tickets) = (self.bench.now, self.bench.tickets);
        self.bench = Bench::start(
            record(&[Auth::Oauth]),
            Secrets::default(),
            token,
            state,
            now,
        );
        self.bench.tickets = tickets;
    }

    fn check(&mut self, before: u64, turn: Turn<Account>) {
        let view = self.bench.account.view();
        let lane = view.lane(Auth::Oauth).unwrap();
        let token = lane.token.as_ref().unwrap();
        assert!(lane.credential.is_some(), "a credential has disappeared");
        assert!(token.generation >= before, "an older token came back");
        for state in saves(&turn) {
            self.state = Some(state.clone());
        }
        for order in orders(&turn) {
            assert!(self.running.is_none(), "two renewals at once");
            assert_eq!(order.generation, token.generation);
            let presented = self.row.token.generation == order.generation;
            self.running = Some((order, presented));
            if presented {
                self.presented(order, token);
            }
        }
        for (ticket, reply) in turn.replies {
            assert!(self.waiting.remove(&ticket.0), "answered twice: {reply:?}");
            if matches!(reply, AccountReply::Leased { .. }) {
                assert!(token.stale_ms > self.bench.now.unix_ms, "a stale lease");
            }
        }
        assert!(
            self.waiting.is_empty() || self.running.is_some(),
            "somebody waits for nothing"
        );
    }

    /// The grant of `order` is shown to the endpoint.
    fn presented(&mut self, order: Renewal, token: &TokenView) {
        let ended =
            token.expires_ms <= self.bench.now.unix_ms || self.dead.contains(&order.generation);
        assert!(
            !self.closed.contains(&order.generation),
            "a renewal where only a login helps"
        );
        match self.uncertain.get(&order.generation) {
            None | Some(0) => {}
            Some(1) => assert!(ended && order.last, "spent twice: {order:?}, ended {ended}"),
            Some(_) => panic!("spent three times: {order:?}"),
        }
        self.row.intent = Some(order.last);
        self.row.needs_login = None;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_is_spent_twice_and_everybody_is_answered(ops in prop::collection::vec(op(), 1..120)) {
        let mut model = Model::new();
        for op in ops {
            model.apply(op);
        }
        // Whatever is under way ends at some time.
        for _ in 0..3 {
            model.apply(Op::Postponed);
        }
        prop_assert!(model.waiting.is_empty());
    }
}
