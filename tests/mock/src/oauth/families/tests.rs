use proptest::prelude::*;

use super::*;

fn seeded(families: &mut Families, now: Instant) -> SeededTokens {
    let seed = FamilySeed {
        family: "f".into(),
        expires_in_ms: Some(1_000),
        life_ms: Some(2_000),
        client_id: Some("app".into()),
        ..FamilySeed::default()
    };
    families.seed(now, seed)
}

fn only(families: &Families, now: Instant) -> FamilyFacts {
    families.facts(now).remove(0)
}

#[test]
fn tokens_rotate_and_reuse_revokes() {
    let (mut families, now) = (Families::default(), Instant::now());
    let first = seeded(&mut families, now);
    assert_eq!(
        families.verdict(now, &first.access_token),
        Some(Verdict::Live)
    );
    assert_eq!(families.verdict(now, "other"), None);
    let other_client = families.renew(now, &first.refresh_token, Some("else"));
    assert!(other_client.unwrap_err().contains("another client"));

    let second = families
        .renew(now, &first.refresh_token, Some("app"))
        .unwrap();
    let later = now + Duration::from_millis(1_500);
    assert_eq!(
        families.verdict(later, &first.access_token),
        Some(Verdict::Expired)
    );
    assert_eq!(
        families.verdict(later, &second.access_token),
        Some(Verdict::Live)
    );
    assert_eq!(second.expires_in_s, 2);

    assert!(
        families
            .renew(later, &first.refresh_token, Some("app"))
            .is_err()
    );
    assert_eq!(
        families.verdict(later, &second.access_token),
        Some(Verdict::Revoked)
    );
    let newest = second.refresh_token.unwrap();
    assert!(
        families
            .renew(later, &newest, Some("app"))
            .unwrap_err()
            .contains("revoked")
    );
    let facts = only(&families, later);
    assert_eq!(
        (facts.generation, facts.reuse_attempts, facts.revoked),
        (2, 1, true)
    );
    assert_eq!(facts.live_access_tokens, 0);
}

#[test]
fn presenting_twice_while_the_token_lives_is_seen() {
    let (mut families, now) = (Families::default(), Instant::now());
    let tokens = seeded(&mut families, now);
    families.present(now, "other");
    families.present(now, &tokens.refresh_token);
    assert_eq!(
        (
            only(&families, now).spends,
            only(&families, now).repeats_while_live
        ),
        (1, 0)
    );
    let later = now + Duration::from_millis(1_000);
    families.present(later, &tokens.refresh_token);
    assert_eq!(
        (
            only(&families, now).spends,
            only(&families, now).repeats_while_live
        ),
        (2, 0)
    );
    families.present(now, &tokens.refresh_token);
    assert_eq!(
        (
            only(&families, now).spends,
            only(&families, now).repeats_while_live
        ),
        (3, 1)
    );
    assert!(families.expire(now, "f") && !families.expire(now, "g"));
    families.present(now, &tokens.refresh_token);
    assert_eq!(
        (
            only(&families, now).spends,
            only(&families, now).repeats_while_live
        ),
        (4, 1)
    );
}

#[test]
fn a_kept_refresh_token_serves_on_and_a_new_seed_replaces_the_old() {
    let (mut families, now) = (Families::default(), Instant::now());
    let seed = FamilySeed {
        family: "f".into(),
        refresh_token: Some("rt".into()),
        keeps_refresh_token: true,
        ..FamilySeed::default()
    };
    let first = families.seed(now, seed.clone());
    for _ in 0..3 {
        assert_eq!(families.renew(now, "rt", None).unwrap().refresh_token, None);
    }
    assert_eq!(only(&families, now).generation, 4);
    families.seed(now, seed);
    assert_eq!(families.verdict(now, &first.access_token), None);
    assert_eq!(only(&families, now).generation, 1);
}

#[test]
fn what_is_kept_is_bounded() {
    let (mut families, now) = (Families::default(), Instant::now());
    let mut refresh = seeded(&mut families, now).refresh_token;
    for _ in 0..2 * TOKENS {
        refresh = families
            .renew(now, &refresh, Some("app"))
            .unwrap()
            .refresh_token
            .unwrap();
    }
    assert_eq!(
        (families.refresh.len(), families.list["f"].access.len()),
        (TOKENS, TOKENS)
    );
    for number in 0..=FAMILIES {
        families.grant(
            now,
            FamilySeed {
                family: number.to_string(),
                ..FamilySeed::default()
            },
        );
    }
    assert_eq!(
        (families.list.len(), families.order.len()),
        (FAMILIES, FAMILIES)
    );
    assert!(families.refresh.is_empty());
    for _ in 0..=ASSERTIONS {
        families.note_assertion("a".into());
    }
    assert_eq!(families.assertions().len(), ASSERTIONS);
}

proptest! {
    /// Whatever is presented in whatever order: one unspent token at most, and none once one came twice.
    #[test]
    fn any_history(picks in prop::collection::vec(0usize..6, 1..30)) {
        let (mut families, now) = (Families::default(), Instant::now());
        let mut known = vec![seeded(&mut families, now).refresh_token];
        let (mut spent, mut revoked) = (std::collections::HashSet::new(), false);
        for pick in picks {
            let token = known[pick % known.len()].clone();
            families.present(now, &token);
            let renewed = families.renew(now, &token, Some("app"));
            prop_assert_eq!(renewed.is_ok(), !revoked && !spent.contains(&token));
            revoked |= !spent.insert(token);
            if let Ok(issued) = renewed {
                known.push(issued.refresh_token.unwrap());
            }
            let unspent = families.refresh.values().filter(|refresh| !refresh.spent).count();
            prop_assert!(unspent <= 1);
            prop_assert_eq!(only(&families, now).revoked, revoked);
        }
    }
}
