//! The contract of bodies.

use troupe_core::RequestId;
use troupe_core::bodies::StoredBodies;
use troupe_core::port::Stores;

const DAY_MS: u64 = 86_400_000;

/// Of a request that began at `at_ms`, with bytes that a lossy store would show.
pub(crate) fn sample(at_ms: u64, packed_bytes: usize) -> StoredBodies {
    let id = u128::from(at_ms) << 80 | 7 << 76 | 1;
    StoredBodies {
        id: RequestId(uuid::Uuid::from_u128(id)),
        at_ms,
        packed: (0..=u8::MAX).rev().cycle().take(packed_bytes).collect(),
    }
}

pub(super) async fn bodies_are_found_by_their_id(stores: &Stores) {
    let store = &stores.bodies;
    let mut kept = vec![
        sample(DAY_MS - 1, 0),
        sample(DAY_MS, 3_000),
        sample(DAY_MS + 1, 1),
    ];
    // The id and the row's time are of two clocks.
    kept.push(StoredBodies {
        at_ms: DAY_MS,
        ..sample(DAY_MS - 2, 5)
    });
    assert_eq!(store.find(kept[0].id).await.unwrap(), None);
    store.append(kept.clone()).await.unwrap();
    store.append(Vec::new()).await.unwrap();
    for one in &kept {
        assert_eq!(store.find(one.id).await.unwrap().as_ref(), Some(one));
    }
    assert_eq!(store.find(sample(DAY_MS + 2, 0).id).await.unwrap(), None);
    assert!(!format!("{:?}", kept[1]).contains("255"), "not in a log");
}

pub(super) async fn bodies_that_are_there_stay(stores: &Stores) {
    let store = &stores.bodies;
    let first = sample(5, 10);
    store.append(vec![first.clone()]).await.unwrap();
    let second = StoredBodies {
        packed: vec![1],
        ..first.clone()
    };
    let other = sample(6, 2);
    store.append(vec![second, other.clone()]).await.unwrap();
    assert_eq!(store.find(first.id).await.unwrap(), Some(first));
    assert_eq!(store.find(other.id).await.unwrap(), Some(other));
}

pub(super) async fn bodies_of_a_day_are_summed(stores: &Stores) {
    let store = &stores.bodies;
    let all = [
        sample(2 * DAY_MS - 1, 70),
        sample(2 * DAY_MS, 3_000),
        sample(3 * DAY_MS - 1, 500),
    ];
    store.append(all.to_vec()).await.unwrap();
    // Some count what frames them.
    let near = |bytes: u64| bytes..bytes + 200;
    for (at_ms, bytes) in [
        (DAY_MS, near(70)),
        (2 * DAY_MS + 9, near(3_500)),
        (3 * DAY_MS, near(0)),
    ] {
        let summed = store.of_day(at_ms).await.unwrap();
        assert!(bytes.contains(&summed), "{summed} at {at_ms}");
    }
}

pub(super) async fn old_bodies_go_by_the_day(stores: &Stores) {
    let store = &stores.bodies;
    let days: Vec<_> = (0..4).map(|day| sample(day * DAY_MS + 1, 9)).collect();
    store.append(days.clone()).await.unwrap();
    assert_eq!(store.retain(2 * DAY_MS + 5).await.unwrap(), 2);
    assert_eq!(store.retain(2 * DAY_MS + 5).await.unwrap(), 0);
    for (day, one) in days.iter().enumerate() {
        let found = store.find(one.id).await.unwrap();
        assert_eq!(found.is_some(), day >= 2, "{day}");
    }
    store.append(vec![days[0].clone()]).await.unwrap();
    assert!(store.find(days[0].id).await.unwrap().is_some());
}
