//! The contract of `SessionStore`.

use troupe_core::port::{SessionRow, Stores};
use troupe_core::{KeyId, SessionKey};

use super::sample::session;

pub(super) async fn the_last_write_of_a_session_wins(stores: &Stores) {
    stores.sessions.save(Vec::new()).await.unwrap();
    let first = [session(1, 10), session(2, 20)];
    stores.sessions.save(first.to_vec()).await.unwrap();
    let again = vec![session(1, 5), session(3, 30), session(1, 40)];
    stores.sessions.save(again).await.unwrap();
    let found = stores.sessions.load(0, 10).await.unwrap();
    assert_eq!(found, [session(1, 40), session(3, 30), session(2, 20)]);
}

pub(super) async fn a_session_is_its_keys(stores: &Stores) {
    let mine = session(1, 20);
    let theirs = SessionRow {
        session: SessionKey {
            key: KeyId::declared("another"),
            ..mine.session
        },
        until_ms: 10,
        ..mine
    };
    stores.sessions.save(vec![theirs, mine]).await.unwrap();
    let found = stores.sessions.load(0, 10).await.unwrap();
    assert_eq!(found, [mine, theirs]);
}

pub(super) async fn ended_sessions_are_not_loaded_and_go(stores: &Stores) {
    let rows = [session(1, 10), session(u64::MAX, 20), session(3, u64::MAX)];
    stores.sessions.save(rows.to_vec()).await.unwrap();
    let load = |now_ms, limit| stores.sessions.load(now_ms, limit);
    assert_eq!(load(10, 10).await.unwrap(), [rows[2], rows[1]]);
    assert_eq!(load(10, 1).await.unwrap(), [rows[2]]);
    assert_eq!(load(10, 0).await.unwrap(), []);
    assert_eq!(load(u64::MAX, 10).await.unwrap(), []);
    assert_eq!(stores.sessions.prune(9).await.unwrap(), 0);
    assert_eq!(stores.sessions.prune(20).await.unwrap(), 2);
    assert_eq!(stores.sessions.prune(20).await.unwrap(), 0);
    assert_eq!(load(0, 10).await.unwrap(), [rows[2]]);
}
