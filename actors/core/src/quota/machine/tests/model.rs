//! A model of three scopes against a slow ledger: requests, those who wait, changing limits, clocks, panics, deaths of the
//! process. Whatever comes in whatever order, no unit is lost or made, and nobody waits for nothing.
//!
//! One thing is not asked of the machine: a clock that is set back across the edge of a window *and* a process, an actor
//! or a limit that began after that edge. Stores tell what windows that are over have charged to nobody.

mod ledger;
mod rules;
mod world;

use proptest::prelude::*;

use rules::Variant;
use world::World;

#[derive(Clone, Debug)]
enum Op {
    Pass(u64),
    SetBack(u64),
    /// A request at the gates of all scopes.
    Take {
        model: usize,
        uses: Uses,
    },
    /// A request of a key's that waits at one scope.
    Ask {
        scope: usize,
        model: usize,
        uses: Uses,
        key: u8,
        class: u8,
        wait_ms: u64,
    },
    /// Whoever waits is gone, and the machine does not know.
    HangUp(usize),
    Leave(usize),
    Checkpoint {
        request: usize,
        facts: Uses,
        ahead: u64,
    },
    Settle {
        request: usize,
        facts: Uses,
    },
    GiveBack(usize),
    Drop(usize),
    Update {
        scope: usize,
        variant: Variant,
    },
    /// The oldest effect of a scope ends.
    Done {
        scope: usize,
        ok: bool,
    },
    Flush(usize),
    Panic {
        scope: usize,
        done: bool,
    },
    /// Nobody has used the key for long.
    Idle,
    Die,
}

/// Input tokens, output tokens, micro-dollars.
type Uses = (u64, u64, u64);

fn uses() -> impl Strategy<Value = Uses> {
    (0..4u64, 0..8u64, 0..12u64)
}

fn op() -> impl Strategy<Value = Op> {
    let scope = 0..3usize;
    let one = 0..16usize;
    prop_oneof![
        4 => (0..20_000u64).prop_map(Op::Pass),
        1 => (0..400_000u64).prop_map(Op::Pass),
        1 => (0..45_000u64).prop_map(Op::SetBack),
        8 => (0..2usize, uses()).prop_map(|(model, uses)| Op::Take { model, uses }),
        6 => (scope.clone(), 0..2usize, uses(), 0..3u8, 0..3u8, 0..5_000u64).prop_map(
            |(scope, model, uses, key, class, wait_ms)|
                Op::Ask { scope, model, uses, key, class, wait_ms }),
        1 => one.clone().prop_map(Op::HangUp),
        1 => one.clone().prop_map(Op::Leave),
        5 => (one.clone(), uses(), 0..4u64).prop_map(
            |(request, facts, ahead)| Op::Checkpoint { request, facts, ahead }),
        4 => (one.clone(), uses()).prop_map(|(request, facts)| Op::Settle { request, facts }),
        1 => one.clone().prop_map(Op::GiveBack),
        2 => one.prop_map(Op::Drop),
        2 => (scope.clone(), rules::variant()).prop_map(
            |(scope, variant)| Op::Update { scope, variant }),
        5 => (scope.clone(), prop::bool::weighted(0.8)).prop_map(
            |(scope, ok)| Op::Done { scope, ok }),
        1 => scope.clone().prop_map(Op::Flush),
        1 => (scope, any::<bool>()).prop_map(|(scope, done)| Op::Panic { scope, done }),
        1 => Just(Op::Idle),
        1 => Just(Op::Die),
    ]
}

fn apply(world: &mut World, op: Op) {
    match op {
        Op::Pass(ms) => world.pass(ms),
        Op::SetBack(ms) => world.set_back(ms),
        Op::Take { model, uses } => world.take(model, uses),
        Op::Ask {
            scope,
            model,
            uses,
            key,
            class,
            wait_ms,
        } => {
            world.ask(scope, model, uses, (key, class), wait_ms);
        }
        Op::HangUp(nth) => world.hang_up(nth),
        Op::Leave(nth) => world.leave(nth),
        Op::Checkpoint {
            request,
            facts,
            ahead,
        } => world.checkpoint(request, facts, ahead),
        Op::Settle { request, facts } => world.settle(request, facts),
        Op::GiveBack(request) => world.give_back(request),
        Op::Drop(request) => world.drop_one(request),
        Op::Update { scope, variant } => world.update(scope, variant),
        Op::Done { scope, ok } => world.done(scope, ok),
        Op::Flush(scope) => world.flush(scope),
        Op::Panic { scope, done } => world.panic(scope, done),
        Op::Idle => world.idle(),
        Op::Die => world.die(),
    }
}

proptest! {
    #[test]
    fn no_unit_is_lost_or_made(
        first in prop::array::uniform3(rules::variant()),
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut world = World::new(first);
        for op in ops {
            apply(&mut world, op);
            world.check();
        }
        world.end();
    }
}
