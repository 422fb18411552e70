//! A deadline that a step at that time does not move is an actor that spins.

use proptest::prelude::*;

use super::health_model::report;
use super::*;

#[derive(Clone, Debug)]
enum Op {
    Report(Box<Report>),
    Pass(u64),
    /// The wall clock alone.
    Jump(i64),
    Lease,
    Renew(bool),
    Test(Auth, ProbeKind),
    Renewed(u8, u64),
    Probed(bool),
    Saved,
    Update(Vec<Auth>, bool, Option<u64>),
    Revive,
}

fn op() -> impl Strategy<Value = Op> {
    let auth = prop::sample::select(Auth::ALL.to_vec());
    let kind = prop::sample::select(vec![ProbeKind::Read, ProbeKind::Message]);
    let auths = prop::sample::subsequence(Auth::ALL.to_vec(), 0..=3);
    let life = prop_oneof![Just(0), 0..10_000u64, Just(HOUR_MS), Just(u64::MAX / 4)];
    prop_oneof![
        4 => report().prop_map(|report| Op::Report(Box::new(report))),
        2 => (0..2 * HOUR_MS).prop_map(Op::Pass),
        1 => (-400 * DAY_MS as i64..400 * DAY_MS as i64).prop_map(Op::Jump),
        1 => Just(Op::Lease),
        2 => any::<bool>().prop_map(Op::Renew),
        1 => (auth, kind).prop_map(|(auth, kind)| Op::Test(auth, kind)),
        4 => (0..6u8, life).prop_map(|(outcome, life)| Op::Renewed(outcome, life)),
        2 => any::<bool>().prop_map(Op::Probed),
        2 => Just(Op::Saved),
        2 => (auths, any::<bool>(), prop::option::of(0..2 * HOUR_MS))
            .prop_map(|(auths, enabled, login)| Op::Update(auths, enabled, login)),
        1 => Just(Op::Revive),
    ]
}

struct World {
    bench: Bench,
    grant: Grant,
    renewal: Option<Renewal>,
    probes: Vec<(Auth, ProbeKind)>,
}

impl World {
    fn take(&mut self, turn: &Turn<Account>) {
        self.renewal = orders(turn).first().copied().or(self.renewal);
        self.probes.extend(probes(turn));
    }

    fn apply(&mut self, op: Op) {
        let bench = &mut self.bench;
        let generation = bench.account.generation();
        let turn = match op {
            Op::Report(report) => bench.tell(AccountTell::Reports(vec![*report])),
            Op::Pass(ms) => {
                bench.pass(ms);
                return;
            }
            Op::Jump(ms) => {
                bench.now.unix_ms = bench.now.unix_ms.saturating_add_signed(ms);
                return;
            }
            Op::Lease => bench.lease("m"),
            Op::Renew(dead) => bench.renew(generation, dead),
            Op::Test(auth, kind) => bench.ask(AccountAsk::Test { auth, kind }),
            Op::Renewed(outcome, life_ms) => {
                let Some(order) = self.renewal.take() else {
                    return;
                };
                let token = token_at(order.generation + 1, bench.now.unix_ms, life_ms);
                let outcome = match outcome {
                    0 => refused(),
                    1 => unknown(),
                    2 => postponed(),
                    adopted => Renewed::Done {
                        token,
                        adopted: adopted == 3,
                    },
                };
                bench.renewed(order, outcome)
            }
            Op::Probed(well) => {
                let Some((auth, kind)) = self.probes.pop() else {
                    return;
                };
                bench.probed(auth, kind, if well { probe_ok() } else { probe_rejected() })
            }
            Op::Saved => bench.step(Input::Done(AccountDone::Saved)),
            Op::Update(auths, enabled, login) => {
                let mut record = record(&auths);
                record.enabled = enabled;
                if let Some(oauth) = &mut record.oauth {
                    oauth.grant = self.grant;
                }
                let login = login.map(|ms| seed(token_at(generation + 1, bench.now.unix_ms, ms)));
                bench.update(record, secrets(&auths), login)
            }
            Op::Revive => bench.tell(AccountTell::Revive),
        };
        self.take(&turn);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_due_is_done(
        grant in prop::sample::select(vec![Grant::JwtBearer, Grant::RefreshToken, Grant::ClientCredentials]),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut record = record(&Auth::ALL);
        record.oauth = Some(oauth_settings(grant));
        let bench = Bench::start(record, secrets(&Auth::ALL), seed(token(1)), None, T0);
        let mut world = World { bench, grant, renewal: None, probes: Vec::new() };
        for op in ops {
            world.apply(op);
            if let Some(at_ms) = world.bench.account.deadline() {
                prop_assert!(at_ms <= world.bench.now.mono_ms.max(world.bench.account.now.mono_ms) + HOUR_MS);
                world.bench.pass(at_ms.saturating_sub(world.bench.now.mono_ms));
                let turn = world.bench.wake();
                world.take(&turn);
                let next_ms = world.bench.account.deadline();
                prop_assert!(next_ms.is_none_or(|next_ms| next_ms > world.bench.now.mono_ms), "{:?}", world.bench.account);
            }
        }
    }
}
