use super::*;
use uuid::Uuid;

fn record() -> AccountRecord {
    AccountRecord {
        id: AccountId(Uuid::nil()),
        name: "main".into(),
        kind: AccountKind::ApiKey,
        base_url: "http://127.0.0.1:1".into(),
        auth: AuthScheme::XApiKey,
        sealed: vec![1],
        headers: BTreeMap::new(),
        models: BTreeMap::new(),
        concurrent: Some(1),
        enabled: true,
        created_ms: 0,
        updated_ms: 0,
        version: 1,
    }
}

fn credential() -> Arc<Credential> {
    Arc::new(Credential {
        scheme: AuthScheme::XApiKey,
        secret: "s".into(),
    })
}

fn account() -> Account {
    Account::new(
        record(),
        credential(),
        None,
        Slots::new(None),
        Now::default(),
    )
}

fn step(machine: &mut Account, now: Now, input: Input<Account>) -> Turn<Account> {
    let mut turn = Turn::default();
    machine.handle(now, input, &mut turn);
    turn
}

fn report(machine: &mut Account, now: Now, verdict: Verdict) -> Turn<Account> {
    let reports = vec![Report {
        model: Some("m".into()),
        verdict,
    }];
    step(machine, now, Input::Tell(AccountTell::Reports(reports)))
}

#[test]
fn fifty_callers_become_one_probe_and_fifty_answers() {
    let mut account = account();
    let now = Now::default();
    let probes: usize = (0..50)
        .map(|i| {
            step(&mut account, now, Input::Ask(Ticket(i), AccountAsk::Test))
                .effects
                .len()
        })
        .sum();
    assert_eq!(probes, 1);
    let turn = step(
        &mut account,
        now,
        Input::Done(AccountDone::Probed(Probe::Ok { latency_ms: 3 })),
    );
    assert_eq!(turn.replies.len(), 50);
}

#[test]
fn verdicts_change_what_the_fault_table_says() {
    let now = Now {
        unix_ms: 1_000,
        mono_ms: 1_000,
    };
    let throttled = |for_ms, scope| Verdict::Throttled { for_ms, scope };
    // verdict, blocks the model, blocks another model
    let table = [
        (Verdict::Success, false, false),
        (Verdict::RequestFault, false, false),
        (Verdict::Platform, false, false),
        (Verdict::Overloaded, false, false),
        (Verdict::Unknown, false, false),
        (Verdict::NoModel, false, false),
        (Verdict::Forbidden, false, false),
        (throttled(Some(5_000), Scope::Account), true, true),
        (throttled(Some(5_000), Scope::Model), true, false),
        (throttled(None, Scope::Account), true, true),
        (Verdict::Unauthorized, true, true),
        (
            Verdict::OutOfService {
                reason: "credit".into(),
            },
            true,
            true,
        ),
    ];
    for (verdict, model, other) in table {
        let mut account = account();
        report(&mut account, now, verdict.clone());
        let view = account.view();
        assert_eq!(
            view.available(Some("m"), now.unix_ms).is_err(),
            model,
            "{verdict:?}"
        );
        assert_eq!(
            view.available(Some("other"), now.unix_ms).is_err(),
            other,
            "{verdict:?}"
        );
    }
}

#[test]
fn a_cool_down_ends_by_itself_and_is_bounded() {
    let now = Now {
        unix_ms: 1_000,
        mono_ms: 0,
    };
    let mut account = account();
    report(
        &mut account,
        now,
        Verdict::Throttled {
            for_ms: Some(u64::MAX),
            scope: Scope::Account,
        },
    );
    let view = account.view();
    assert_eq!(
        view.available(None, 1_000),
        Err(Unavailable::Throttled {
            until_ms: 1_000 + MAX_COOL_DOWN_MS
        })
    );
    assert_eq!(view.available(None, 1_000 + MAX_COOL_DOWN_MS), Ok(()));
}

#[test]
fn a_rejected_credential_is_probed_and_comes_back() {
    let now = Now::default();
    let mut account = account();
    let turn = report(&mut account, now, Verdict::Unauthorized);
    assert!(
        turn.effects
            .iter()
            .any(|e| matches!(e, AccountEffect::Probe(_)))
    );
    let rejected = Probe::Rejected {
        status: 401,
        message: String::new(),
    };
    step(
        &mut account,
        now,
        Input::Done(AccountDone::Probed(rejected)),
    );
    let later = now.plus(account.deadline().unwrap());
    let turn = step(&mut account, later, Input::Wake);
    assert!(matches!(turn.effects[..], [AccountEffect::Probe(_)]));
    step(
        &mut account,
        later,
        Input::Done(AccountDone::Probed(Probe::Ok { latency_ms: 1 })),
    );
    assert_eq!(account.view().health, Health::Active);
}

#[test]
fn a_new_credential_revives_and_an_operator_too() {
    let now = Now::default();
    let mut account = account();
    report(
        &mut account,
        now,
        Verdict::OutOfService {
            reason: "credit".into(),
        },
    );
    step(
        &mut account,
        now,
        Input::Done(AccountDone::Probed(Probe::Ok { latency_ms: 1 })),
    );
    assert_eq!(
        account.view().available(None, 0),
        Err(Unavailable::OutOfService)
    );
    let renewed = AccountRecord {
        sealed: vec![2],
        ..record()
    };
    step(
        &mut account,
        now,
        Input::Tell(AccountTell::Update(Box::new((renewed, credential())))),
    );
    assert_eq!(account.view().available(None, 0), Ok(()));
}

/// A pause that was forgotten is forgotten in the store, too.
#[test]
fn a_new_credential_ends_a_pause_for_good() {
    let now = Now::default();
    let mut account = account();
    let throttled = Verdict::Throttled {
        for_ms: Some(60_000),
        scope: Scope::Account,
    };
    report(&mut account, now, throttled);
    let renewed = AccountRecord {
        sealed: vec![2],
        ..record()
    };
    let update = AccountTell::Update(Box::new((renewed, credential())));
    step(&mut account, now, Input::Tell(update));
    assert_eq!(account.view().available(None, 0), Ok(()));
    let turn = step(&mut account, now, Input::Done(AccountDone::Saved));
    let saved = turn.effects.iter().any(
        |effect| matches!(effect, AccountEffect::Save { state, .. } if state.cooldowns.is_empty()),
    );
    assert!(saved, "{:?}", turn.effects);
}

#[test]
fn a_lease_is_refused_when_full() {
    let mut account = account();
    let turn = step(
        &mut account,
        Now::default(),
        Input::Ask(Ticket(1), AccountAsk::Lease { model: None }),
    );
    assert!(matches!(
        turn.replies[..],
        [(Ticket(1), AccountReply::Leased(_))]
    ));
    let second = step(
        &mut account,
        Now::default(),
        Input::Ask(Ticket(2), AccountAsk::Lease { model: None }),
    );
    assert!(matches!(
        second.replies[..],
        [(_, AccountReply::Refused(Unavailable::Full))]
    ));
}

#[test]
fn one_save_at_a_time_and_the_latest_state_last() {
    let now = Now::default();
    let mut account = account();
    let saves = |turn: &Turn<Account>| {
        let save = |e: &AccountEffect| matches!(e, AccountEffect::Save { .. });
        turn.effects.iter().filter(|e| save(e)).count()
    };
    let verdict = |for_ms| Verdict::Throttled {
        for_ms: Some(for_ms),
        scope: Scope::Account,
    };
    assert_eq!(saves(&report(&mut account, now, verdict(5_000))), 1);
    assert_eq!(saves(&report(&mut account, now, verdict(9_000))), 0);
    assert_eq!(
        saves(&step(&mut account, now, Input::Tell(AccountTell::Revive))),
        0
    );
    let last = step(&mut account, now, Input::Done(AccountDone::Saved));
    assert!(
        matches!(&last.effects[..], [AccountEffect::Save { state, .. }] if state.cooldowns.is_empty())
    );
    assert_eq!(
        saves(&step(&mut account, now, Input::Done(AccountDone::Saved))),
        0
    );
}

#[test]
fn a_probe_of_the_old_credential_says_nothing_of_the_new_one() {
    let now = Now::default();
    let mut account = account();
    step(&mut account, now, Input::Ask(Ticket(1), AccountAsk::Test));
    let renewed = AccountRecord {
        sealed: vec![2],
        ..record()
    };
    step(
        &mut account,
        now,
        Input::Tell(AccountTell::Update(Box::new((renewed, credential())))),
    );
    let rejected = || Probe::Rejected {
        status: 401,
        message: String::new(),
    };
    let turn = step(
        &mut account,
        now,
        Input::Done(AccountDone::Probed(rejected())),
    );
    assert!(turn.replies.is_empty() && matches!(turn.effects[..], [AccountEffect::Probe(_)]));
    assert_eq!(account.view().health, Health::Active);
    let turn = step(
        &mut account,
        now,
        Input::Done(AccountDone::Probed(rejected())),
    );
    assert!(matches!(
        turn.replies[..],
        [(Ticket(1), AccountReply::Tested(Probe::Rejected { .. }))]
    ));
}

proptest::proptest! {
    #[test]
    fn every_test_is_answered_once_whatever_comes_between(steps in proptest::collection::vec(0u8..5, 1..200)) {
        let mut account = account();
        let (mut now, mut asked, mut answered, mut in_flight) = (Now::default(), 0u64, 0u64, 0i32);
        for step_kind in steps {
            now = now.plus(10_000);
            let turn = match step_kind {
                0 => { asked += 1; step(&mut account, now, Input::Ask(Ticket(asked), AccountAsk::Test)) }
                1 if in_flight > 0 => { in_flight -= 1; step(&mut account, now, Input::Done(AccountDone::Probed(Probe::Inconclusive { message: String::new() }))) }
                2 => report(&mut account, now, Verdict::Unauthorized),
                3 => step(&mut account, now, Input::Tell(AccountTell::Revive)),
                _ => step(&mut account, now, Input::Wake),
            };
            in_flight += i32::try_from(turn.effects.iter().filter(|e| matches!(e, AccountEffect::Probe(_))).count()).unwrap();
            proptest::prop_assert!(in_flight <= 1);
            answered += turn.replies.len() as u64;
        }
        if in_flight > 0 {
            answered += step(&mut account, now, Input::Done(AccountDone::Probed(Probe::Ok { latency_ms: 1 }))).replies.len() as u64;
        }
        proptest::prop_assert_eq!(asked, answered);
    }
}
